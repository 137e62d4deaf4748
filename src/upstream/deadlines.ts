import { Bag, type Placed } from '../core/bag.ts'

/**
 * The clock of all open calls: one coarse sweep instead of two timers per request. A deadline is noticed up to two
 * periods late and never early.
 */
export interface Timed extends Placed {
  /** In the milliseconds of `performance.now()`; Infinity for none. Set to what `after` says, or before it is added. */
  waitUntilMs: number
  totalUntilMs: number
  /** Called when it is late, perhaps after it was removed. Removes itself. */
  expire(isTotal: boolean): void
}

const periodMs = 50

export class Deadlines {
  /** The time of the last sweep or `refresh`: good enough for anything that lasts seconds. */
  nowMs = performance.now()
  readonly #open = new Bag<Timed>()
  /** Nobody is late before: until then a sweep looks at none of them. */
  #earliestMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | null = null
  #sweptMs = 0
  #onEmpty: (() => void) | null = null

  get size(): number {
    return this.#open.size
  }

  refresh(): number {
    this.nowMs = performance.now()
    return this.nowMs
  }

  /** When something that begins now has lasted too long. Counts from the next sweep, as `nowMs` may be a period old. */
  after(durationMs: number): number {
    const untilMs = this.nowMs + periodMs + durationMs
    if (untilMs < this.#earliestMs) this.#earliestMs = untilMs
    return untilMs
  }

  add(timed: Timed): void {
    this.#open.add(timed)
    this.#earliestMs = Math.min(this.#earliestMs, timed.waitUntilMs, timed.totalUntilMs)
    if (this.#timer === null) {
      this.#sweptMs = this.refresh()
      this.#timer = setInterval(() => this.#sweep(), periodMs)
      this.#timer.unref()
    }
  }

  remove(timed: Timed): void {
    this.#open.delete(timed)
    if (this.#open.size === 0) this.#onEmpty?.()
  }

  /** Resolves when nothing is open, at the latest after `graceMs`. */
  empty(graceMs: number): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#onEmpty?.(), graceMs)
      this.#onEmpty = () => {
        clearTimeout(timer)
        this.#onEmpty = null
        resolve()
      }
    })
  }

  /** The members at this moment, for ending them. */
  members(): Timed[] {
    return this.#open.all()
  }

  #sweep(): void {
    const nowMs = this.refresh()
    // A late sweep means that this thread was busy. What arrived meanwhile hasn't been read, so silence during that
    // time proves nothing: it doesn't count.
    const lateMs = nowMs - this.#sweptMs - 2 * periodMs
    this.#sweptMs = nowMs
    if (this.size === 0) {
      clearInterval(this.#timer!)
      this.#timer = null
      return
    }
    if (nowMs < this.#earliestMs && lateMs <= 0) return
    const late: Timed[] = []
    for (const timed of this.#open.all()) {
      if (lateMs > 0) timed.waitUntilMs += lateMs
      if (nowMs >= timed.waitUntilMs || nowMs >= timed.totalUntilMs) late.push(timed)
    }
    // Only now: ending one call may end others.
    for (const timed of late) timed.expire(nowMs >= timed.totalUntilMs)
    // One that was late may have been given more time.
    this.#earliestMs = Number.POSITIVE_INFINITY
    for (const timed of this.#open.all())
      this.#earliestMs = Math.min(this.#earliestMs, timed.waitUntilMs, timed.totalUntilMs)
  }
}
