/**
 * Memory for long bodies, used again and again. With memory of its own for each, V8 collects all the time: it counts what
 * lies outside its heap, and marks the whole heap each time that has grown by some megabytes. At 256 KB per body this was
 * half of what a request cost (docs/decisions/0012).
 *
 * Whoever has taken a buffer may give it back, once nobody reads it any more; one that is never given back is collected
 * like any other.
 */

/** Shorter ones come from Node's own slab. */
const shortestPooled = 4096
/** Longer ones are rare, and copying them costs more than their memory. */
export const longestPooled = 1 << 20
/** What is kept for later, in all. */
const mostFreeBytes = 16 << 20
/** What nobody needed for so long is let go. */
const trimEveryMs = 10_000

/** Four sizes between each power of two and the next: 4, 5, 6, 7, 8, 10, … KB. */
const sizes: number[] = []
for (let size = shortestPooled; size < longestPooled; size *= 2)
  for (let quarter = 4; quarter < 8; quarter++) sizes.push((size * quarter) / 4)
sizes.push(longestPooled)

function sizeFor(bytes: number): number {
  const octave = 31 - Math.clz32(bytes - 1)
  const step = 1 << (octave - 2)
  return Math.ceil(bytes / step) * step
}

class Memory extends ArrayBuffer {
  isTaken = true
}

interface Shelf {
  readonly free: Memory[]
  /** Fewest that were free since the last trim: nobody needed these. */
  fewestFree: number
}

export class BufferPool {
  readonly #shelves = new Map<number, Shelf>(sizes.map(size => [size, { free: [], fewestFree: 0 }]))
  readonly #mostFreeBytes: number
  #freeBytes = 0
  #timer: NodeJS.Timeout | null = null

  constructor(mostBytes = mostFreeBytes) {
    this.#mostFreeBytes = mostBytes
  }

  /** A buffer of exactly so many bytes, with whatever is in them. */
  take(bytes: number): Buffer {
    if (bytes < shortestPooled) return Buffer.allocUnsafe(bytes)
    if (bytes > longestPooled) return Buffer.allocUnsafeSlow(bytes)
    const size = sizeFor(bytes)
    const shelf = this.#shelves.get(size)!
    const memory = shelf.free.pop()
    if (memory === undefined) return Buffer.from(new Memory(size), 0, bytes)
    if (shelf.free.length < shelf.fewestFree) shelf.fewestFree = shelf.free.length
    this.#freeBytes -= size
    memory.isTaken = true
    return Buffer.from(memory, 0, bytes)
  }

  /** Takes back what `take` gave, or a view of it; anything else is left alone. Nobody may read or write it from now on. */
  giveBack({ buffer }: Uint8Array): void {
    if (!(buffer instanceof Memory) || !buffer.isTaken) return
    const size = buffer.byteLength
    if (this.#freeBytes + size > this.#mostFreeBytes) return
    buffer.isTaken = false
    this.#freeBytes += size
    this.#shelves.get(size)!.free.push(buffer)
    this.#timer ??= setTimeout(() => this.trim(), trimEveryMs).unref()
  }

  /** Lets go of what was not needed since the last time. */
  trim(): void {
    this.#timer = null
    for (const [size, shelf] of this.#shelves) {
      const { free, fewestFree } = shelf
      this.#freeBytes -= free.splice(free.length - fewestFree).length * size
      shelf.fewestFree = free.length
    }
    if (this.#freeBytes > 0) this.#timer = setTimeout(() => this.trim(), trimEveryMs).unref()
  }

  /** Kept for later. */
  get freeBytes(): number {
    return this.#freeBytes
  }
}

/** This thread's. */
export const bufferPool = new BufferPool()
