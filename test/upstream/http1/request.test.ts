import assert from 'node:assert/strict'
import { test } from 'node:test'
import { composeRequest, encodePath, Http1Head } from '../../../src/upstream/http1/request.ts'

const head = (headers: [string, string][], method = 'GET'): string =>
  new Http1Head('api.test:8443', method, '/v1', headers).bytes.toString('latin1')

test('a prepared head has a Host, unless the target brings its own', () => {
  assert.equal(head([['a', 'b']]), 'GET /v1 HTTP/1.1\r\nhost: api.test:8443\r\na: b\r\n')
  assert.equal(head([['host', 'front.test']]), 'GET /v1 HTTP/1.1\r\nhost: front.test\r\n')
  assert.equal(head([['a', '']]), 'GET /v1 HTTP/1.1\r\nhost: api.test:8443\r\na: \r\n')
})

test('a header that would leave its line is refused, and the message keeps the value to itself', () => {
  for (const value of ['secret\r\nx: y', 'secret\n', 'secret\0', 'secret\u{1f511}']) {
    assert.throws(
      () => head([['authorization', value]]),
      (error: Error) => error.message.includes('authorization') && !error.message.includes('secret'),
    )
  }
  for (const name of ['', 'a b', 'a:', 'A', 'é', 'a\r\n']) assert.throws(() => head([[name, 'x']]), /not a header name/)
  assert.throws(() => head([], 'GET /'), /method/)
})

test('framing and persistence headers are the transport’s', () => {
  for (const name of ['content-length', 'transfer-encoding', 'connection', 'expect', 'upgrade']) {
    assert.throws(() => head([[name, '1']]), /set by the transport/)
  }
})

test('a path can’t leave the request line', () => {
  assert.equal(encodePath('/v1/models/a%20b?x=y&z'), '/v1/models/a%20b?x=y&z')
  assert.equal(encodePath('/v1/a b\r\nx: y'), '/v1/a%20b%0D%0Ax:%20y')
  assert.equal(encodePath('/é\u{1f511}\ud800'), '/%C3%A9%F0%9F%94%91%EF%BF%BD')
  assert.equal(encodePath(''), '/')
})

const traceId = '0123456789abcdef0123456789abcdef'
const spanId = 'fedcba9876543210'

function composed(
  request: { trace: boolean | null; body: string | null; extraHeaders?: string },
  ownBytes: number,
): string {
  const prepared = new Http1Head('api.test', 'POST', '/v1', [['a', 'b']])
  const trace = request.trace === null ? null : { traceId, parentSpanId: '', sampled: request.trace }
  const body = request.body === null ? null : Buffer.from(request.body)
  const limits = { maxBodyBytes: 0, firstByteTimeoutMs: 0, idleTimeoutMs: 0, totalTimeoutMs: 0 }
  const all = { head: prepared, trace, spanId, body, extraHeaders: request.extraHeaders ?? '', ...limits }
  const first = composeRequest(prepared, all, Buffer.alloc(ownBytes, 0x7a)).latin1Slice()
  // What one request leaves in the prepared head or in memory used before must not show in the next.
  assert.equal(composeRequest(prepared, all, Buffer.alloc(ownBytes, 0x79)).latin1Slice(), first)
  return first
}

test('a request is its head, its own lines and its body, in memory of its own or in what is given', () => {
  const start = 'POST /v1 HTTP/1.1\r\nhost: api.test\r\na: b\r\n'
  const traceparent = (flags: string): string => `traceparent: 00-${traceId}-${spanId}-${flags}\r\n`
  for (const own of [0, 100, 4096]) {
    assert.equal(composed({ trace: null, body: null }, own), `${start}\r\n`)
    assert.equal(composed({ trace: null, body: '{}' }, own), `${start}content-length: 2\r\n\r\n{}`)
    assert.equal(composed({ trace: true, body: null }, own), `${start}${traceparent('01')}\r\n`)
    assert.equal(
      composed({ trace: false, body: 'x'.repeat(10) }, own),
      `${start}${traceparent('00')}content-length: 10\r\n\r\n${'x'.repeat(10)}`,
    )
    assert.equal(
      composed({ trace: true, body: '', extraHeaders: 'c: é\r\n' }, own),
      `${start}${traceparent('01')}content-length: 0\r\nc: é\r\n\r\n`,
    )
  }
})
