import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { FailureKind } from '../../core/failures.ts'
import { forwardedHeaders, placeOfHeader } from '../../core/incoming.ts'
import { addressText } from '../address.ts'
import type { RequestHead } from '../engine.ts'
import { isContinue, isHost, isKnownMethod, originForm } from '../requests.ts'

/** Bytes a header line takes beyond its name and value: `: ` and the line end. */
const lineOverhead = 4
/** Digits of 2^53 - 1. */
const maxLengthDigits = 16

/**
 * The head of the request being handled. There is one per engine, filled anew for each request: it is valid during
 * `onRequest` only. uWebSockets.js has split the lines and lower-cased the names; it accepts framings that two parties
 * could read differently, so those are looked for here, in the complete list of headers (`getHeader` shows only the
 * first of a name; and one pass costs less than asking for the eight headers that everybody needs).
 */
export class UwsHead implements RequestHead {
  method = ''
  target = ''
  bodyLength = 0
  /** Whether the head says how long the body is, be it 0. */
  isFramed = false

  #res: HttpResponse | null = null
  #count = 0
  #bytes = 0
  readonly #names: string[] = []
  readonly #values: string[] = []
  readonly forwarded: string[] = new Array(forwardedHeaders.length).fill('')
  readonly #collect = (name: string, value: string): void => {
    this.#names[this.#count] = name
    this.#values[this.#count++] = value
    this.#bytes += name.length + value.length + lineOverhead
    const place = placeOfHeader(name)
    if (place < 0) return
    const before = this.forwarded[place]
    this.forwarded[place] = before === '' ? value : `${before}, ${value}`
  }

  get remoteAddress(): string {
    return this.#res === null ? '' : addressText(new Uint8Array(this.#res.getRemoteAddress()))
  }

  header(name: string): string {
    let found = ''
    for (let index = 0; index < this.#count; index++) {
      if (this.#names[index] !== name) continue
      found = found === '' ? this.#values[index] : `${found}, ${this.#values[index]}`
    }
    return found
  }

  /** What is wrong with the request, or null. */
  read(res: HttpResponse, req: HttpRequest, maxHeadBytes: number): FailureKind | null {
    this.#res = res
    this.#count = 0
    this.#bytes = 0
    this.bodyLength = 0
    this.isFramed = false
    for (let place = 0; place < this.forwarded.length; place++) this.forwarded[place] = ''
    this.method = req.getCaseSensitiveMethod()
    // Declared as a string, but undefined without a `?`.
    const query = req.getQuery() as string | undefined
    const target = query === undefined || query === '' ? req.getUrl() : `${req.getUrl()}?${query}`
    req.forEach(this.#collect)
    if (this.method.length + target.length + this.#bytes > maxHeadBytes) return 'head_too_large'
    if (!isKnownMethod(this.method)) return 'unknown_method'
    this.target = originForm(this.method, target)
    return this.target === '' ? 'bad_http' : this.#checkFields()
  }

  /** Nothing of a request may be reached through a head that outlived its `onRequest`. */
  release(): void {
    this.#res = null
  }

  #checkFields(): FailureKind | null {
    let hosts = 0
    let lengths = 0
    let codings = 0
    let failure: FailureKind | null = null
    for (let index = 0; index < this.#count; index++) {
      const name = this.#names[index]
      // Four lengths rule out nearly every name without comparing characters.
      switch (name.length) {
        case 0:
          return 'bad_http'
        case 4:
          if (name === 'host' && (++hosts > 1 || !isHost(this.#values[index]))) failure ??= 'bad_http'
          break
        case 6:
          if (name === 'expect' && !isContinue(this.#values[index])) failure ??= 'expectation_failed'
          break
        case 14:
          if (name === 'content-length' && (++lengths > 1 || !this.#readLength(this.#values[index]))) return 'bad_http'
          break
        case 17:
          if (name === 'transfer-encoding' && ++codings > 1) return 'bad_http'
          break
      }
    }
    if (hosts === 0) return 'bad_http'
    this.isFramed = lengths + codings > 0
    if (codings > 0) {
      if (lengths > 0) return 'bad_http'
      if (this.header('transfer-encoding').toLowerCase() !== 'chunked') return 'unknown_coding'
      this.bodyLength = -1
    }
    return failure
  }

  #readLength(value: string): boolean {
    if (value === '' || value.length > maxLengthDigits) return false
    let length = 0
    for (let at = 0; at < value.length; at++) {
      const digit = value.charCodeAt(at) - 0x30
      if (digit < 0 || digit > 9) return false
      length = length * 10 + digit
    }
    this.bodyLength = length
    return length <= Number.MAX_SAFE_INTEGER
  }
}
