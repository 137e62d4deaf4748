import { copyInto } from '../core/copy-bytes.ts'
import { frameHeader, type RingLayout } from './layout.ts'

/**
 * A single-producer single-consumer byte ring over shared memory: frames go in at the tail, whole and contiguous, and
 * come out at the head in order. One file because writer and reader are two halves of one invariant:
 *
 *   head ≤ tail ≤ head + size (mod 2³²), every frame between them was completely written before the tail passed it.
 *
 *        head                tail
 *   ──────┬────────┬──────────┬───────────────┬──────
 *   free  │ frame  │  frame   │ free … │ skip │   a frame never wraps: the rest of the ring is skipped
 *   ──────┴────────┴──────────┴───────────────┴──────
 *
 * The writer fills frames in place (`reserve`, write into `bytes`, `commit`) and shows them in batches (`publish`).
 */

const skipMarker = 0xffffffff
/** Kept free for frames that must never wait: cancel, drained, ack. */
const controlReserve = 4096

/**
 * So many frames are shown at once, also in the middle of a turn of the loop: the consumer begins while the producer goes
 * on, and reads what is still warm. Fewer would ring its bell too often.
 */
export const framesShownTogether = 8

const align8 = (n: number): number => (n + 7) & ~7

export class RingWriter {
  /** The ring's payload area. Positions returned by `reserve` index into it. */
  readonly bytes: Buffer
  readonly #words: Uint32Array
  readonly #control: Int32Array
  readonly #layout: RingLayout
  readonly #mask: number
  /** Largest frame, header included. */
  readonly maxFrame: number
  /** Next byte to write; ahead of the shared tail by what is not yet published. */
  #tail: number
  /** The consumer's cursor as last seen; the truth can only be further on. */
  #head: number
  #reserved = 0
  #published: number
  /** Frames that were committed and not yet shown. */
  unpublished = 0

  constructor(buffer: SharedArrayBuffer, layout: RingLayout) {
    this.bytes = Buffer.from(buffer, layout.offset, layout.size)
    this.#words = new Uint32Array(buffer, layout.offset, layout.size >> 2)
    this.#control = new Int32Array(buffer)
    this.#layout = layout
    this.#mask = layout.size - 1
    this.maxFrame = layout.size >> 2
    this.#tail = Atomics.load(this.#control, layout.tail)
    this.#head = Atomics.load(this.#control, layout.head)
    this.#published = this.#tail
  }

