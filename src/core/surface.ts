import type { Failure } from './failures.ts'
import type { Codecs } from './provider.ts'

/**
 * A public endpoint as data: where it is, how its request is read, what its answer may be. The pipeline is the same for
 * all of them.
 */
export interface Surface {
  readonly id: keyof Codecs
  readonly methods: readonly string[]
  readonly path: string
  /** `body` is complete, valid UTF-8 is not yet checked, and only valid during the call. */
  read(body: Uint8Array): Call | Failure
}

/** What the pipeline needs to know of a request before it is routed. */
export interface Call {
  /** As asked for; aliases are the pipeline's business. */
  readonly model: string
  readonly stream: boolean
  /** What the client said about the usage event of its stream; null = nothing. */
  readonly usageWish: boolean | null
  /** The bytes with the changes made and nothing else touched; null when nothing has to change. */
  splice(body: Uint8Array, changes: BodyChanges): Uint8Array | null
}

/** What a target wants different, where the request's bytes are otherwise relayed. */
export interface BodyChanges {
  readonly model: string
  /** Streams are asked for their usage, whatever the client wants to see of it. */
  readonly askForUsage: boolean
  /** The name under which the upstream wants the completion ceiling. */
  readonly tokenLimit?: 'max_tokens' | 'max_completion_tokens'
}

/** Endpoints that are known and not served yet answer 501 rather than 404. */
export interface PlannedRoute {
  readonly path: string
  readonly methods: readonly string[]
}
