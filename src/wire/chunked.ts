/**
 * The chunked coding (RFC 9112 §7.1), decoded in place: the payload of all chunks in a read is moved together, over
 * the framing between them, so that a consumer gets one run of bytes per read however small the chunks are.
 *
 * One long method, for the same reason as the head parser's: it stops and resumes between any two bytes.
 */
import { COLON, CR, hexValue, isText, isToken, LF, SEMICOLON } from './characters.ts'
import type { WireError } from './errors.ts'

const SIZE_BEGIN = 0
const SIZE = 1
const EXTENSION = 2
const SIZE_LF = 3
const DATA = 4
const DATA_CR = 5
const DATA_LF = 6
const TRAILER_BEGIN = 7
const TRAILER_NAME = 8
const TRAILER_VALUE = 9
const TRAILER_LF = 10
const END_LF = 11
const DONE = 12

/** Digits of 2^64: more can only be padding. */
const maxSizeDigits = 16
/** Extensions may be this long in all, plus as long as the payload: framing never outweighs content for long. */
const maxExtensionBytes = 16 * 1024
const maxTrailerBytes = 16 * 1024

export class ChunkedDecoder {
  /** The payload found by the last `decode`, in the bytes it was given. */
  dataStart = 0
  dataEnd = 0
  error: WireError | null = null

  #state = SIZE_BEGIN
  #digits = 0
  #remaining = 0
  #payloadBytes = 0
  #extensionBytes = 0
  #trailerBytes = 0

  reset(): void {
    this.error = null
    this.#state = SIZE_BEGIN
    this.#digits = 0
    this.#remaining = 0
    this.#payloadBytes = 0
    this.#extensionBytes = 0
    this.#trailerBytes = 0
  }

  /** The last chunk and the trailers were read. */
  get isDone(): boolean {
    return this.#state === DONE
  }

  /**
   * Takes the bytes from `at` on and returns the position after those that belong to the message: `end` unless it is
   * done. -1 when they are malformed (see `error`); the payload before the fault is still in `dataStart…dataEnd`.
   * Overwrites the bytes it takes.
   */
  decode(bytes: Buffer, at: number, end: number): number {
    let state = this.#state
    this.dataStart = at
    this.dataEnd = at
    while (at < end) {
      switch (state) {
        case DATA: {
          const size = Math.min(this.#remaining, end - at)
          if (this.dataEnd === this.dataStart) this.dataStart = this.dataEnd = at
          else bytes.copyWithin(this.dataEnd, at, at + size)
          this.dataEnd += size
          at += size
          this.#remaining -= size
          this.#payloadBytes += size
          if (this.#remaining === 0) state = DATA_CR
          break
        }
        case DATA_CR:
          if (bytes[at] !== CR) return this.#fail('bad_chunk_end')
          at++
          state = DATA_LF
          break
        case DATA_LF:
          if (bytes[at] !== LF) return this.#fail('bad_chunk_end')
          at++
          state = SIZE_BEGIN
          break
        case SIZE_BEGIN:
          if (hexValue[bytes[at]] === 255) return this.#fail('bad_chunk_size')
          this.#remaining = 0
          this.#digits = 0
          state = SIZE
          break
        case SIZE: {
          const digit = hexValue[bytes[at]]
          if (digit !== 255) {
            this.#remaining = this.#remaining * 16 + digit
            if (++this.#digits > maxSizeDigits || this.#remaining > Number.MAX_SAFE_INTEGER) {
              return this.#fail('chunk_too_big')
            }
          } else if (bytes[at] === CR) state = SIZE_LF
          else if (bytes[at] === SEMICOLON) state = EXTENSION
          else return this.#fail(bytes[at] === LF ? 'bare_lf' : 'bad_chunk_size')
          at++
          break
        }
        case SIZE_LF:
          if (bytes[at] !== LF) return this.#fail('bare_cr')
          at++
          state = this.#remaining === 0 ? TRAILER_BEGIN : DATA
          break
        case EXTENSION: {
          const from = at
          while (at < end && isText[bytes[at]] === 1) at++
          this.#extensionBytes += at - from
          if (this.#extensionBytes > maxExtensionBytes + this.#payloadBytes) {
            return this.#fail('chunk_extensions_too_long')
          }
          if (at === end) break
          if (bytes[at] !== CR) return this.#fail(bytes[at] === LF ? 'bare_lf' : 'bad_chunk_extension')
          at++
          state = SIZE_LF
          break
        }
        case TRAILER_BEGIN:
          if (bytes[at] === CR) {
            at++
            state = END_LF
          } else if (isToken[bytes[at]] === 1) state = TRAILER_NAME
          else return this.#fail('bad_trailer')
          break
        case TRAILER_NAME: {
          const from = at
          while (at < end && isToken[bytes[at]] === 1) at++
          if (!this.#countTrailer(at - from)) return -1
          if (at === end) break
          if (bytes[at] !== COLON) return this.#fail('bad_trailer')
          at++
          state = TRAILER_VALUE
          break
        }
        case TRAILER_VALUE: {
          const from = at
          while (at < end && isText[bytes[at]] === 1) at++
          if (!this.#countTrailer(at - from)) return -1
          if (at === end) break
          if (bytes[at] !== CR) return this.#fail('bad_trailer')
          at++
          state = TRAILER_LF
          break
        }
        case TRAILER_LF:
          if (bytes[at] !== LF) return this.#fail('bare_cr')
          at++
          if (!this.#countTrailer(3)) return -1 // the colon and the line end
          state = TRAILER_BEGIN
          break
        case END_LF:
          if (bytes[at] !== LF) return this.#fail('bare_cr')
          this.#state = DONE
          return at + 1
        case DONE:
          return at
      }
    }
    this.#state = state
    return at
  }

  #countTrailer(bytes: number): boolean {
    this.#trailerBytes += bytes
    if (this.#trailerBytes <= maxTrailerBytes) return true
    this.error = 'trailers_too_long'
    return false
  }

  #fail(error: WireError): -1 {
    this.error = error
    return -1
  }
}
