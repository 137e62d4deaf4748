import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardedHeaders } from '../../src/core/incoming.ts'
import type { RequestHead } from '../../src/downstream/engine.ts'
import { encodeRequestMeta, RequestMeta } from '../../src/link/request-meta.ts'

const head = (method: string, target: string, headers: Readonly<Record<string, string>>): RequestHead => ({
  method,
  target,
  remoteAddress: '',
  bodyLength: 0,
  header: name => headers[name] ?? '',
  forwarded: forwardedHeaders.map(name => headers[name] ?? ''),
})

test('every header comes back by its name, alone and with all the others', () => {
  const all = Object.fromEntries(forwardedHeaders.map((name, i) => [name, `value ${i} Aé`]))
  const sets = [{}, all, ...forwardedHeaders.map(name => ({ [name]: `only ${name}` }))]
  // In turns, as what one request leaves behind must not show in the next.
  for (const headers of [...sets, ...sets.toReversed()]) {
    const meta = new RequestMeta(encodeRequestMeta(head('PATCH', '/v1/files/é?x=1', headers), '10.0.0.7'))
    assert.deepEqual([meta.method, meta.target, meta.remote], ['PATCH', '/v1/files/é?x=1', '10.0.0.7'])
    for (const name of forwardedHeaders)
      assert.equal(meta.header(name), (headers as Record<string, string>)[name] ?? '')
  }
})

test('a value that looks like another header’s line is not taken for it', () => {
  const meta = new RequestMeta(encodeRequestMeta(head('GET', '/v1/models', { 'user-agent': 'B C A' }), 'A'))
  assert.equal(meta.header('content-type'), '')
  assert.equal(meta.header('user-agent'), 'B C A')
})

test('the hot path carries the common headers only', () => {
  const headers = { authorization: 'Bearer x', 'api-key': 'k' }
  const meta = new RequestMeta(encodeRequestMeta(head('POST', '/v1/chat/completions', headers), ''))
  assert.equal(meta.header('authorization'), 'Bearer x')
  assert.equal(meta.header('api-key'), '')
  assert.equal(meta.remote, '')
})
