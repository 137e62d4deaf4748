import type { ChatRequest, Usage } from './chat.ts'
import type { Failure } from './failures.ts'
import type { JsonObject } from './json.ts'

export type { ChatRequest, FinishReason, Usage } from './chat.ts'
export type { Json, JsonObject } from './json.ts'

/** One setting of a provider: where it comes from and whether it must be hidden. Feeds validation, `doctor` and the docs. */
export interface Setting {
  readonly env?: string
  readonly default?: string
  /** Redacted everywhere it could leave. */
  readonly secret?: boolean
  /** Without a value the provider is not registered, or the target refused. Default: true for a secret without default. */
  readonly required?: boolean
  readonly help?: string
}

export type SettingValues<S extends Record<string, Setting>> = { readonly [K in keyof S]: string }

/** Described here, applied by upstream/auth. */
export type Auth =
  | { readonly scheme: 'none' }
  | { readonly scheme: 'bearer'; readonly token: string }
  | { readonly scheme: 'header'; readonly name: string; readonly value: string }

/** What a codec may know of the target it encodes for. */
export interface TargetContext {
  /** The model the upstream is asked for (aliases resolved). */
  readonly model: string
  readonly settings: Readonly<Record<string, string>>
  readonly stream: boolean
  /** Names answers whose upstream gave them no id. */
  readonly requestId?: string
  /** Wall clock, for answers that don't say when they were created; codecs read no clock. */
  readonly nowMs?: number
  /** `reject`: a parameter the upstream can't express ends the request. Otherwise it is left out, which is the default. */
  readonly onUnsupportedParam?: 'warn' | 'drop' | 'reject'
}

/** One event of a framed stream, undecoded. `event` is '' where the framing has no names. */
export interface StreamEvent {
  readonly event: string
  readonly data: string
}

/** What a stream decoder makes of one upstream event. */
export type Decoded =
  | { readonly kind: 'chunks'; readonly chunks: readonly JsonObject[]; readonly usage?: Usage }
  | { readonly kind: 'done' }
  | { readonly kind: 'failure'; readonly failure: Failure }

/** Fresh per stream. */
export interface EventDecoder {
  decode(event: StreamEvent): Decoded
  /** What is still to be said when the stream has ended as it should: formats whose last usage report is known only then. */
  end?(): readonly JsonObject[]
}

/** What an upstream's error body says, in words that may reach the client only for 400 and 422. */
export interface UpstreamError {
  readonly message: string
  readonly code?: string
  /** The status it means, when that differs from the one it sent (Gemini's 400 for a bad key). */
  readonly status?: number
  /** A 429 that waiting won't cure (exhausted quota). */
  readonly permanent?: boolean
  readonly retryAfterMs?: number
}

/**
 * How one surface is spoken to one provider; all pure. A codec whose `relay` is not null speaks the canonical
 * (OpenAI) shape in both directions, so that bytes may go through unparsed:
 *  - `verbatim`: answers go back as they came;
 *  - `normalise`: each answer and event is brought to the contract (ids, roles, usage, finish reasons).
 */
export interface ChatCodec {
  readonly relay: 'verbatim' | 'normalise' | null
  readonly framing: 'sse' | 'json-lines' | 'aws-event-stream'
  /** Path below the origin's root, query included. */
  path(target: TargetContext): string
  /** Constant headers beyond auth and content type; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  /** The upstream's name for the completion ceiling; what the client sent is brought to it. Absent: left as it came. */
  readonly tokenLimit?: 'max_tokens' | 'max_completion_tokens'
  /** Parameters of the surface that don't go out as they came; all others are forwarded. */
  readonly params?: Readonly<Record<string, 'translate' | 'unsupported'>>
  /** null in place of a function: the request needs no change beyond `model`, `stream_options` and `tokenLimit`. */
  readonly encode: ((request: ChatRequest, target: TargetContext) => JsonObject | Failure) | null
  decode(body: JsonObject, target: TargetContext): { readonly body: JsonObject; readonly usage: Usage } | Failure
  events(target: TargetContext): EventDecoder
  failure(status: number, body: JsonObject | null): UpstreamError
}

export interface Codecs {
  readonly chat?: ChatCodec
}

export interface Provider {
  readonly id: string
  readonly settings: Record<string, Setting>
  /** API root: scheme, host, and the path that every codec's path is appended to. `local:<id>` is answered in the process. */
  origin(settings: Readonly<Record<string, string>>): string
  auth(settings: Readonly<Record<string, string>>): Auth
  /** Headers of every request that follow from the settings, beyond auth; lower-case names. */
  headers?(settings: Readonly<Record<string, string>>): Readonly<Record<string, string>>
  /** What a provider answered in the process (`local:<id>`) says. */
  readonly answer?: (request: ChatRequest) => string
  readonly codecs: Codecs
  /** Prefixes of the model ids this provider owns; consulted when no target lists the id. */
  readonly modelPrefixes?: readonly string[]
  /** Ids it is known to serve; for `/v1/models` and bounded metric labels. */
  readonly models?: readonly string[]
  /** Serves any model (ids are named by whoever deploys them); consulted only if no target owns the id. */
  readonly anyModel?: boolean
  /** Ids that the settings name; they hold where the target itself lists none. */
  listedModels?(settings: Readonly<Record<string, string>>): readonly string[]
  /** What is peculiar about it, in a sentence for the docs. */
  readonly notes?: string
}

export function defineProvider<const S extends Record<string, Setting>>(
  definition: Omit<Provider, 'settings' | 'origin' | 'auth' | 'headers' | 'listedModels'> & {
    readonly settings: S
    origin(settings: SettingValues<S>): string
    auth(settings: SettingValues<S>): Auth
    headers?(settings: SettingValues<S>): Readonly<Record<string, string>>
    listedModels?(settings: SettingValues<S>): readonly string[]
  },
): Provider {
  return definition as unknown as Provider
}
