export interface ResponseEvents {
  head(status: number): void
  /** `bytes[start, end)` of the body, framing removed; valid only during the call. */
  body(bytes: Buffer, start: number, end: number): void
  end(keepAlive: boolean): void
}

const BLANK_LINE = Buffer.from('\r\n\r\n')
const CONTENT_LENGTH = /\r\ncontent-length:[ \t]*(\d+)/i
const CHUNKED = /\r\ntransfer-encoding:[ \t]*chunked/i
const CLOSE = /\r\nconnection:[ \t]*close/i
const MAX_HEAD_BYTES = 64 * 1024

type State = 'head' | 'length' | 'size' | 'data' | 'data-end' | 'trailer' | 'until-close'

/** Reads HTTP/1.1 responses piece by piece, for our own load clients and the relay. */
export class ResponseReader {
  readonly #events: ResponseEvents
  #state: State = 'head'
  #head: Buffer | null = null
  #left = 0
  #sizeDigits = 0
  #inExtension = false
  #trailerLine = 0
  #keepAlive = true

  constructor(events: ResponseEvents) {
    this.#events = events
  }

  /** Whether a response has begun and not ended. */
  get midway(): boolean {
    return this.#state !== 'head' || this.#head !== null
  }

  /** False: malformed, cut the connection. */
  feed(bytes: Buffer, length: number): boolean {
    let at = 0
    while (at < length) {
      switch (this.#state) {
        case 'head': {
          at = this.#readHead(bytes, at, length)
          if (at === -1) return false
          break
        }
        case 'length': {
          const take = Math.min(this.#left, length - at)
          this.#left -= take
          this.#events.body(bytes, at, at + take)
          at += take
          if (this.#left === 0) this.#finish()
          break
        }
        case 'until-close':
          this.#events.body(bytes, at, length)
          return true
        case 'size': {
          const byte = bytes[at++]
          if (byte === 10) {
            if (this.#sizeDigits === 0) return false
            this.#inExtension = false
            this.#sizeDigits = 0
            this.#trailerLine = 0
            this.#state = this.#left === 0 ? 'trailer' : 'data'
          } else if (byte === 59) this.#inExtension = true
          else if (byte !== 13 && !this.#inExtension) {
            const digit = hexDigit(byte)
            if (digit === -1 || ++this.#sizeDigits > 8) return false
            this.#left = this.#left * 16 + digit
          }
          break
        }
        case 'data': {
          const take = Math.min(this.#left, length - at)
          this.#left -= take
          this.#events.body(bytes, at, at + take)
          at += take
          if (this.#left === 0) this.#state = 'data-end'
          break
        }
        case 'data-end': {
          if (bytes[at++] === 10) this.#state = 'size'
          break
        }
        case 'trailer': {
          const byte = bytes[at++]
          if (byte === 10) {
            if (this.#trailerLine === 0) this.#finish()
            else this.#trailerLine = 0
          } else if (byte !== 13) this.#trailerLine++
          break
        }
      }
    }
    return true
  }

  /** The peer closed. True when that is how this response was meant to end. */
  closed(): boolean {
    if (this.#state !== 'until-close') return false
    this.#keepAlive = false
    this.#finish()
    return true
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    let text: string
    let next: number
    if (this.#head === null) {
      const end = bytes.indexOf(BLANK_LINE, at)
      if (end === -1 || end + 4 > length) {
        this.#head = Buffer.from(bytes.subarray(at, length))
        return this.#head.length > MAX_HEAD_BYTES ? -1 : length
      }
      text = bytes.latin1Slice(at, end)
      next = end + 4
    } else {
      const had = this.#head.length
      const joined = Buffer.concat([this.#head, bytes.subarray(at, length)])
      const end = joined.indexOf(BLANK_LINE)
      if (end === -1) {
        this.#head = joined
        return joined.length > MAX_HEAD_BYTES ? -1 : length
      }
      text = joined.latin1Slice(0, end)
      next = at + end + 4 - had
      this.#head = null
    }
    const status = Number(text.slice(9, 12))
    if (!text.startsWith('HTTP/1.') || !(status >= 100)) return -1
    if (status < 200) return next
    this.#keepAlive = !CLOSE.test(text) && !text.startsWith('HTTP/1.0')
    this.#left = 0
    this.#sizeDigits = 0
    if (CHUNKED.test(text)) this.#state = 'size'
    else {
      const declared = CONTENT_LENGTH.exec(text)
      this.#state = declared === null ? 'until-close' : 'length'
      this.#left = declared === null ? 0 : Number(declared[1])
    }
    this.#events.head(status)
    if (this.#state === 'length' && this.#left === 0) this.#finish()
    return next
  }

  #finish(): void {
    this.#state = 'head'
    this.#events.end(this.#keepAlive)
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
