import { Failure } from '../core/failures.ts'
import type { Exchange } from './exchange.ts'

/** Long bodies come back soon: others end all the time. */
const retryAfterMs = 1000

/**
 * What a thread may keep of request bodies that came in pieces: from their first piece until the system has all of
 * them for an upstream, or until the request is over where it may be asked again. Each has its limit; this is the limit of all
 * together, so that many at once are refused instead of ending the thread.
 */
export class HeldBytes {
  readonly #budget: number
  #held = 0

  constructor(budget: number) {
    this.#budget = budget
  }

  /** Counts `bytes` for the exchange until `release`. A failure: there is no room for them. */
  take(exchange: Exchange, bytes: number): Failure | null {
    if (exchange.heldBytes + bytes > this.#budget)
      return new Failure('request_too_large', { cause: `longer than half of worker_memory_mb, ${this.#budget} bytes` })
    if (this.#held + bytes > this.#budget)
      return new Failure('overloaded', {
        message: 'the gateway holds as many request bodies as its memory allows; retry shortly',
        retryAfterMs,
        cause: `bodies under way take half of worker_memory_mb, ${this.#budget} bytes`,
      })
    this.#held += bytes
    exchange.heldIn = this
    exchange.heldBytes += bytes
    return null
  }

  release(exchange: Exchange): void {
    this.#held -= exchange.heldBytes
    exchange.heldBytes = 0
    exchange.heldIn = null
  }

  get held(): number {
    return this.#held
  }
}
