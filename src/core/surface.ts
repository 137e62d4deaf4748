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
  /** The bytes with another model and, for streams, with a request for usage; null when nothing has to change. */
  splice(body: Uint8Array, model: string, askForUsage: boolean): Uint8Array | null
}

/** Endpoints that are known and not served yet answer 501 rather than 404. */
export interface PlannedRoute {
  readonly path: string
  readonly methods: readonly string[]
}
