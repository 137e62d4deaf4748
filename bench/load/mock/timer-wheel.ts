/** Something that wants to be told when its time has come. */
export interface Due {
  onDue(): void
}

const SLOTS = 1 << 16 // milliseconds; the longest delay
const MASK = SLOTS - 1

/**
 * One timer for any number of delays: a ring of 1 ms slots, so that a thousand pending answers cost one wake-up per
 * millisecond. Never early, at most about a millisecond late on an idle machine.
 */
export class TimerWheel {
  readonly #slots: (Due[] | undefined)[] = new Array<Due[] | undefined>(SLOTS)
  #pending = 0
  /** The last millisecond whose slot has been served. */
  #served = 0
  #armed = false
  readonly #tick = (): void => this.#serve()

  get pending(): number {
    return this.#pending
  }

  /** Calls `due` after `delayMs`; answers the time it is due, for `addAt`. */
  add(due: Due, delayMs: number): number {
    return this.addAt(due, Math.ceil(performance.now() + delayMs))
  }

  /** Calls `due` at a time of the clock `performance.now` reads, so that a series of them doesn't drift. */
  addAt(due: Due, atMs: number): number {
    const now = Math.floor(performance.now())
    if (this.#pending === 0) this.#served = now
    const at = Math.min(Math.max(atMs, this.#served + 1), now + SLOTS - 2)
    const slot = at & MASK
    const waiting = this.#slots[slot]
    if (waiting === undefined) this.#slots[slot] = [due]
    else waiting.push(due)
    this.#pending++
    this.#arm()
    return at
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setTimeout(this.#tick, 1)
  }

  #serve(): void {
    this.#armed = false
    const now = Math.floor(performance.now())
    // After a stall longer than the wheel every slot is due once.
    const last = Math.min(now, this.#served + SLOTS)
    for (let at = this.#served + 1; at <= last; at++) {
      const waiting = this.#slots[at & MASK]
      if (waiting === undefined) continue
      this.#slots[at & MASK] = undefined
      this.#served = at
      this.#pending -= waiting.length
      for (const due of waiting) due.onDue()
    }
    this.#served = now
    if (this.#pending > 0) this.#arm()
  }
}
