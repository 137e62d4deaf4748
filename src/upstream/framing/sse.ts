import { Failure } from '../../core/failures.ts'
import { utf8Text } from '../../core/json-scan.ts'
import type { StreamEvent } from '../../core/provider.ts'
import { mostEventLines } from '../../core/stream-tap.ts'

/**
 * Server-sent events as the HTML standard parses them (https://html.spec.whatwg.org/multipage/server-sent-events.html
 * §9.2.6), for streams that are not relayed byte for byte. Lines end with LF, CRLF or CR; a BOM is skipped; comments,
 * `id` and `retry` are dropped; an event without data is none. Bytes may come split anywhere: only whole lines are
 * decoded, so a UTF-8 character is never cut.
 */
export interface SseLimits {
  /** Longest line, and most data of one event. */
  readonly maxBytes: number
}

const lf = 0x0a
const cr = 0x0d
const nothing = Buffer.alloc(0)

export class SseParser {
  readonly #maxBytes: number
  readonly #onEvent: (event: StreamEvent) => void
  /** [0, length): the line under way, if it began in an earlier chunk. */
  #line = nothing
  #length = 0
  #first = true
  #afterCr = false
  #event = ''
  #data = ''
  #hasData = false
  #lines = 0
  #failure: Failure | null = null

  constructor(limits: SseLimits, onEvent: (event: StreamEvent) => void) {
    this.#maxBytes = limits.maxBytes
    this.#onEvent = onEvent
  }

  /** Calls `onEvent` for every event that ends in `chunk`. A failure is final. */
  push(chunk: Uint8Array): Failure | null {
    const size = chunk.length
    let from = 0
    if (this.#afterCr && size > 0) {
      this.#afterCr = false
      if (chunk[0] === lf) from = 1
    }
    for (let i = from; i < size && this.#failure === null; i++) {
      const byte = chunk[i]
      if (byte !== lf && byte !== cr) continue
      if (this.#length > 0) {
        this.#append(chunk, from, i)
        if (this.#failure === null) this.#takeLine(this.#line, 0, this.#length)
        this.#length = 0
      } else this.#takeLine(chunk, from, i)
      if (byte === cr) {
        if (i + 1 === size) this.#afterCr = true
        else if (chunk[i + 1] === lf) i++
      }
      from = i + 1
    }
    if (from < size && this.#failure === null) this.#append(chunk, from, size)
    return this.#failure
  }

  /**
   * The event that lacks its end, or null. The standard discards it; some upstreams forget the last blank line, so the
   * caller may take it if its data is whole by itself.
   */
  end(): StreamEvent | null {
    if (this.#failure !== null) return null
    if (this.#length > 0) this.#takeLine(this.#line, 0, this.#length)
    this.#length = 0
    return this.#hasData ? this.#take() : null
  }

  #append(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from
    if (length > this.#maxBytes) {
      this.#fail()
      return
    }
    if (length > this.#line.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(1024, length, this.#line.length * 2))
      grown.set(this.#line.subarray(0, this.#length))
      this.#line = grown
    }
    this.#line.set(chunk.subarray(from, to), this.#length)
    this.#length = length
  }

  #fail(): void {
    this.#failure = new Failure('stream_error', { cause: `an event is longer than ${this.#maxBytes} bytes` })
  }

  #takeLine(bytes: Uint8Array, from: number, to: number): void {
    if (to - from > this.#maxBytes) {
      this.#fail()
      return
    }
    if (this.#first) {
      this.#first = false
      if (bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf && to - from >= 3) from += 3
    }
    if (from === to) {
      if (this.#hasData) this.#onEvent(this.#take())
      this.#event = ''
      return
    }
    // `data` and `event` are the only fields that matter; both are told by their first byte.
    const first = bytes[from]
    if (first !== 0x64 && first !== 0x65) return
    const line = utf8Text(bytes, from, to)
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1)
    if (name === 'event') this.#event = value
    else if (name === 'data') {
      this.#data = this.#hasData ? `${this.#data}\n${value}` : value
      this.#hasData = true
      if (this.#data.length > this.#maxBytes) this.#fail()
      else if (++this.#lines > mostEventLines)
        this.#failure = new Failure('stream_error', { cause: `an event has more than ${mostEventLines} lines` })
    }
  }

  #take(): StreamEvent {
    const event = { event: this.#event, data: this.#data }
    this.#event = ''
    this.#data = ''
    this.#hasData = false
    this.#lines = 0
    return event
  }
}
