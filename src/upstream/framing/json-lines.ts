import { Failure } from '../../core/failures.ts'
import { utf8Text } from '../../core/json-scan.ts'
import type { StreamEvent } from '../../core/provider.ts'

/**
 * One JSON text a line (https://jsonlines.org, also called NDJSON), for native streams that are no server-sent events.
 * Lines end with LF or CRLF; blank ones are skipped, as is a BOM at the beginning. Bytes may come split anywhere: only
 * whole lines are decoded, so a UTF-8 character is never cut. Events have no names.
 */
export interface JsonLinesLimits {
  /** Longest line. */
  readonly maxBytes: number
}

const lf = 0x0a
const nothing = Buffer.alloc(0)

export class JsonLinesParser {
  readonly #maxBytes: number
  readonly #onEvent: (event: StreamEvent) => void
  /** [0, length): the line under way, if it began in an earlier chunk. */
  #line = nothing
  #length = 0
  #first = true
  #failure: Failure | null = null

  constructor(limits: JsonLinesLimits, onEvent: (event: StreamEvent) => void) {
    this.#maxBytes = limits.maxBytes
    this.#onEvent = onEvent
  }

  /** Calls `onEvent` for every line that ends in `chunk`. A failure is final. */
  push(chunk: Uint8Array): Failure | null {
    let from = 0
    while (this.#failure === null) {
      const to = chunk.indexOf(lf, from)
      if (to < 0) break
      if (this.#length > 0) {
        this.#append(chunk, from, to)
        if (this.#failure === null) this.#takeLine(this.#line, 0, this.#length)
        this.#length = 0
      } else this.#takeLine(chunk, from, to)
      from = to + 1
    }
    if (from < chunk.length && this.#failure === null) this.#append(chunk, from, chunk.length)
    return this.#failure
  }

  /** The last line, where it lacks its end: the format allows that, and JSON tells by itself whether it is whole. */
  end(): StreamEvent | null {
    if (this.#failure !== null || this.#length === 0) return null
    const data = this.#text(this.#line, 0, this.#length)
    this.#length = 0
    return data === '' ? null : { event: '', data }
  }

  #append(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from
    if (length > this.#maxBytes) return this.#fail()
    if (length > this.#line.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(1024, length, this.#line.length * 2))
      grown.set(this.#line.subarray(0, this.#length))
      this.#line = grown
    }
    this.#line.set(chunk.subarray(from, to), this.#length)
    this.#length = length
  }

  #fail(): void {
    this.#failure = new Failure('stream_error', { cause: `a line is longer than ${this.#maxBytes} bytes` })
  }

  #takeLine(bytes: Uint8Array, from: number, to: number): void {
    if (to - from > this.#maxBytes) return this.#fail()
    const data = this.#text(bytes, from, to)
    if (data !== '') this.#onEvent({ event: '', data })
  }

  #text(bytes: Uint8Array, from: number, to: number): string {
    if (this.#first) {
      this.#first = false
      if (bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf && to - from >= 3) from += 3
    }
    return utf8Text(bytes, from, to).trim()
  }
}
