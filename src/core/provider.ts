import type { ChatRequest, Usage } from './chat.ts'
import type { Failure } from './failures.ts'
import type { FormRequest } from './form.ts'
import type { ForwardedHeader } from './incoming.ts'
import type { Json, JsonObject } from './json.ts'
import type { RateLimitFamily } from './rate-limits.ts'

export type { ChatRequest, FinishReason, Usage } from './chat.ts'
export type { FormPart, FormRequest } from './form.ts'
export type { Json, JsonObject } from './json.ts'

/** One setting of a provider: where it comes from and whether it must be hidden. Feeds validation, `doctor` and the docs. */
export interface Setting {
  readonly env?: string
  /** Further variables, asked in order where `env` has no value. */
  readonly aliases?: readonly string[]
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
  | SigV4Auth
  | GoogleAuth
  | EntraAuth
  | ClientCredentialsAuth

/**
 * Each request is signed. '' = not given. The keys given here win; without them a web identity (`webIdentityTokenFile`
 * and `roleArn`); without that AWS's default chain (environment, profile, container, instance). Without a
 * `webIdentityTokenFile` a `roleArn` is then assumed with what was found.
 */
export interface SigV4Auth {
  readonly scheme: 'sigv4'
  /** `bedrock` */
  readonly service: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** Of the shared files; '' leaves it to AWS_PROFILE. */
  readonly profile: string
  readonly roleArn: string
  readonly webIdentityTokenFile: string
  /** '' = `ferrite` */
  readonly roleSessionName: string
  readonly externalId?: string
  /** Of the security token service; '' = the region's. */
  readonly stsEndpoint?: string
}

export interface GoogleAuth {
  readonly scheme: 'google'
  /** '' = Application Default Credentials; else a credentials JSON (a service account's or another), or the path of its file. */
  readonly credentials: string
  /** The project that is billed; '' = the one the credentials name, if any. */
  readonly userProject?: string
}

/**
 * Microsoft Entra ID. '' = not given. A client secret wins, then a federated token (workload identity); without either
 * the managed identity of the machine or the App Service, of which `clientId` picks one.
 */
export interface EntraAuth {
  readonly scheme: 'entra'
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly federatedTokenFile: string
  /** '' = `https://login.microsoftonline.com` */
  readonly authorityHost: string
  /** `https://cognitiveservices.azure.com/.default` */
  readonly scope: string
  /** IDENTITY_ENDPOINT and IDENTITY_HEADER of an App Service. */
  readonly identityEndpoint?: string
  readonly identityHeader?: string
  /** Of the instance metadata service; '' = `http://169.254.169.254`. */
  readonly metadataHost?: string
}

/** RFC 6749 §4.4, the client authenticated by HTTP Basic. */
export interface ClientCredentialsAuth {
  readonly scheme: 'oauth-client-credentials'
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope: string
}

/** What a codec may know of the target it encodes for. */
export interface TargetContext {
  /** The model the upstream is asked for (aliases resolved). */
  readonly model: string
  readonly settings: Readonly<Record<string, string>>
  readonly stream: boolean
  /**
   * What the client asked, for codecs whose answers depend on it; there when the codec has an `encode`, but not for
   * chat. Of a form's files the bytes are gone by the time of the answer.
   */
  readonly request?: JsonObject | FormRequest
  /** The client asked with `functions`, and knows no tool calls; only where the request is translated. */
  readonly usesFunctions?: boolean
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
  /**
   * A round trip that completes a stream which ended as it should: the usage of its answer is the stream's. Should it
   * fail, the stream ends without. Asked before `end`.
   */
  last?(): Again | null
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

/** A body that is not JSON: a form, sound, a picture. */
export class RawBody {
  readonly contentType: string
  readonly bytes: Uint8Array

