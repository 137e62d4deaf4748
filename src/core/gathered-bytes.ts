import { bufferPool, longestPooled } from './buffer-pool.ts'
import { copyInto, copyOf } from './copy-bytes.ts'

/** A length that is only announced is believed up to so many times what has come. */
const mostAhead = 8
const shortest = 4096
const nothing: Buffer = Buffer.alloc(0)

/** Bytes that come in pieces, as one: copied side by side into memory of the pool while they are few, else kept piece by piece. */
export class GatheredBytes {
  #room: Buffer = nothing
  /** What `#room` has no place for. */
  #pieces: Buffer[] | null = null
  #filled = 0
  length = 0

  /** Copies a piece. `expected`: how many bytes there may be in all, 0 = unknown. */
  push(chunk: Uint8Array, expected = 0): void {
    const { length } = chunk
    this.length += length
    if (this.#pieces === null && this.length <= longestPooled) {
      if (this.length > this.#room.length) this.#grow(expected)
      copyInto(this.#room, this.#filled, chunk)
      this.#filled += length
    } else {
      this.#pieces ??= []
      this.#pieces.push(copyOf(chunk))
    }
  }

  #grow(expected: number): void {
    const likely = expected >= this.length ? Math.min(expected, mostAhead * this.length) : 2 * this.length
    const room = bufferPool.take(Math.min(longestPooled, Math.max(shortest, likely)))
    copyInto(room, 0, this.#room.subarray(0, this.#filled))
    bufferPool.giveBack(this.#room)
    this.#room = room
  }

  /** All of them, once. Lent ones are good until `release`; others are the caller's, and nothing is kept of them here. */
  all(): { readonly bytes: Buffer; readonly isLent: boolean } {
    const first = this.#room.subarray(0, this.#filled)
    if (this.#pieces === null) return { bytes: first, isLent: true }
    const bytes = Buffer.concat([first, ...this.#pieces], this.length)
    this.release()
    return { bytes, isLent: false }
  }

  /** Nobody reads them any more. */
  release(): void {
    bufferPool.giveBack(this.#room)
    this.#room = nothing
    this.#pieces = null
    this.#filled = 0
    this.length = 0
  }
}
