import type { FailureKind } from '../core/failures.ts'

/**
 * What carries HTTP/1.1 to and from clients. Two engines implement it: `uws.ts` (uWebSockets.js) and
 * `node.ts` (plain `net`/`tls` sockets and the strict parser of `src/wire`).
 *
 * An engine guarantees: only well-formed requests with one unambiguous framing reach `onRequest`; every callback of an
 * exchange happens between its `onRequest` and its end; after `onClosed`, or after `end`/`whole`/`abort` was called,
 * nothing more is called for that exchange. It answers protocol errors itself, in the error envelope, and closes.
 */
export interface Engine {
  readonly name: 'uws' | 'node'
  /** Binds and starts to accept. Rejects with the system's error (`EADDRINUSE`, `EACCES`…). */
  listen(): Promise<{ port: number }>
  /** Stops accepting. Answers from now on carry `Connection: close`; idle connections may live until `close`. */
  drain(): void
  /** Cuts every connection and releases the port. Resolves when nothing of it keeps the thread alive. */
  close(): Promise<void>
  /** Live figures, for metrics: open connections, and those with an exchange under way. */
  readonly connections: { open: number; active: number; accepted: number; closed: number; refused: number }
}

export interface EngineOptions {
  readonly host: string
  readonly port: number
  /** Several acceptors listen on one port (SO_REUSEPORT). An engine that can't says so at creation by throwing. */
  readonly sharedPort: boolean
  /** Longest accepted request head, request line included. Above it: 431. */
  readonly maxHeadBytes: number
  /** Most open connections of this acceptor; one more is refused politely (503 or a plain close). */
  readonly maxConnections: number
  readonly headTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly tls: TlsOptions | null
  readonly onRequest: RequestListener
  /** A protocol error the engine answered by itself; for counters. */
  readonly onRefused?: (kind: FailureKind) => void
}

export interface TlsOptions {
  readonly certFile: string
  readonly keyFile: string
  readonly passphrase?: string
  readonly caFile?: string
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** Called once per request with a valid head. What it returns is told about the rest of the exchange. */
export type RequestListener = (request: RequestHead, reply: Reply) => ExchangeEvents

/** Valid only during `onRequest`. */
export interface RequestHead {
  /** Upper case, one of the methods of RFC 9110 §9 and PATCH; anything else was answered 501. */
  readonly method: string
  /** Path and query as they came, in origin form: starts with `/`. */
  readonly target: string
  /** The peer's address as text, without port; an IPv4-mapped IPv6 address as IPv4. */
  readonly remoteAddress: string
  /** ≥ 0: that many body bytes follow (`Content-Length`). -1: chunked, length unknown. */
  readonly bodyLength: number
  /** By lower-case name; '' when absent; repeated fields joined with ', ' (RFC 9110 §5.3). */
  header(name: string): string
  /** The values of `forwardedHeaders`, each in its name's place. */
  readonly forwarded: readonly string[]
}

/** What an exchange hears from its connection. */
export interface ExchangeEvents {
  /** Body bytes, valid only during the call. `last` comes exactly once, also (with no bytes) for a request without a body. */
  onBody(chunk: Uint8Array, last: boolean): void
  /** The client has taken everything written so far, after a `write` that returned false. */
  onDrain(): void
  /** The client is gone, or broke the protocol, before the answer was complete. Nothing may be written any more. */
  onClosed(): void
}

/** One answer. Chunks may be views of shared memory and are copied or flushed before the call returns. */
export interface Reply {
  /** Stop and restart the flow of `onBody`; a client that leaves meanwhile is still noticed. */
  pauseBody(): void
  resumeBody(): void
  /**
   * A complete answer in one write. `headers` is a serialised block, `name: value\r\n` repeated, that starts with
   * `x-request-id`; it holds neither framing nor connection headers. For HEAD requests and 204/304 the body is left
   * out and `Content-Length` is that of `body` where the status allows one.
   * `close`: the connection ends after this answer.
   */
  whole(status: number, headers: Uint8Array, body: Uint8Array, close: boolean): void
  /** Starts an answer. `length` ≥ 0 is sent as `Content-Length`; -1 streams (chunked; HTTP/1.0: until close). */
  head(status: number, headers: Uint8Array, length: number, close: boolean): void
  /** false: buffered, hold back until `onDrain` (the chunk itself is taken in either case). */
  write(chunk: Uint8Array): boolean
  end(): void
  /** Cuts the connection at once: the client must not take what it has for a whole answer. */
  abort(): void
}
