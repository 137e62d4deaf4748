/** Counts server-sent events (blank-line terminated) across arbitrary splits, and notices the closing `[DONE]`. */
export class EventCounter {
  events = 0
  done = false
  #lastWasNewline = false
  #tail = ''

  reset(): void {
    this.events = 0
    this.done = false
    this.#lastWasNewline = false
    this.#tail = ''
  }

  /** How many events ended in `bytes[start, end)`. */
  count(bytes: Buffer, start: number, end: number): number {
    if (end === start) return 0
    let found = 0
    let at = start
    if (this.#lastWasNewline && bytes[at] === 10) {
      found++
      at++
    }
    while (at < end) {
      const hit = bytes.indexOf('\n\n', at, 'latin1')
      if (hit === -1 || hit + 2 > end) break
      found++
      at = hit + 2
    }
    this.#lastWasNewline = at < end && bytes[end - 1] === 10
    // `data: [DONE]` is the last event, so the last bytes are enough to see it.
    this.#tail = (this.#tail + bytes.latin1Slice(Math.max(start, end - 16), end)).slice(-16)
    if (!this.done && this.#tail.includes('[DONE]')) this.done = true
    this.events += found
    return found
  }
}