  constructor(contentType: string, bytes: Uint8Array) {
    this.contentType = contentType
    this.bytes = bytes
  }
}

/** What the client gets, and what it cost. */
export interface Answer<Body = JsonObject | RawBody> {
  readonly body: Body
  readonly usage: Usage
}

/** A further round trip to the upstream before there is an answer: to poll a job, or for the next of several parts. */
export interface RoundTrip {
  readonly method?: 'GET' | 'POST'
  /**
   * A path below the codec's root, or an absolute URL that the upstream named. The latter is followed only to the
   * root's own origin or one of `Provider.hosts`: an upstream can't send a key elsewhere.
   */
  readonly to: string
  readonly body?: JsonObject | RawBody
  /** It only asks, so that it may be repeated should it fail for a moment; a GET needs not say so. */
  readonly isPoll?: boolean
  /** Not before so many ms from now. */
  readonly waitMs?: number
  /** Its answer is the stream that the client asked for, in the codec's framing, for `events`. */
  readonly stream?: boolean
  /** In place of the codec's own. */
  readonly events?: (target: TargetContext) => EventDecoder
  /** In place of the codec's own. */
  readonly decode?: (body: JsonObject, target: TargetContext) => Answer | Again | Failure
  /** In place of the codec's own. */
  readonly decodeBytes?: (body: RawBody, target: TargetContext) => Answer | Again | Failure
  /** Where a POST without a body ends the job, should the client leave or it come to nothing before there is an answer. */
  readonly abandon?: string
}

/** In place of an answer: ask the upstream once more. */
export class Again {
  readonly trip: RoundTrip

