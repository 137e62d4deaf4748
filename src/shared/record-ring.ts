import { recordsLayout } from './layout.ts'
import { RingReader, RingWriter } from './ring.ts'

/** Exchange records of one thread on their way to main, which reads them on a timer: no wake-up per request. */
export const recordRingBytes = 256 << 10
const layout = recordsLayout(recordRingBytes)
const recordKind = 1

export const createRecordRing = (): SharedArrayBuffer => new SharedArrayBuffer(layout.bytes)

/** `encode` writes at most `most` bytes at the position it is given and returns how many. */
export class RecordWriter {
  readonly #ring: RingWriter
  readonly #scratch: Buffer
  dropped = 0

  constructor(buffer: SharedArrayBuffer, mostBytes: number) {
    this.#ring = new RingWriter(buffer, layout)
    this.#scratch = Buffer.allocUnsafeSlow(mostBytes)
  }

  write<T>(value: T, encode: (value: T, target: Buffer, offset: number) => number): void {
    const size = encode(value, this.#scratch, 0)
    const at = this.#ring.reserve(0, recordKind, 0, 0, 0, size)
    if (at < 0) {
      this.dropped++
      return
    }
    this.#ring.put(at, this.#scratch.subarray(0, size))
    this.#ring.commit()
    this.#ring.publish()
  }
}

export class RecordReader {
  readonly #ring: RingReader

  constructor(buffer: SharedArrayBuffer) {
    this.#ring = new RingReader(buffer, layout)
  }

  /** Hands each record's bytes to `take`; they are valid only during the call. */
  drain(take: (source: Buffer, offset: number, length: number) => void): void {
    const ring = this.#ring
    while (ring.next()) take(ring.bytes, ring.payload, ring.payloadLength)
    ring.release()
  }
}
