/**
 * Token buckets in shared memory: one allowance per key across all threads, without locks. Open addressing, 16 bytes a
 * slot, bounded: when the few slots a key may live in are taken, the one unused for longest is given to it.
 *
 *   key a │ key b │ due │ seen      (i32 each)
 *
 * A bucket is kept as one word, the time at which it will be full again (the theoretical arrival time of GCRA, ITU-T
 * I.371), so taking a token is one compare-and-swap. Times are in units of 100 µs and wrap after 59 hours; only
 * differences are used, and a difference no bucket could have is taken for a slot that was idle for long.
 */

const slotWords = 4
const probes = 8
const unitsPerMs = 10

export interface TokenBuckets {
  /** Takes one token. Returns 0, or how long to wait in ms when there is none. `nowMs` is any steadily growing clock that all threads share. */
  take(key: string, nowMs: number): number
}

export const tokenBucketBytes = (slots: number): number => slots * slotWords * 4

/** `slots` of the memory is a power of two; `ratePerSecond` > 0; `burst` ≥ 1 tokens. */
export function tokenBuckets(memory: SharedArrayBuffer, ratePerSecond: number, burst: number): TokenBuckets {
  const words = new Int32Array(memory)
  const mask = words.length / slotWords - 1
  const interval = Math.max(1, Math.round((1000 * unitsPerMs) / ratePerSecond))
  const depth = Math.round(interval * Math.max(1, burst))

  return {
    take(key, nowMs) {
      const now = Math.floor(nowMs * unitsPerMs) | 0
      const a = hash(key, 0x811c9dc5) || 1
      const b = hash(key, 0x01000193)
      const slot = find(words, mask, a, b, now)
      for (;;) {
        const due = Atomics.load(words, slot + 2)
        // How far ahead of now the bucket is in debt; a full bucket, or an old slot, has none.
        let ahead = (due - now) | 0
        if (ahead < 0 || ahead > depth) ahead = 0
        if (ahead + interval > depth) return Math.ceil((ahead + interval - depth) / unitsPerMs)
        if (Atomics.compareExchange(words, slot + 2, due, (now + ahead + interval) | 0) === due) {
          words[slot + 3] = now
          return 0
        }
      }
    },
  }
}

function find(words: Int32Array, mask: number, a: number, b: number, now: number): number {
  let oldest = -1
  let oldestAge = -1
  for (let i = 0; i < probes; i++) {
    const slot = ((a + i) & mask) * slotWords
    const owner = Atomics.load(words, slot)
    if (owner === a && Atomics.load(words, slot + 1) === b) return slot
    if (owner === 0) {
      if (Atomics.compareExchange(words, slot, 0, a) === 0) {
        Atomics.store(words, slot + 1, b)
        Atomics.store(words, slot + 2, now)
        words[slot + 3] = now
        return slot
      }
      // Another thread took it, perhaps for the same key: look again.
      i--
      continue
    }
    const age = (now - words[slot + 3]!) >>> 0
    if (age > oldestAge) {
      oldest = slot
      oldestAge = age
    }
  }
  Atomics.store(words, oldest, a)
  Atomics.store(words, oldest + 1, b)
  Atomics.store(words, oldest + 2, now)
  words[oldest + 3] = now
  return oldest
}

/** FNV-1a, 32 bits. */
function hash(text: string, seed: number): number {
  let h = seed | 0
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h ^= h >>> 15
  return Math.imul(h, 0x2c1b3c6d) | 0
}
