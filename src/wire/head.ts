/**
 * The head of an HTTP/1.1 message (RFC 9112 §2–5): finding its end, checking it and splitting it are one pass over
 * the bytes, and the pass can stop and resume between any two of them. That is why this is one long method: its
 * whole state is five integers.
 *
 * Strict where the RFC lets a recipient be: bare CR or LF, obs-fold, space before a colon, empty names and control
 * characters are errors, never repaired.
 */
import { COLON, CR, HTAB, isText, isToken, isVisible, LF, SP } from './characters.ts'
import type { WireError } from './errors.ts'
import { Fields } from './fields.ts'
import { latin1 } from './latin1.ts'

export interface HeadLimits {
  /** Start line, field lines and the empty line, all line ends included. */
  readonly maxBytes: number
  readonly maxFields: number
}

const BEGIN = 0 // before the first byte of the start line
const EMPTY_LINE_LF = 1 // an empty line before a request line
const START_LINE = 2
const START_LINE_LF = 3
const LINE_BEGIN = 4
const NAME = 5
const BEFORE_VALUE = 6
const VALUE = 7
const VALUE_LF = 8
const END_LF = 9

/** What `feed` returns while the head goes on, and when it is malformed (see `error`). */
export const MORE = 0
export const MALFORMED = -1

export class HeadParser {
  /** Complete once `feed` returned a position; valid until `reset`, but see `keep`. */
  readonly fields = new Fields()
  error: WireError | null = null
  /** Minor version: HTTP/1.0 or HTTP/1.1. */
  minor: 0 | 1 = 1
  /** Of a response. */
  status = 0
  /** Of a request. */
  method = ''
  target = ''

  /** Of the finished head in bytes, the empty line included. */
  length = 0

  readonly #isRequest: boolean
  readonly #limits: HeadLimits
  #state = BEGIN
  #scanned = 0
  #start = 0 // of the start line
  #nameStart = 0
  #nameEnd = 0
  #valueStart = 0
  /** Bytes of a head that came in pieces, or that was kept. */
  #stash: Buffer | null = null
  #stashed = 0
  #bytes: Buffer | null = null
  #base = 0

  constructor(kind: 'request' | 'response', limits: HeadLimits) {
    this.#isRequest = kind === 'request'
    this.#limits = limits
  }

  /** True from the first byte of a head to its end. */
  get isUnderWay(): boolean {
    return this.#scanned > 0
  }

  reset(): void {
    this.fields.clear()
    this.error = null
    this.#state = BEGIN
    this.#scanned = 0
    this.#stashed = 0
    this.#bytes = null
  }

  /**
   * Takes the bytes from `at` on. Returns the position after the head's empty line (where the body begins), `MORE`
   * when the head isn't complete (all bytes were taken), or `MALFORMED`.
   */
  feed(bytes: Buffer, at: number, end: number): number {
    if (this.#stashed === 0) {
      const length = this.#scan(bytes, at, end)
      if (length > 0) return at + length
      if (length === MORE) this.#append(bytes, at, end)
      return length
    }
    const before = this.#stashed
    // Room for a byte beyond the limit is enough to see that the limit is exceeded.
    this.#append(bytes, at, Math.min(end, at + this.#limits.maxBytes + 1 - before))
    const length = this.#scan(this.#stash!, 0, this.#stashed)
    return length > 0 ? at + length - before : length
  }

  /** Copies a finished head out of the bytes it was read from, so that `fields` outlives them. */
  keep(): void {
    if (this.#bytes === null || this.#bytes === this.#stash) return
    const base = this.#base
    this.#append(this.#bytes, base, base + this.length)
    this.#place(this.#stash!, 0)
  }

  #append(bytes: Buffer, at: number, end: number): void {
    const needed = this.#stashed + end - at
    if (this.#stash === null || this.#stash.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * this.#stashed, this.#limits.maxBytes), 512))
      this.#stash?.copy(grown, 0, 0, this.#stashed)
      this.#stash = grown
    }
    bytes.copy(this.#stash, this.#stashed, at, end)
    this.#stashed = needed
  }

  #place(bytes: Buffer, base: number): void {
    this.#bytes = bytes
    this.#base = base
    this.fields.place(bytes, base)
  }

