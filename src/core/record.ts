import type { FailureKind } from './failures.ts'

/**
 * The facts of one finished exchange; spans, metrics, the request log and cost all derive from it.
 * Never holds a prompt, an answer or a credential.
 */
export interface ExchangeRecord {
  /** 32 hex digits; equals `X-Request-ID` and the trace id. */
  traceId: string
  /** Wall clock, ms since the epoch, when the request's head was accepted. */
  startedAtMs: number
  surface: string
  method: string
  /** Without query. */
  path: string
  /** Client address after trusted proxies. */
  remote: string
  /** '' when unauthenticated. */
  keyId: string
  /** As asked for (aliases resolved); '' when unknown. Bounded to 256 characters. */
  model: string
  /** Target key; '' when none was selected. */
  target: string
  provider: string
  /** What the client got; 499 when it left before an answer. */
  status: number
  failure: FailureKind | ''
  /** The upstream's status of the last attempt; 0 when none answered. */
  upstreamStatus: number
  /** Redacted, bounded to 512 characters; '' for none. */
  cause: string
  stream: boolean
  attempts: number
  durationMs: number
  /** Time inside upstream calls. */
  upstreamMs: number
  /** Time to the first content byte towards the client; -1 when none was sent. */
  firstByteMs: number
  requestBytes: number
  responseBytes: number
  tokensIn: number
  tokensOut: number
  tokensReasoning: number
  tokensCacheRead: number
  tokensCacheWrite: number
  /** -1 = unknown. */
  costNanoUsd: number
  /** Row of the metrics series (provider, model) this exchange counts in. */
  series: number
}
