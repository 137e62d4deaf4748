import type { HeaderBlock } from './header-block.ts'

/**
 * A request as the pipeline sees it, whichever way it came (over a ring, or in the acceptor's own thread), and the way
 * its answer goes back.
 */
export interface Incoming {
  readonly method: string
  /** Path and query as the client sent them. */
  readonly target: string
  /** The peer's address, without port. */
  readonly remote: string
  /** About how long the client said its body will be, never less; 0: unknown, or it came whole. */
  readonly expectedBytes: number
  /** One of `forwardedHeaders`; '' when absent. */
  header(name: ForwardedHeader): string

  /**
   * A complete answer. `headers` has neither framing nor connection headers.
   */
  whole(status: number, headers: HeaderBlock, body: Uint8Array | string): void
  /** Starts an answer. `length` -1 streams. `events`: a server-sent event stream, which can carry a late error. */
  head(status: number, headers: HeaderBlock, length: number, events: boolean): void
  /** Takes the chunk (copied before it returns). false: hold back until `onDrain`. */
  write(chunk: Uint8Array | string): boolean
  end(): void
  /** The client must not take what it has for a whole answer: its connection is cut. */
  abort(): void
  /** The upload is not taken as fast as it comes: its sender is made to wait until `resumeBody`. */
  holdBody(): void
  resumeBody(): void
  /** From here on a repeat of the request may be billed twice: it is not handed to another worker any more. */
  sent(): void
}

/** What the pipeline is told after it took a request. Nothing comes after the answer ended, or after `onCancel`. */
export interface IncomingListener {
  /** Valid only during the call. `last` comes exactly once, with no bytes when there is no body. */
  onBody(chunk: Uint8Array, last: boolean): void
  onDrain(): void
  /** The client is gone. The exchange is over; nothing need be answered. */
  onCancel(): void
}

export type Accept = (incoming: Incoming) => IncomingListener

/** Looked for in every request. */
const commonHeaders = [
  'authorization',
  'content-type',
  'x-request-id',
  'traceparent',
  'tracestate',
  'baggage',
  'x-provider',
  'origin',
  'x-forwarded-for',
  'x-real-ip',
  'user-agent',
  'openai-beta',
  'idempotency-key',
  'accept',
  'anthropic-beta',
  'openai-safety-identifier',
] as const

/** Looked for where requests may be forwarded as they come; the hot path is spared the search. */
const forwardingHeaders = ['content-length', 'content-encoding', 'api-key', 'range', 'anthropic-version'] as const

/** The request headers that reach a worker; everything else ends in the acceptor. The order is the wire format of a REQUEST frame. */
export const forwardedHeaders = [...commonHeaders, ...forwardingHeaders] as const
export const commonHeaderCount = commonHeaders.length
export type ForwardedHeader = (typeof forwardedHeaders)[number]

const byLength: { readonly name: string; readonly place: number }[][] = []
for (const [place, name] of forwardedHeaders.entries()) (byLength[name.length] ??= []).push({ name, place })

/** Where a header's value stands among those of `forwardedHeaders`; -1 for any other. Its length rules out nearly every name. */
export function placeOfHeader(name: string): number {
  const candidates = byLength[name.length]
  if (candidates === undefined) return -1
  for (let i = 0; i < candidates.length; i++) if (candidates[i]!.name === name) return candidates[i]!.place
  return -1
}
