import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodePath, Http1Head } from '../../../src/upstream/http1/request.ts'

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
