import { CR, isText, isToken, isVisible, LF } from '../../wire/characters.ts'
import type { PreparedHead, UpstreamRequest } from '../upstream.ts'

/** A request head up to the headers that differ between requests, as bytes. */
export class Http1Head implements PreparedHead {
  readonly method: string
  readonly path: string
  readonly bytes: Buffer

  constructor(host: string, method: string, path: string, headers: readonly (readonly [string, string])[]) {
    checkHeaders(method, headers)
    this.method = method
    this.path = encodePath(path)
    const fields = headers.some(([name]) => name === 'host') ? headers : [['host', host] as const, ...headers]
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    this.bytes = Buffer.from(`${method} ${this.path} HTTP/1.1\r\n${lines}`, 'latin1')
  }
}

/** Framing and persistence are the transport's business. */
const reserved = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Runs when a target is compiled: a header that would break a request out of its frame is refused there, by throwing. */
export function checkHeaders(method: string, headers: readonly (readonly [string, string])[]): void {
  if (!consistsOf(isToken, method)) throw new TypeError('the method of a request is not a token')
  for (const [name, value] of headers) {
    if (!consistsOf(isToken, name) || name !== name.toLowerCase())
      throw new TypeError(`not a header name: ${JSON.stringify(name)}`)
    if (reserved.has(name)) throw new TypeError(`the header ${name} is set by the transport`)
    // The value may be a secret: it stays out of the message.
    if (value !== '' && !consistsOf(isText, value))
      throw new TypeError(`the value of the header ${name} has forbidden characters`)
  }
}

function consistsOf(table: Uint8Array, text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 255 || table[code] === 0) return false
  }
  return text !== ''
}

/** Model ids end up in paths; what can't stand in a request line is percent-encoded, so a path can't break out of it. */
export function encodePath(path: string): string {
  if (path === '') return '/'
  if (consistsOf(isVisible, path)) return path
  return path.replace(/[^\x21-\x7e]+/g, part => encodeURIComponent(Buffer.from(part).toString())) // lone surrogates become U+FFFD
}

/**
 * The whole request in one piece: one write. It goes into `own`, which is returned cut to its length, or into memory of
 * its own when it does not fit.
 */
export function composeRequest(head: Http1Head, request: UpstreamRequest, own: Buffer): Buffer {
  const { body, extraHeaders } = request
  const { bytes } = head
  const rest = body === null ? extraHeaders : `content-length: ${body.length}\r\n${extraHeaders}`
  const bodyAt = bytes.length + rest.length + 2
  const length = bodyAt + (body === null ? 0 : body.length)
  const composed = length <= own.length ? own : Buffer.allocUnsafe(length)
  composed.set(bytes, 0)
  composed.latin1Write(rest, bytes.length)
  composed[bodyAt - 2] = CR
  composed[bodyAt - 1] = LF
  if (body !== null) composed.set(body, bodyAt)
  return composed.length === length ? composed : composed.subarray(0, length)
}
