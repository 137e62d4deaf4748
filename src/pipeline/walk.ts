import { copyOf } from '../core/copy-bytes.ts'
import { Failure } from '../core/failures.ts'
import type { Call } from '../core/surface.ts'
import { errorTypeOf, type ThreadMetrics } from '../shared/metric-rows.ts'
import { Attempt } from './attempt.ts'
import type { CompiledTarget } from './compile.ts'
import type { Exchange } from './exchange.ts'

/**
 * Retry asks the same target again, fallback the next one: both are decided here, from the failure's own `retry` and
 * the target's policy, and nowhere else.
 */

/** A wait that the upstream asks for is kept up to this; for a longer one the target is given up. */
const longestWaitMs = 30_000

/** A request's bytes. Lent ones belong to a ring, a socket or a pool, and are good for this turn only. */
export interface Body {
  readonly bytes: Uint8Array
  readonly isLent: boolean
}

/** Walks the targets until one answers, the client leaves, or nothing is left to ask. */
export class Walk {
  readonly exchange: Exchange
  readonly call: Call
  readonly metrics: ThreadMetrics
  readonly #targets: readonly CompiledTarget[]
  /** The request's bytes; a copy of our own when they may be needed again. */
  #body: Uint8Array | null
  /** The request's bytes while they belong to somebody else. */
  readonly #lent: Uint8Array | null
  #index = 0
  /** Attempts at the current target. */
  #tries = 0
  #current: Attempt | null = null
  #timer: NodeJS.Timeout | null = null
  #deadline: NodeJS.Timeout | null = null

  constructor(
    exchange: Exchange,
    call: Call,
    targets: readonly CompiledTarget[],
    { bytes, isLent }: Body,
    metrics: ThreadMetrics,
  ) {
    this.exchange = exchange
    this.call = call
    this.metrics = metrics
    this.#targets = targets
    const again = targets.length > 1 || targets[0]!.data.retry.attempts > 1
    this.#lent = isLent && !again ? bytes : null
    this.#body = again && isLent ? copyOf(bytes) : bytes
    const { requestTimeoutMs } = exchange.snapshot.data
    if (requestTimeoutMs > 0) this.#deadline = setTimeout(() => this.#expired(), requestTimeoutMs)
  }

  start(): void {
    this.#try()
  }

  #try(): void {
    const target = this.#targets[this.#index]!
    this.#tries++
    this.exchange.attempts++
    this.exchange.target = target
    this.exchange.upstreamStatus = 0
    const body = this.#body!
    const again = this.#targets.length > 1 || target.data.retry.attempts > 1
    // Lent bytes are good for this turn only, and others need not be kept.
    if (!again) this.#body = null
    this.#current = new Attempt(this, target)
    this.#current.send(body)
  }

  failed(failure: Failure): void {
    this.#current = null
    const { exchange } = this
    const target = this.#targets[this.#index]!
    const errorType = errorTypeOf(failure.kind)
    if (errorType !== '') this.metrics.providerError(target.series(exchange.model), errorType)
    if (exchange.over) return this.stop()
    if (exchange.committed || failure.retry === 'never') return this.#giveUp(failure)
    const waitMs = this.#waitBeforeRetry(failure, target)
    if (waitMs >= 0) {
      this.metrics.retried(target.series(exchange.model))
      this.#timer = setTimeout(() => {
        this.#timer = null
        this.#try()
      }, waitMs)
      return
    }
    if (exchange.snapshot.strategy.commits || this.#index + 1 >= this.#targets.length) return this.#giveUp(failure)
    this.metrics.fellBack(target.series(exchange.model))
    this.#index++
    this.#tries = 0
    this.#try()
  }

  /** In ms; -1 = this target is not asked again. */
  #waitBeforeRetry(failure: Failure, target: CompiledTarget): number {
    const { retry } = target.data
    if (this.#tries >= retry.attempts) return -1
    const status = failure.details.upstreamStatus
    const listed = target.retryStatuses
    if (status !== undefined && listed !== null) {
      if (!listed.has(status)) return -1
    } else if (failure.retry !== 'same') return -1
    const asked = failure.details.retryAfterMs
    if (asked !== undefined) return asked <= longestWaitMs ? asked : -1
    // Full jitter: many clients that failed together do not come back together.
    return Math.random() * retry.initialBackoffMs * 2 ** (this.#tries - 1)
  }

  /** The client has its answer: nothing may hold on to the exchange, or count it once more. */
  succeeded(): void {
    this.#current = null
    this.stop()
  }

  #giveUp(failure: Failure): void {
    this.stop()
    this.exchange.fail(failure)
  }

  #expired(): void {
    this.#deadline = null
    // A stream that flows is not bounded by the deadline, only its start is.
    if (this.exchange.committed && this.exchange.stream) return
    this.#current?.cancel()
    this.#current = null
    const failure = new Failure('gateway_timeout', { cause: 'request_timeout passed' })
    const target = this.exchange.target
    if (target !== null) this.metrics.providerError(target.series(this.exchange.model), 'timeout')
    this.#giveUp(failure)
  }

  /** It may be needed once more. */
  get keepsBody(): boolean {
    return this.#body !== null
  }

  /** Whether these bytes are good for this turn only. */
  isLent(bytes: Uint8Array): boolean {
    return this.#lent !== null && bytes.buffer === this.#lent.buffer
  }

  /** The client has caught up. */
  resume(): void {
    this.#current?.resume()
  }

  /** The client is gone. */
  cancel(): void {
    const attempt = this.#current
    this.#current = null
    attempt?.cancel()
    if (attempt !== null) this.metrics.providerError(attempt.target.series(this.exchange.model), 'client_canceled')
    this.stop()
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#timer = null
    this.#deadline = null
    this.#body = null
  }
}
