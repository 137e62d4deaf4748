import type { Failure } from '../core/failures.ts'
import type { FixedHeaders } from '../core/header-block.ts'
import type { Again } from '../core/provider.ts'

/**
 * Reads one upstream answer and gives it to the client: relayed or translated, whole or streamed. A reply that has not
 * committed may fail and leave the exchange to another attempt.
 */
export interface Reply {
  /** Valid only during the call. Returns a failure to end the upstream call with. */
  data(chunk: Uint8Array): Failure | null
  /** The upstream's answer is complete. Null: the client's is too. */
  end(): Step
  /** In place of `data` and `end`, for an answer that came complete. Valid only during the call. */
  whole?(body: Uint8Array): Step
}

/** What follows on an upstream's complete answer: a failure, a further round trip, or nothing. */
export type Step = Failure | Again | null

/** What a reply may ask of the call it reads from. */
export interface Flow {
  /** The client is behind: stop reading until it caught up. */
  hold(): void
}

/** What of an upstream's head goes on to the client, taken while it is valid. */
export interface AnswerHead {
  /** The target's own header lines for this kind of answer. */
  readonly fixed: FixedHeaders
  /** What the upstream sent and the client may see. */
  readonly forwarded: string
  /** -1 = unknown. */
  readonly contentLength: number
}
