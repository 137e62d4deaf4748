import type { Failure } from '../core/failures.ts'
import type { TraceContext } from '../core/trace.ts'

/**
 * The one way out: HTTP to upstreams. `http1/` is the hot path (our own HTTP/1.1 client on plain sockets),
 * `undici.ts` carries HTTP/2 and proxies and is loaded when a target needs it, `local.ts` answers in the process.
 *
 * Callbacks, not promises: a relayed answer costs no allocation per chunk. Failures are values.
 */
export interface Upstream {
  /** Connections and settings of one origin. Two calls with equal options share one pool. */
  origin(options: OriginOptions): Origin
  /** Lets calls under way end for up to `graceMs`, then cuts them. Idle sockets are closed at once. */
  close(graceMs: number): Promise<void>
}

export interface OriginOptions {
  /** `https://api.example.com`, `http://10.0.0.7:8000`, `local:demo`. Scheme, host and port only. */
  readonly url: string
  /** Most connections to this origin from this thread; one more request waits in the queue. Default 1,024. */
  readonly maxConnections: number
  /** Most requests waiting for a connection; one more fails with `provider_saturated`. Default 1,024. */
  readonly maxQueue: number
  readonly connectTimeoutMs: number
  /** How long an idle connection is kept. An upstream's `Keep-Alive: timeout=n` shortens it to n s less one. */
  readonly idleTimeoutMs: number
  /** A connection older than this takes no further request, so that DNS changes get noticed. */
  readonly maxConnectionAgeMs: number
  /** Longest accepted response head. Above it the call fails with `upstream_error`. */
  readonly maxHeadBytes: number
  /** A request that fails on a reused connection before any response byte is sent once more on a fresh one. */
  readonly retryStale: boolean
  /** HTTP/2 where the upstream offers it (ALPN); goes through undici. */
  readonly http2: boolean
  /** `http://user:pass@proxy:3128`; '' for none. Goes through undici. */
  readonly proxy: string
  readonly tls: UpstreamTls | null
}

export interface UpstreamTls {
  /** PEM, in addition to the system's roots. */
  readonly ca?: readonly string[]
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface Origin {
  readonly url: string
  /** Serialises what is the same for every request of a target, once. Header names are lower case. */
  prepare(method: string, path: string, headers: readonly (readonly [string, string])[]): PreparedHead
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall
  /** For tests, metrics and `/health`. */
  stats(): { open: number; idle: number; queued: number; opened: number; reused: number }
}

/** Opaque to callers. */
export interface PreparedHead {
  readonly method: string
  readonly path: string
}

export interface UpstreamRequest {
  readonly head: PreparedHead
  /** Goes out as `traceparent`, with `spanId` for its parent; null: there is none. */
  readonly trace: TraceContext | null
  /** 16 lower-case hex digits; '' without a trace. */
  readonly spanId: string
  /** Further headers of this request only, serialised (`name: value\r\n` repeated), may be ''. Latin-1, already checked for CR/LF. */
  extraHeaders: string
  /**
   * The whole body, may be a view of memory that is only valid during `send`. null: no body, no Content-Length.
   * A transport that has written or copied it and the headers takes both away: a call may last minutes, and nothing
   * should hold on to memory of others for that long.
   */
  body: Uint8Array | null
  /**
   * The body follows by `write` and `end`: so many bytes, -1 = nobody knows how many. `body` is null then. Such a
   * request is never sent again. Absent: `body` is all.
   */
  readonly uploadBytes?: number
  /** A HEAD-less bound on the decoded answer; more fails with `upstream_error`. */
  readonly maxBodyBytes: number
  readonly firstByteTimeoutMs: number
  /** Longest silence between two reads of the answer's body. */
  readonly idleTimeoutMs: number
  /** Of the whole call from `send` to the end; 0 = none. */
  readonly totalTimeoutMs: number
}

/**
 * Exactly one of `onEnd` and `onFailure` comes last, unless `cancel` was called: then nothing comes any more.
 * All callbacks may be called synchronously from within `send`.
 */
export interface UpstreamHandler {
  /** The request's bytes have been handed to the system. From here on a repeat may be billed twice. */
  onSent(): void
  /** All of `body` is with the system and not needed any more. Not told where the transport can't tell. */
  onWritten?(): void
  /** After a `write` that returned false: there is room again. May come from within `send`. */
  onRoom?(): void
  /**
   * The final status and headers (1xx are skipped). `whole` is the complete body when it arrived in the same read
   * (it is valid only during the call; `onEnd` follows and `onData` does not), else null.
   * Bodies arrive decoded: gzip, deflate and br are undone and `content-encoding`/`content-length` are hidden then.
   */
  onHead(status: number, headers: ResponseHeaders, whole: Uint8Array | null): void
  /** Valid only during the call. */
  onData(chunk: Uint8Array): void
  onEnd(): void
  /** Kinds: upstream_unreachable, upstream_timeout, stream_timeout (idle, after the head), upstream_error, provider_saturated. */
  onFailure(failure: Failure): void
}

/** Readable until the call's last callback has returned. */
export interface ResponseHeaders {
  /** By lower-case name; '' when absent; repeated fields joined with ', '. */
  get(name: string): string
  /** Declared length of the decoded body; -1 when unknown. */
  readonly contentLength: number
}

export interface UpstreamCall {
  /** Stops reading from the socket (back-pressure); deadlines for silence stop too, a guard against dead peers stays. */
  pause(): void
  resume(): void
  /** Of an upload: takes the chunk in any case (copied before it returns). false: hold back until `onRoom`. */
  write(chunk: Uint8Array): boolean
  /** The upload is complete. */
  end(): void
  /** Idempotent. The connection is closed, not reused, unless the answer was already complete. */
  cancel(): void
}
