import { maxThreads, roster } from './layout.ts'

/**
 * Wakes a thread for its rings: one word and a bitmap of producers per thread, not one per ring. A producer wakes only
 * a thread that has declared itself asleep, so a busy pair of threads exchanges frames without a system call.
 *
 * The order that makes it sound: the producer publishes its tail, sets its bit, then looks whether the consumer sleeps.
 * The consumer declares itself asleep, then looks at the bits again before it waits.
 */

const awake = 0
const asleep = 1

/** Tells `thread` that ring frames (or room) from `producer` wait for it. */
export function ringBell(words: Int32Array, thread: number, producer: number): void {
  const dirty = roster.dirty(thread, producer >> 5)
  const bit = 1 << (producer & 31)
  // The consumer clears a bit before it reads the ring, so a bit that is still set will cover what we published.
  if ((Atomics.load(words, dirty) & bit) === 0) Atomics.or(words, dirty, bit)
  const bell = roster.bell(thread)
  if (Atomics.load(words, bell) === asleep && Atomics.exchange(words, bell, awake) === asleep)
    Atomics.notify(words, bell, 1)
}

export class Doorbell {
  readonly #words: Int32Array
  readonly #thread: number
  readonly #onRing: (producer: number) => void
  readonly #bell: number
  #closed = false
  #lingering = false
  readonly #linger = (): void => {
    this.#lingering = false
    if (!this.#closed) this.#settle(this.answer())
  }
  readonly #woken = (): void => {
    if (!this.#closed) this.#settle(this.answer())
  }

  /** `onRing` drains what the producer has published; it must not throw. */
  constructor(words: Int32Array, thread: number, onRing: (producer: number) => void) {
    if (thread >= maxThreads) throw new RangeError(`thread ${thread} of at most ${maxThreads}`)
    this.#words = words
    this.#thread = thread
    this.#onRing = onRing
    this.#bell = roster.bell(thread)
  }

  /** Starts to listen. `Atomics.waitAsync` keeps no thread alive: something else has to. */
  open(): void {
    this.#settle(this.answer())
  }

  close(): void {
    this.#closed = true
    Atomics.store(this.#words, this.#bell, awake)
    Atomics.notify(this.#words, this.#bell)
  }

  /** Serves everybody who has rung. Cheap when nobody has; call it whenever the thread runs anyway. */
  answer(): boolean {
    let any = false
    for (let word = 0; word < roster.dirtyWords; word++) {
      const index = roster.dirty(this.#thread, word)
      if (Atomics.load(this.#words, index) === 0) continue
      let bits = Atomics.exchange(this.#words, index, 0)
      any = true
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits)
        bits ^= 1 << bit
        this.#onRing((word << 5) | bit)
      }
    }
    return any
  }

  /** After work stay awake for one more turn of the loop: under load the next batch comes without a wake-up. */
  #settle(worked: boolean): void {
    if (this.#lingering) return
    if (worked) {
      this.#lingering = true
      setImmediate(this.#linger)
      return
    }
    for (;;) {
      Atomics.store(this.#words, this.#bell, asleep)
      if (!this.#anyDirty()) {
        const wait = Atomics.waitAsync(this.#words, this.#bell, asleep)
        if (wait.async) {
          wait.value.then(this.#woken)
          return
        }
      }
      Atomics.store(this.#words, this.#bell, awake)
      if (this.answer()) {
        this.#lingering = true
        setImmediate(this.#linger)
        return
      }
    }
  }

  #anyDirty(): boolean {
    for (let word = 0; word < roster.dirtyWords; word++) {
      if (Atomics.load(this.#words, roster.dirty(this.#thread, word)) !== 0) return true
    }
    return false
  }
}
