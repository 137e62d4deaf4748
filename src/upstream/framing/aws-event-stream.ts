import { crc32 } from 'node:zlib'
import { Failure } from '../../core/failures.ts'
import { utf8Text } from '../../core/json-scan.ts'
import type { StreamEvent } from '../../core/provider.ts'

/**
 * AWS's binary event stream (application/vnd.amazon.eventstream), one thing because it is one state machine.
 * https://smithy.io/2.0/aws/amazon-eventstream.html. All numbers are big-endian:
 *
 *     0        4         8          12        12 + H      N − 4     N
 *     | N (u32)| H (u32) | CRC 0…8  | headers | payload   | CRC 0…N−4 |
 *
 * A header is a name's length (1 byte), the name, a type (1 byte) and a value whose size follows from the type.
 *
 * What comes out: `data` is the payload as text, `event` is
 *  - `:event-type` of an event (`messageStart`, `chunk`);
 *  - `exception:` and `:exception-type` of a modelled exception (`exception:throttlingException`);
 *  - `error:` and `:error-code` of any other error (`error:InternalFailure`); without a payload `data` is
 *    `{"message": …}` with the `:error-message`.
 */
export interface EventStreamLimits {
  /** Longest frame. */
  readonly maxBytes: number
}

const preludeBytes = 12
const crcBytes = 4
const nothing = Buffer.alloc(0)
/** Type 7, a text, and the sizes of values that have none of their own: true, false, byte, i16, i32, i64, -, -, time, uuid. */
const textType = 7
const bytesType = 6
const fixedSizes = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16]

export class AwsEventStreamParser {
  readonly #maxBytes: number
  readonly #onEvent: (event: StreamEvent) => void
  /** [0, length): the frame under way, if it began in an earlier chunk. Grows with what has come, not with what is announced. */
  #frame = nothing
  #length = 0
  /** The headers of the last frame, and the name they gave: a stream repeats them from frame to frame. */
  #headers = nothing
  #event = ''
  #errorMessage = ''
  #failure: Failure | null = null

  constructor(limits: EventStreamLimits, onEvent: (event: StreamEvent) => void) {
    this.#maxBytes = limits.maxBytes
    this.#onEvent = onEvent
  }

  /** Calls `onEvent` for every frame that ends in `chunk`. A failure is final. */
  push(chunk: Uint8Array): Failure | null {
    let from = 0
    while (from < chunk.length && this.#failure === null) {
      if (this.#length === 0) {
        const size = chunk.length - from < preludeBytes ? -1 : this.#frameSize(chunk, from)
        if (this.#failure !== null) break
        if (size >= 0 && chunk.length - from >= size) {
          this.#take(chunk, from, size)
          from += size
          continue
        }
        this.#append(chunk, from, chunk.length)
        break
      }
      if (this.#length < preludeBytes) {
        const to = Math.min(chunk.length, from + preludeBytes - this.#length)
        this.#append(chunk, from, to)
        from = to
        if (this.#length < preludeBytes) break
      }
      const size = this.#frameSize(this.#frame, 0)
      if (this.#failure !== null) break
      const to = Math.min(chunk.length, from + size - this.#length)
      this.#append(chunk, from, to)
      from = to
      if (this.#length < size) break
      this.#length = 0
      this.#take(this.#frame, 0, size)
    }
    return this.#failure
  }

  /** Nothing is left over where a stream ends as it should: bytes of a frame that never came whole are a failure. */
  end(): Failure | null {
    if (this.#failure === null && this.#length > 0) this.#fail('the stream ends inside a frame')
    return this.#failure
  }

  #fail(cause: string): void {
    this.#failure = new Failure('stream_error', { cause })
  }

  #append(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from
    if (length > this.#frame.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(1024, length, this.#frame.length * 2))
      grown.set(this.#frame.subarray(0, this.#length))
      this.#frame = grown
    }
    this.#frame.set(chunk.subarray(from, to), this.#length)
    this.#length = length
  }

  /** Size of the frame whose prelude stands at `at`; -1, and a failure, for what can't be one. */
  #frameSize(bytes: Uint8Array, at: number): number {
    const size = u32(bytes, at)
    const headers = u32(bytes, at + 4)
    // Before any length is believed.
    if (crc32(bytes.subarray(at, at + 8)) !== u32(bytes, at + 8)) this.#fail('the checksum of a frame’s head is wrong')
    else if (size > this.#maxBytes) this.#fail(`a frame is longer than ${this.#maxBytes} bytes`)
    else if (headers + preludeBytes + crcBytes > size) this.#fail('the lengths of a frame contradict each other')
    return this.#failure === null ? size : -1
  }

  #take(bytes: Uint8Array, at: number, size: number): void {
    const end = at + size - crcBytes
    if (crc32(bytes.subarray(at, end)) !== u32(bytes, end)) return this.#fail('the checksum of a frame is wrong')
    const payload = at + preludeBytes + u32(bytes, at + 4)
    if (
      !this.#hasSameHeaders(bytes, at + preludeBytes, payload) &&
      !this.#readHeaders(bytes, at + preludeBytes, payload)
    )
      return this.#fail('the headers of a frame are malformed')
    const isBareError = payload === end && this.#errorMessage !== ''
    const data = isBareError ? JSON.stringify({ message: this.#errorMessage }) : utf8Text(bytes, payload, end)
    this.#onEvent({ event: this.#event, data })
  }

  #hasSameHeaders(bytes: Uint8Array, from: number, to: number): boolean {
    const known = this.#headers
    if (known.length !== to - from || known.length === 0) return false
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false
    return true
  }

  #readHeaders(bytes: Uint8Array, from: number, to: number): boolean {
    const texts: Record<string, string> = Object.create(null)
    for (let at = from; at < to; ) {
      const name = at + 1
      const type = name + bytes[at]
      if (type >= to) return false
      let value = type + 1
      const kind = bytes[type]
      let size = kind < fixedSizes.length ? fixedSizes[kind] : -1
      if (kind === textType || kind === bytesType) {
        if (value + 2 > to) return false
        size = bytes[value] * 256 + bytes[value + 1]
        value += 2
      }
      if (size < 0 || value + size > to) return false
      if (kind === textType) texts[utf8Text(bytes, name, type)] = utf8Text(bytes, value, value + size)
      at = value + size
    }
    this.#headers = Buffer.from(bytes.subarray(from, to))
    this.#event = nameOf(texts)
    this.#errorMessage = texts[':error-message'] ?? ''
    return true
  }
}

function nameOf(headers: Readonly<Record<string, string | undefined>>): string {
  switch (headers[':message-type']) {
    case 'exception':
      return `exception:${headers[':exception-type'] ?? ''}`
    case 'error':
      return `error:${headers[':error-code'] ?? ''}`
    default:
      return headers[':event-type'] ?? ''
  }
}

const u32 = (bytes: Uint8Array, at: number): number =>
  bytes[at] * 0x1000000 + ((bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3])
