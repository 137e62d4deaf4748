import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { UpstreamTls } from '../../../src/upstream/upstream.ts'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import { clientCertificate, elsewhereCertificate, localhostCertificate, testCa } from '../../support/tls-fixtures.ts'
import { assertFailed, openOrigin, send, until } from '../collect.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const closing = ok.replace('content', 'connection: close\r\ncontent')

for (const transport of ['http1', 'undici'] as const) {
  const http2 = transport === 'undici'

  test(`${transport}: a certificate of a CA that was added is trusted`, async t => {
    const upstream = await startRawUpstream(t, { tls: localhostCertificate, onRequest: c => c.write(ok) })
    for (const url of [upstream.url, `https://localhost:${upstream.port}`]) {
      const outcome = await send(openOrigin(t, { url, http2, tls: { ca: [testCa] } }))
      assert.deepEqual([outcome.result, outcome.body.toString()], ['end', 'ok'], outcome.cause)
    }
  })

  const refusals: [what: string, UpstreamTls | null, RegExp, typeof localhostCertificate][] = [
    ['an unknown CA', null, /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY/, localhostCertificate],
    ['another name', { ca: [testCa] }, /ERR_TLS_CERT_ALTNAME_INVALID/, elsewhereCertificate],
    [
      'a name other than the configured one',
      { ca: [testCa], servername: 'elsewhere.test' },
      /ALTNAME/,
      localhostCertificate,
    ],
    ['a CA that is no certificate', { ca: ['nonsense'] }, /./, localhostCertificate],
    ['a client key that is no key', { cert: clientCertificate.cert, key: 'nonsense' }, /./, localhostCertificate],
  ]
  for (const [what, tls, cause, certificate] of refusals) {
    test(`${transport}: ${what} makes an upstream unreachable, and nothing is sent`, async t => {
      const upstream = await startRawUpstream(t, { tls: certificate, onRequest: c => c.write(ok) })
      const origin = openOrigin(t, { ...upstream, http2, tls })
      const outcome = await send(origin)
      assertFailed(outcome, 'upstream_unreachable', cause)
      assert.equal(outcome.sent, 0)
      assert.equal(upstream.requests.length, 0)
      assert.equal(origin.stats().open, 0)
    })
  }

  test(`${transport}: servername is what is asked for and what is checked`, async t => {
    const names: unknown[] = []
    const upstream = await startRawUpstream(t, {
      tls: elsewhereCertificate,
      onConnection: c => names.push((c.socket as TLSSocket).servername),
      onRequest: c => c.write(ok),
    })
    const outcome = await send(
      openOrigin(t, { ...upstream, http2, tls: { ca: [testCa], servername: 'elsewhere.test' } }),
    )
    assert.equal(outcome.result, 'end', outcome.cause)
    assert.deepEqual(names, ['elsewhere.test'])
  })

  test(`${transport}: verification can be turned off`, async t => {
    const upstream = await startRawUpstream(t, { tls: elsewhereCertificate, onRequest: c => c.write(ok) })
    const outcome = await send(openOrigin(t, { ...upstream, http2, tls: { rejectUnauthorized: false } }))
    assert.equal(outcome.result, 'end', outcome.cause)
  })

  test(`${transport}: a client certificate is shown`, async t => {
    const upstream = await startRawUpstream(t, {
      tls: { ...localhostCertificate, ca: testCa, requestCert: true, rejectUnauthorized: true },
      onRequest: c => c.write(ok),
    })
    const trusted = await send(openOrigin(t, { ...upstream, http2, tls: { ca: [testCa], ...clientCertificate } }))
    assert.equal(trusted.result, 'end', trusted.cause)
    const anonymous = await send(openOrigin(t, { ...upstream, http2, tls: { ca: [testCa] } }))
    assert.notEqual(anonymous.result, 'end')
  })
}

test('the next connection resumes the TLS session of the last', async t => {
  const reused: boolean[] = []
  const upstream = await startRawUpstream(t, {
    tls: localhostCertificate,
    onConnection: c => reused.push((c.socket as TLSSocket).isSessionReused()),
    onRequest: c => c.write(closing),
  })
  const origin = openOrigin(t, { ...upstream, tls: { ca: [testCa] } })
  await send(origin)
  await until(() => upstream.openCount() === 0, 'the first connection is gone')
  assert.equal((await send(origin)).result, 'end')
  assert.deepEqual(reused, [false, true])
})

test('a long body passes through TLS in order, both ways', async t => {
  const answer = Buffer.from(Uint32Array.from({ length: 500_000 }, (_, index) => index).buffer)
  const upstream = await startRawUpstream(t, {
    tls: localhostCertificate,
    onRequest: (c, request) => {
      c.write(`HTTP/1.1 200 OK\r\ncontent-length: ${request.body.length}\r\n\r\n`)
      c.write(request.body)
    },
  })
  const origin = openOrigin(t, { ...upstream, tls: { ca: [testCa] } })
  const outcome = await send(origin, { method: 'POST', body: answer, maxBodyBytes: 4 << 20 })
  assert.equal(outcome.result, 'end')
  assert.ok(outcome.body.equals(answer))
  assert.equal(origin.stats().idle, 1)
})