  constructor(trip: RoundTrip) {
    this.trip = trip
  }
}

export const again = (trip: RoundTrip): Again => new Again(trip)

/**
 * How one surface is spoken to one provider; all pure. A codec whose `relay` is not null speaks the canonical
 * (OpenAI) shape in both directions, so that bytes may go through unparsed:
 *  - `verbatim`: answers go back as they came;
 *  - `normalise`: each answer and event is brought to the contract (ids, roles, usage, finish reasons).
 */
export interface Codec<Request = JsonObject, Body extends JsonObject | RawBody = JsonObject | RawBody> {
  readonly relay: 'verbatim' | 'normalise' | null
  readonly framing: 'sse' | 'json-lines' | 'aws-event-stream'
  /** API root of this surface, where it is not the provider's `origin`. */
  root?(target: TargetContext): string
  /** Path below the root, query included. */
  path(target: TargetContext): string
  /** What this model is spoken to with, where that is not the same for all; itself one of the codecs it gives. Pure. */
  forModel?(model: string): Codec<Request, Body>
  /** Whether it takes this model; absent: every model of the provider. */
  serves?(model: string): boolean
  /** Asked for where the surface lets the client name no model; absent: such a request is not for this provider. */
  readonly defaultModel?: string
  /** Constant headers beyond auth and content type; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  /** The `Accept` of requests that are not answered by a stream; absent: JSON, and whatever else the surface allows. */
  readonly accept?: string
  /** Those of the first request, in place of `headers`, where they follow from what is asked. Few and constant. */
  headersFor?(target: TargetContext): Readonly<Record<string, string>> | undefined
  /** The upstream's name for the completion ceiling; what the client sent is brought to it. Absent: left as it came. */
  readonly tokenLimit?: 'max_tokens' | 'max_completion_tokens'
  /** Parameters of the surface that don't go out as they came; all others are forwarded. */
  readonly params?: Readonly<Record<string, 'translate' | 'unsupported'>>
  /** The first answer is JSON for `decode` even when the client asked for a stream, which then comes by `again`. */
  readonly isJob?: boolean
  /** null in place of a function: the request needs no change beyond `model`, `stream_options` and `tokenLimit`. */
  readonly encode: ((request: Request, target: TargetContext) => JsonObject | RawBody | Failure) | null
  /** An answer that is a bare array comes as `{ data: [...] }`. */
  decode(body: JsonObject, target: TargetContext): Answer<Body> | Again | Failure
  /** For answers that are not JSON. Absent: where the surface allows such answers they go through as they came. */
  decodeBytes?(body: RawBody, target: TargetContext): Answer<Body> | Again | Failure
  /** Absent: no streams. */
  events?(target: TargetContext): EventDecoder
  failure(status: number, body: JsonObject | null): UpstreamError
}

export interface ChatCodec extends Codec<ChatRequest, JsonObject> {
  forModel?(model: string): ChatCodec
  readonly encode: ((request: ChatRequest, target: TargetContext) => JsonObject | Failure) | null
  events(target: TargetContext): EventDecoder
}

/** By surface. Which of them are there is what the provider can do. */
export interface Codecs {
  readonly chat?: ChatCodec
  /** Legacy completions, for the models that take them; chat serves the others. */
  readonly completions?: Codec
  readonly embeddings?: Codec
  readonly images?: Codec
  readonly imageEdits?: Codec<FormRequest>
  readonly imageVariations?: Codec<FormRequest>
  readonly rerank?: Codec
  readonly moderations?: Codec
  readonly transcriptions?: Codec<FormRequest>
  readonly translations?: Codec<FormRequest>
  readonly speech?: Codec
}

/** How a provider is asked which models it serves; pure. */
export interface Discovery {
  /** In place of the provider's own root, where its list is elsewhere. */
  root?(settings: Readonly<Record<string, string>>): string
  /** Of the first page, below the root. */
  readonly path: string
  /** null: the body is no such list. */
  decode(body: Json): DiscoveredPage | null
}

export interface DiscoveredPage {
  readonly models: readonly DiscoveredModel[]
  /** Path of the page behind this one. */
  readonly next?: string
}

export interface DiscoveredModel {
  readonly id: string
  /** Seconds since the epoch. */
  readonly created?: number
  /** Tokens. */
  readonly contextWindow?: number
  readonly maxOutputTokens?: number
}

/** What goes through to a provider as it comes, besides the surfaces that it has codecs for. */
export interface Forwarding {
  /**
   * Who may send it other paths: `any` request whose model it owns (its API is OpenAI's), only those that have `named`
   * it (its API is its own), or `none`.
   */
  readonly proxy: 'any' | 'named' | 'none'
  /** It serves OpenAI's Responses API. */
  readonly responses?: boolean
  /** It serves OpenAI's files and batches. */
  readonly files?: boolean
  /** What a path after `/v1` is appended to, where that is not the `origin`. */
  root?(settings: Readonly<Record<string, string>>): string
  /** Headers that its API demands, where the client sends none of its own; lower-case names. */
  readonly headers?: Readonly<Partial<Record<ForwardedHeader, string>>>
}

export interface Provider {
  readonly id: string
  /** Other names it goes by, in configs and requests; the id takes their place at once. */
  readonly aliases?: readonly string[]
  readonly settings: Record<string, Setting>
  /** Settings one of which must have a value, or the provider is not registered: credentials that exclude each other. */
  readonly needsOneOf?: readonly string[]
  /** API root: scheme, host, and the path that every codec's path is appended to. `local:<id>` is answered in the process. */
  origin(settings: Readonly<Record<string, string>>): string
  auth(settings: Readonly<Record<string, string>>): Auth
  /** Headers of every request that follow from the settings, beyond auth; lower-case names. */
  headers?(settings: Readonly<Record<string, string>>): Readonly<Record<string, string>>
  /** Headers of the client that go on to the upstream. */
  readonly forwardHeaders?: readonly ForwardedHeader[]
  /** Hosts besides the root's that absolute URLs in its answers may lead to; `.example.com` stands for all below it. */
  readonly hosts?: readonly string[]
  /** What a provider answered in the process (`local:<id>`) says. */
  readonly answer?: (request: ChatRequest) => string
  readonly codecs: Codecs
  /** Absent: an API of its own at its `origin`, for those who name it. */
  readonly forward?: Forwarding
  /** What the `response_format` of pictures may be; absent: whatever OpenAI allows. */
  readonly imageFormats?: readonly ('url' | 'b64_json')[]
  /** How the rate-limit headers of its answers begin; absent: with `x-ratelimit`. */
  readonly rateLimitHeaders?: RateLimitFamily
  /** Prefixes of the model ids this provider owns; consulted when no target lists the id. */
  readonly modelPrefixes?: readonly string[]
  /** Ids it is known to serve; for `/v1/models` and bounded metric labels. */
  readonly models?: readonly string[]
  /** Model ids are the operator's names; which model it is, and what it costs, is in the answers. */
  readonly answersWithModel?: boolean
  /** Serves any model (ids are named by whoever deploys them); consulted only if no target owns the id. */
  readonly anyModel?: boolean
  /** Absent: it can't be asked. */
  readonly discovery?: Discovery
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
