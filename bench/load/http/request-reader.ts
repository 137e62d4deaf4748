/** What the mock and the relay need to know of one request. `bytes` is only valid during the callback. */
export interface RawRequest {
  /** Request line and headers, without the blank line. */
  readonly head: string
  /** The whole request as it came: head, blank line, body. */
  readonly bytes: Buffer
  readonly start: number
  readonly bodyStart: number
  readonly end: number
  readonly closeAfter: boolean
}

const BLANK_LINE = Buffer.from('\r\n\r\n')
const CONTENT_LENGTH = /\r\ncontent-length:[ \t]*(\d+)/i
const CHUNKED = /\r\ntransfer-encoding:[ \t]*chunked/i
const CLOSE = /\r\nconnection:[ \t]*close/i
const MAX_REQUEST_BYTES = 64 * 1024 * 1024

interface Framing {
  length: number
  chunked: boolean
  closeAfter: boolean
}

/**
 * Cuts a byte stream into requests: just enough HTTP/1.1 for clients we start ourselves, and lenient where a gateway must
 * not be. Most heads on a kept-alive connection repeat byte for byte, so the last one's framing is remembered.
 */
export class RequestReader {
  readonly #deliver: (request: RawRequest) => void
  #pending: Buffer | null = null
  #pendingLength = 0
  /** Bytes the pending request needs before it is worth looking again. */
  #wanted = 0
  #lastHead = ''
  #lastFraming: Framing = { length: 0, chunked: false, closeAfter: false }

  constructor(deliver: (request: RawRequest) => void) {
    this.#deliver = deliver
  }

  /** Takes `bytes[0, length)`. False: not HTTP we understand; the connection should be cut. */
  feed(bytes: Buffer, length: number): boolean {
    if (this.#pending === null) return this.#read(bytes, length)
    const needed = this.#pendingLength + length
    if (needed > MAX_REQUEST_BYTES) return false
    if (needed > this.#pending.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#wanted, this.#pending.length * 2))
      this.#pending.copy(grown, 0, 0, this.#pendingLength)
      this.#pending = grown
    }
    bytes.copy(this.#pending, this.#pendingLength, 0, length)
    this.#pendingLength = needed
    if (needed < this.#wanted) return true
    const whole = this.#pending
    this.#pending = null
    return this.#read(whole, needed)
  }

  #read(bytes: Buffer, length: number): boolean {
    let start = 0
    while (start < length) {
      const headEnd = bytes.indexOf(BLANK_LINE, start)
      if (headEnd === -1 || headEnd >= length) return this.#keep(bytes, start, length, 0)
      const head = bytes.latin1Slice(start, headEnd)
      const framing = head === this.#lastHead ? this.#lastFraming : this.#readFraming(head)
      const bodyStart = headEnd + 4
      let end = bodyStart + framing.length
      if (framing.chunked) {
        end = endOfChunks(bytes, bodyStart, length)
        if (end === -1) return this.#keep(bytes, start, length, 0)
        if (end === -2) return false
      }
      if (end > length) return this.#keep(bytes, start, length, end - start)
      this.#deliver({ head, bytes, start, bodyStart, end, closeAfter: framing.closeAfter })
      start = end
    }
    return true
  }

  #readFraming(head: string): Framing {
    const chunked = CHUNKED.test(head)
    this.#lastHead = head
    this.#lastFraming = {
      length: chunked ? 0 : Number(CONTENT_LENGTH.exec(head)?.[1] ?? 0),
      chunked,
      closeAfter: CLOSE.test(head) || head.includes(' HTTP/1.0\r\n'),
    }
    return this.#lastFraming
  }

  #keep(bytes: Buffer, start: number, end: number, wanted: number): boolean {
    if (wanted > MAX_REQUEST_BYTES) return false
    const size = end - start
    const copy = Buffer.allocUnsafe(Math.max(size, wanted))
    bytes.copy(copy, 0, start, end)
    this.#pending = copy
    this.#pendingLength = size
    this.#wanted = wanted
    return true
  }
}

/** Where a chunked body ends; -1: not here yet, -2: malformed. Looks from the start again each time: bodies here are small. */
function endOfChunks(bytes: Buffer, from: number, limit: number): number {
  let at = from
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1')
    if (lineEnd === -1 || lineEnd >= limit) return -1
    const size = Number.parseInt(bytes.latin1Slice(at, lineEnd), 16)
    if (Number.isNaN(size)) return -2
    at = lineEnd + 2 + size + 2
    if (at > limit) return -1
    if (size === 0) return at
  }
}

/** The bytes of a body, chunk framing removed. */
export function bodyOf(request: RawRequest): Buffer {
  const raw = request.bytes.subarray(request.bodyStart, request.end)
  if (!CHUNKED.test(request.head)) return raw
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at, 'latin1')
    const size = Number.parseInt(raw.latin1Slice(at, lineEnd), 16)
    if (size === 0) return Buffer.concat(parts)
    parts.push(raw.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}