  #fail(error: WireError): typeof MALFORMED {
    this.error = error
    return MALFORMED
  }

  /** Returns the length of the head, `MORE` or `MALFORMED`. Positions it keeps are relative to `base`. */
  #scan(bytes: Buffer, base: number, end: number): number {
    const limit = Math.min(end, base + this.#limits.maxBytes)
    let at = base + this.#scanned
    let state = this.#state
    while (at < limit) {
      switch (state) {
        case VALUE: {
          while (at < limit && isText[bytes[at]] === 1) at++
          if (at === limit) break
          if (bytes[at] !== CR) return this.#fail(bytes[at] === LF ? 'bare_lf' : 'bad_field_value')
          let valueEnd = at
          const valueStart = base + this.#valueStart
          while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--
          if (this.fields.count === this.#limits.maxFields) return this.#fail('too_many_fields')
          this.fields.add(this.#nameStart, this.#nameEnd, this.#valueStart, valueEnd - base)
          at++
          state = VALUE_LF
          break
        }
        case VALUE_LF:
        case START_LINE_LF:
          if (bytes[at] !== LF) return this.#fail('bare_cr')
          if (state === START_LINE_LF && !this.#parseStartLine(bytes, base + this.#start, at - 1)) return MALFORMED
          at++
          state = LINE_BEGIN
          break
        case LINE_BEGIN:
          if (bytes[at] === CR) {
            at++
            state = END_LF
            break
          }
          if (bytes[at] === SP || bytes[at] === HTAB) return this.#fail('folded_field')
          if (bytes[at] === LF) return this.#fail('bare_lf')
          this.#nameStart = at - base
          state = NAME
          break
        case NAME:
          while (at < limit && isToken[bytes[at]] === 1) at++
          if (at === limit) break
          if (bytes[at] !== COLON || at - base === this.#nameStart) return this.#fail('bad_field_name')
          this.#nameEnd = at - base
          at++
          state = BEFORE_VALUE
          break
        case BEFORE_VALUE:
          while (at < limit && (bytes[at] === SP || bytes[at] === HTAB)) at++
          if (at === limit) break
          this.#valueStart = at - base
          state = VALUE
          break
        case END_LF:
          if (bytes[at] !== LF) return this.#fail('bare_cr')
          this.length = at + 1 - base
          this.#place(bytes, base)
          this.#scanned = 0
          return this.length
        case BEGIN:
          // RFC 9112 §2.2: a server ignores an empty line before the request line.
          if (this.#isRequest && bytes[at] === CR && at === base) {
            at++
            state = EMPTY_LINE_LF
            break
          }
          this.#start = at - base
          state = START_LINE
          break
        case EMPTY_LINE_LF:
          if (bytes[at] !== LF) return this.#fail('bare_cr')
          at++
          state = BEGIN
          break
        case START_LINE:
          while (at < limit && isText[bytes[at]] === 1) at++
          if (at === limit) break
          if (bytes[at] === LF) return this.#fail('bare_lf')
          if (bytes[at] !== CR) return this.#fail(this.#isRequest ? 'bad_request_line' : 'bad_status_line')
          at++
          state = START_LINE_LF
          break
      }
    }
    this.#state = state
    this.#scanned = at - base
    return this.#scanned === this.#limits.maxBytes ? this.#fail('head_too_large') : MORE
  }

  #parseStartLine(bytes: Buffer, start: number, end: number): boolean {
    return this.#isRequest ? this.#parseRequestLine(bytes, start, end) : this.#parseStatusLine(bytes, start, end)
  }

  /** `HTTP/1.1 200 OK`. The space after the status may be missing when the reason is: many servers leave it out. */
  #parseStatusLine(bytes: Buffer, start: number, end: number): boolean {
    this.error = 'bad_status_line'
    if (end - start < 12 || !isHttp(bytes, start) || bytes[start + 8] !== SP) return false
    if (end - start > 12 && bytes[start + 12] !== SP) return false
    const status = digit(bytes, start + 9) * 100 + digit(bytes, start + 10) * 10 + digit(bytes, start + 11)
    if (!(status >= 100 && status <= 599)) return false
    this.status = status
    return this.#parseVersion(bytes, start)
  }

  /** `POST /v1/chat/completions HTTP/1.1`, single spaces. */
  #parseRequestLine(bytes: Buffer, start: number, end: number): boolean {
    this.error = 'bad_request_line'
    let at = start
    while (at < end && isToken[bytes[at]] === 1) at++
    if (at === start || at === end || bytes[at] !== SP) return false
    const targetStart = at + 1
    at = targetStart
    while (at < end && isVisible[bytes[at]] === 1) at++
    if (at === targetStart || bytes[at] !== SP || end - at !== 9 || !isHttp(bytes, at + 1)) return false
    this.method = latin1(bytes, start, targetStart - 1)
    this.target = latin1(bytes, targetStart, at)
    return this.#parseVersion(bytes, at + 1)
  }

  #parseVersion(bytes: Buffer, at: number): boolean {
    const minor = digit(bytes, at + 7)
    this.error = 'bad_version'
    if (bytes[at + 5] !== 0x31 || bytes[at + 6] !== 0x2e || (minor !== 0 && minor !== 1)) return false
    this.minor = minor
    this.error = null
    return true
  }
}

/** `HTTP/`, upper case as the RFC has it. */
function isHttp(bytes: Buffer, at: number): boolean {
  return (
    bytes[at] === 0x48 &&
    bytes[at + 1] === 0x54 &&
    bytes[at + 2] === 0x54 &&
    bytes[at + 3] === 0x50 &&
    bytes[at + 4] === 0x2f
  )
}

/** NaN for anything but a digit, so that a sum of digits is NaN as soon as one is wrong. */
function digit(bytes: Buffer, at: number): number {
  const value = bytes[at] - 0x30
  return value >= 0 && value <= 9 ? value : Number.NaN
}
