import type { Failure } from '../core/failures.ts'
import type { Codec } from '../core/provider.ts'
import { retryHintMs, upstreamFailure } from '../core/upstream-failure.ts'
import type { ResponseHeaders } from '../upstream/upstream.ts'
import { parseError } from './reply-json.ts'

/** What of an error's body is read. */
const mostBytes = 64 << 10

/** An answer that is no success: its status, what its head says of the reason, and its body up to a limit. */
export class ErrorAnswer {
  readonly status: number
  readonly #hintMs: number
  /** `date` and `x-amzn-errortype`, for whoever may sign the request anew. */
  readonly date: string
  readonly type: string
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(status: number, headers: ResponseHeaders, nowMs: number) {
    this.status = status
    this.#hintMs = retryHintMs(name => headers.get(name), nowMs)
    const isRejected = status === 401 || status === 403
    this.date = isRejected ? headers.get('date') : ''
    this.type = isRejected ? headers.get('x-amzn-errortype') : ''
  }

  /** false: enough came, what there is will do. */
  take(chunk: Uint8Array): boolean {
    const room = mostBytes - this.#bytes
    if (room > 0) this.#pieces.push(Buffer.from(chunk.subarray(0, room)))
    this.#bytes += chunk.length
    return this.#bytes <= mostBytes
  }

  get body(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  failure(codec: Codec<never>, redact: (text: string) => string): Failure {
    const { status } = this
    try {
      return upstreamFailure(status, codec.failure(status, parseError(this.body)), this.#hintMs, redact)
    } catch (error) {
      const message = `the error could not be read: ${String(error)}`
      return upstreamFailure(status, { message }, this.#hintMs, redact)
    }
  }
}
