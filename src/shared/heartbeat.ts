import { getHeapStatistics } from 'node:v8'
import { roster } from './layout.ts'

/** Threads watch each other by words in the roster: each beats ten times a second. */
export const beatEveryMs = 100
const memoryEveryBeats = 10
const mb = 1 << 20

/**
 * One more beat, from the midst of work: a turn of the loop may take long where a thousand requests came at once and other
 * processes want the CPU, but whoever gets on with it is not stuck.
 */
export function beat(words: Int32Array, thread: number): void {
  Atomics.add(words, roster.beat(thread), 1)
}

/** Beats for `thread` until stopped; `onBeat` returns its exchanges under way. Also shows its memory and how late its timer was. */
export function startHeartbeat(words: Int32Array, thread: number, onBeat: () => number): { stop(): void } {
  let beats = 0
  let last = performance.now()
  const onTime = (): void => {
    const now = performance.now()
    Atomics.store(words, roster.lagMs(thread), Math.max(0, Math.round(now - last - beatEveryMs)))
    last = now
    beat(words, thread)
    if (beats++ % memoryEveryBeats === 0) {
      const heap = getHeapStatistics()
      Atomics.store(words, roster.heapMb(thread), Math.round(heap.used_heap_size / mb))
      Atomics.store(words, roster.externalMb(thread), Math.round((heap.external_memory + heap.malloced_memory) / mb))
    }
    Atomics.store(words, roster.inFlight(thread), onBeat())
  }
  onTime()
  const timer = setInterval(onTime, beatEveryMs)
  return { stop: () => clearInterval(timer) }
}

/** Notices when a thread's beat stands still, counting only time in which the watcher itself was on time. */
export class PulseWatch {
  readonly #words: Int32Array
  readonly #thread: number
  #beat: number
  #lastLook = performance.now()
  /** How long it has been silent. */
  silentMs = 0

  constructor(words: Int32Array, thread: number) {
    this.#words = words
    this.#thread = thread
    this.#beat = Atomics.load(words, roster.beat(thread))
  }

  /** To be called about every `beatEveryMs`. Returns `silentMs`. */
  look(): number {
    const now = performance.now()
    const passed = now - this.#lastLook
    this.#lastLook = now
    const beat = Atomics.load(this.#words, roster.beat(this.#thread))
    if (beat !== this.#beat) {
      this.#beat = beat
      this.silentMs = 0
    } else {
      // A watcher that was held up knows nothing of the time it missed.
      this.silentMs += Math.min(passed, 2 * beatEveryMs)
    }
    return this.silentMs
  }
}