  /**
   * Room for one frame of `meta + payload` bytes, its header already written. Returns the position of the meta, or -1:
   * the ring is full (then `wantSpace` asks to be woken). At most one frame is reserved at a time.
   */
  reserve(
    id: number,
    kind: number,
    flags: number,
    code: number,
    meta: number,
    payload: number,
    urgent = false,
  ): number {
    const length = frameHeader + meta + payload
    if (length > this.maxFrame) throw new RangeError(`frame of ${length} bytes exceeds ${this.maxFrame}`)
    const padded = align8(length)
    const size = this.#mask + 1
    let start = this.#tail & this.#mask
    const toEnd = size - start
    const skip = padded > toEnd ? toEnd : 0
    const need = padded + skip + (urgent ? 0 : controlReserve)
    if (((this.#tail - this.#head) | 0) + need > size) {
      this.#head = Atomics.load(this.#control, this.#layout.head)
      if (((this.#tail - this.#head) | 0) + need > size) return -1
    }
    const words = this.#words
    if (skip > 0) {
      words[start >> 2] = skipMarker
      this.#tail = (this.#tail + skip) | 0
      start = 0
    }
    const at = start >> 2
    words[at] = length
    words[at + 1] = id
    words[at + 2] = kind | (flags << 8) | (code << 16)
    words[at + 3] = meta
    this.#reserved = padded
    return start + frameHeader
  }

  /** Writes a 32-bit word at a 4-byte aligned position. */
  setWord(position: number, value: number): void {
    this.#words[position >> 2] = value
  }

  /** Copies bytes to a position. */
  put(position: number, bytes: Uint8Array): void {
    copyInto(this.bytes, position, bytes)
  }

  commit(): void {
    this.#tail = (this.#tail + this.#reserved) | 0
    this.#reserved = 0
    this.unpublished++
  }

  /** Makes all committed frames visible. Returns whether there were any: then the consumer's bell is due. */
  publish(): boolean {
    if (this.#published === this.#tail) return false
    this.#published = this.#tail
    this.unpublished = 0
    Atomics.store(this.#control, this.#layout.tail, this.#tail)
    return true
  }

  /** Position of the next frame in the ring's endless stream of bytes; see `stillHolds`. */
  get cursor(): number {
    return this.#tail
  }

  /** Whether the bytes of a frame written at `cursor` are still there, consumed or not: nothing was written over them. */
  stillHolds(cursor: number): boolean {
    return ((this.#tail - cursor) | 0) <= this.#mask
  }

  /**
   * Asks the consumer to ring back when at most a quarter of the ring is used (then any frame fits, skip included).
   * Returns false when that is so by now: the caller tries again at once, it may not be woken.
   */
  wantSpace(): boolean {
    Atomics.store(this.#control, this.#layout.wantsSpace, 1)
    this.#head = Atomics.load(this.#control, this.#layout.head)
    return ((this.#tail - this.#head) | 0) > (this.#mask + 1) >> 2
  }

  /** Bytes not yet consumed. */
  get used(): number {
    this.#head = Atomics.load(this.#control, this.#layout.head)
    return (this.#tail - this.#head) | 0
  }
}

export class RingReader {
  readonly bytes: Buffer
  readonly #words: Uint32Array
  readonly #control: Int32Array
  readonly #layout: RingLayout
  readonly #mask: number
  #head: number
  #tail: number
  #released: number
  /** Of the current frame. `meta` and `payload` are positions in `bytes`. */
  id = 0
  kind = 0
  flags = 0
  code = 0
  meta = 0
  metaLength = 0
  payload = 0
  payloadLength = 0
  #padded = 0

  constructor(buffer: SharedArrayBuffer, layout: RingLayout) {
    this.bytes = Buffer.from(buffer, layout.offset, layout.size)
    this.#words = new Uint32Array(buffer, layout.offset, layout.size >> 2)
    this.#control = new Int32Array(buffer)
    this.#layout = layout
    this.#mask = layout.size - 1
    this.#head = Atomics.load(this.#control, layout.head)
    this.#tail = this.#head
    this.#released = this.#head
  }

  /** Moves to the next published frame and fills the fields; false when there is none. The previous one may be overwritten from the next `release` on. */
  next(): boolean {
    this.#head = (this.#head + this.#padded) | 0
    this.#padded = 0
    if (this.#head === this.#tail) {
      this.#tail = Atomics.load(this.#control, this.#layout.tail)
      if (this.#head === this.#tail) return false
    }
    const words = this.#words
    let at = (this.#head & this.#mask) >> 2
    let length = words[at]!
    if (length === skipMarker) {
      this.#head = (this.#head + (this.#mask + 1) - (this.#head & this.#mask)) | 0
      at = 0
      length = words[0]!
    }
    this.id = words[at + 1]! | 0
    const word = words[at + 2]!
    this.kind = word & 0xff
    this.flags = (word >>> 8) & 0xff
    this.code = word >>> 16
    this.metaLength = words[at + 3]!
    const start = at << 2
    this.meta = start + frameHeader
    // Credits carry their number in the meta length and have no bytes.
    const body = length - frameHeader
    this.payload = this.meta + Math.min(this.metaLength, body)
    this.payloadLength = body - Math.min(this.metaLength, body)
    this.#padded = align8(length)
    return true
  }

  word(position: number): number {
    return this.#words[position >> 2]!
  }

  /** Gives consumed frames back. Returns true when the producer waits for room and there is enough: ring its bell. */
  release(): boolean {
    if (this.#released !== this.#head) {
      this.#released = this.#head
      Atomics.store(this.#control, this.#layout.head, this.#head)
    }
    if (Atomics.load(this.#control, this.#layout.wantsSpace) === 0) return false
    const used = (Atomics.load(this.#control, this.#layout.tail) - this.#head) | 0
    if (used > (this.#mask + 1) >> 2) return false
    Atomics.store(this.#control, this.#layout.wantsSpace, 0)
    return true
  }
}
