/**
 * The clock of all open calls: one coarse sweep instead of two timers per request. A deadline is noticed up to two
 * periods late and never early.
 */
export interface Timed {
  /** In the milliseconds of `performance.now()`; Infinity for none. */
  waitUntilMs: number
  totalUntilMs: number
  /** Called when it is late, perhaps after it was removed. Removes itself. */
  expire(isTotal: boolean): void
  previous: Timed | null
  next: Timed | null
}

const periodMs = 50

export class Deadlines {
  /** The time of the last sweep or `refresh`: good enough for anything that lasts seconds. */
  nowMs = performance.now()
  size = 0
  #first: Timed | null = null
  #timer: NodeJS.Timeout | null = null
  #sweptMs = 0
  #onEmpty: (() => void) | null = null

  refresh(): number {
    this.nowMs = performance.now()
    return this.nowMs
  }

  /** When something that begins now has lasted too long. Counts from the next sweep, as `nowMs` may be a period old. */
  after(durationMs: number): number {
    return this.nowMs + periodMs + durationMs
  }

  add(timed: Timed): void {
    timed.next = this.#first
    if (this.#first !== null) this.#first.previous = timed
    this.#first = timed
    this.size++
    if (this.#timer === null) {
      this.#sweptMs = this.refresh()
      this.#timer = setInterval(() => this.#sweep(), periodMs)
      this.#timer.unref()
    }
  }

  remove(timed: Timed): void {
    if (timed.previous === null) this.#first = timed.next
    else timed.previous.next = timed.next
    if (timed.next !== null) timed.next.previous = timed.previous
    timed.previous = null
    timed.next = null
    this.size--
    if (this.size === 0) this.#onEmpty?.()
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
    const members: Timed[] = []
    for (let timed = this.#first; timed !== null; timed = timed.next) members.push(timed)
    return members
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
    let late: Timed[] | null = null
    for (let timed = this.#first; timed !== null; timed = timed.next) {
      if (lateMs > 0) timed.waitUntilMs += lateMs
      if (nowMs >= timed.waitUntilMs || nowMs >= timed.totalUntilMs) (late ??= []).push(timed)
    }
    // Only now: ending one call may end others.
    if (late !== null) for (const timed of late) timed.expire(nowMs >= timed.totalUntilMs)
  }
}
