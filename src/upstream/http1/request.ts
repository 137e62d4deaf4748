import { bufferPool } from '../../core/buffer-pool.ts'
import { copyInto } from '../../core/copy-bytes.ts'
import { formatTraceparent } from '../../core/trace.ts'
import { decimalLength, writeDecimal, writeText } from '../../core/write-bytes.ts'
import { CR, isText, isToken, isVisible, LF } from '../../wire/characters.ts'
import type { PreparedHead, UpstreamRequest } from '../upstream.ts'

/** What a request with a trace and a body goes on with; zeros stand where each has its own. */
const traceLine = 'traceparent: 00-'
const emptyTrace = `${traceLine}${'0'.repeat(32)}-${'0'.repeat(16)}-01\r\n`
const lengthLine = 'content-length: '

/** A request head up to the headers that differ between requests, as bytes. */
export class Http1Head implements PreparedHead {
  readonly method: string
  readonly path: string
  readonly bytes: Buffer
  /** The same with a `traceparent` to be filled in, up to the length of the body. */
  readonly traced: Buffer
  /** Where in `traced` the trace id, the span id and the last of the flags stand. */
  readonly traceAt: number
  readonly spanAt: number
  readonly flagAt: number

  constructor(host: string, method: string, path: string, headers: readonly (readonly [string, string])[]) {
    checkHeaders(method, headers)
    this.method = method
    this.path = encodePath(path)
    const fields = headers.some(([name]) => name === 'host') ? headers : [['host', host] as const, ...headers]
    const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    this.bytes = Buffer.from(`${method} ${this.path} HTTP/1.1\r\n${lines}`, 'latin1')
    this.traced = Buffer.concat([this.bytes, Buffer.from(emptyTrace + lengthLine)])
    this.traceAt = this.bytes.length + traceLine.length
    this.spanAt = this.traceAt + 33
    this.flagAt = this.spanAt + 18
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
 * the pool when it does not fit.
 */
export function composeRequest(head: Http1Head, request: UpstreamRequest, own: Buffer): Buffer {
  const { body, extraHeaders, trace, spanId } = request
  if (body === null || trace === null) return composeOther(head, request, own)
  const { traced } = head
  const length = traced.length + decimalLength(body.length) + 2 + extraHeaders.length + 2 + body.length
  const composed = length <= own.length ? own : bufferPool.take(length)
  composed.set(traced, 0)
  writeText(composed, head.traceAt, trace.traceId)
  writeText(composed, head.spanAt, spanId)
  if (!trace.sampled) composed[head.flagAt] = 0x30
  let at = writeLineEnd(composed, writeDecimal(composed, traced.length, body.length))
  if (extraHeaders !== '') at += composed.latin1Write(extraHeaders, at)
  copyInto(composed, writeLineEnd(composed, at), body)
  return composed.length === length ? composed : composed.subarray(0, length)
}

/** One without a body, or without a trace. */
function composeOther(head: Http1Head, { body, extraHeaders, trace, spanId }: UpstreamRequest, own: Buffer): Buffer {
  const { bytes } = head
  const traceparent =
    trace === null ? '' : `traceparent: ${formatTraceparent(trace.traceId, spanId, trace.sampled)}\r\n`
  const framing = body === null ? '' : `${lengthLine}${body.length}\r\n`
  const rest = `${traceparent}${framing}${extraHeaders}`
  const length = bytes.length + rest.length + 2 + (body === null ? 0 : body.length)
  const composed = length <= own.length ? own : bufferPool.take(length)
  composed.set(bytes, 0)
  const bodyAt = writeLineEnd(composed, bytes.length + composed.latin1Write(rest, bytes.length))
  if (body !== null) copyInto(composed, bodyAt, body)
  return composed.length === length ? composed : composed.subarray(0, length)
}

function writeLineEnd(bytes: Buffer, at: number): number {
  bytes[at] = CR
  bytes[at + 1] = LF
  return at + 2
}
