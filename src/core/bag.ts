/** What a bag can hold: it remembers its place there. */
export interface Placed {
  /** -1 = in no bag. */
  place: number
}

/** Things in no order, each at most once. Those that come and go with every request pay for no hash and no garbage. */
export class Bag<T extends Placed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  add(item: T): void {
    if (item.place < 0) item.place = this.#items.push(item) - 1
  }

  delete(item: T): void {
    const { place } = item
    if (place < 0) return
    item.place = -1
    const last = this.#items.pop()!
    if (last === item) return
    this.#items[place] = last
    last.place = place
  }

  /** What is in it now; may be gone through while things leave. */
  all(): T[] {
    return this.#items.slice()
  }
}
