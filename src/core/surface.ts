import type { Failure } from './failures.ts'
import type { FormRequest } from './form.ts'
import type { JsonObject } from './json.ts'
import type { Codec, Codecs } from './provider.ts'

/**
 * A public endpoint as data: where it is, how its request is read, what its answer may be. The pipeline is the same for
 * all of them.
 */
export interface Surface {
  readonly id: keyof Codecs
  readonly methods: readonly string[]
  readonly path: string
  /** What its streams consist of: chunks of OpenAI's chat, or events that say their type. null: it has none. */
  readonly streams: 'chunks' | 'events' | null
  /** Answers may be other than JSON: sound, subtitles. */
  readonly hasByteAnswers: boolean
  /** Its codecs don't look at the request again when its answer comes: prompts with pictures are long. */
  readonly forgetsRequest?: boolean
  /** Its bodies may have so many bytes, also where fewer are configured for all. */
  readonly maxBodyBytes?: number
  /** `body` is complete, valid UTF-8 is not yet checked, and only valid during the call. */
  read(body: Uint8Array, head: RequestHead): Call | Failure
  /** Serves the surface through another one, for providers without a codec of its own. */
  derive?(codecs: Codecs): Codec | undefined
}

/** What of a request's head its surface may look at. */
export interface RequestHead {
  readonly contentType: string
}

/** What the pipeline needs to know of a request before it is routed. */
export interface Call {
  /** As asked for; aliases are the pipeline's business. '' where the surface lets it be left out. */
  readonly model: string
  readonly stream: boolean
  /** What the client said about the usage event of its stream; null = nothing. */
  readonly usageWish: boolean | null
  /** What of its price is told by the request; absent: nothing. */
  readonly measured?: Measured
  /** Content type of what `splice` yields; '' for JSON. */
  readonly contentType: string
  /** The bytes with the changes made and nothing else touched; null when nothing has to change. */
  splice(body: Uint8Array, changes: BodyChanges): Uint8Array | null
  /** The request as codecs take it, with this model; null when the body is none. */
  parse(body: Uint8Array, model: string): JsonObject | FormRequest | null
}

/** What a request is charged by, where answers don't say. */
export interface Measured {
  /** Of pictures asked for. */
  readonly images?: number
  /** As asked for: `1024x1024`, `hd`. */
  readonly imageSize?: string
  readonly imageQuality?: string
  /** Of text to be spoken. */
  readonly characters?: number
}

/** What a target wants different, where the request's bytes are otherwise relayed. */
export interface BodyChanges {
  readonly model: string
  /** Streams are asked for their usage, whatever the client wants to see of it. */
  readonly askForUsage: boolean
  /** The name under which the upstream wants the completion ceiling. */
  readonly tokenLimit?: 'max_tokens' | 'max_completion_tokens'
}
