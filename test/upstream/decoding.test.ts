import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { contentCoding } from '../../src/upstream/decoding.ts'
import { type RawConnection, startRawUpstream } from '../support/raw-upstream.ts'
import { assertFailed, openOrigin, send, start, until } from './collect.ts'

const text = 'What is compressed arrives as it was. '.repeat(40)

const codings: [name: string, bytes: Buffer][] = [
  ['gzip', gzipSync(text)],
  ['X-GZIP', gzipSync(text)],
  ['br', brotliCompressSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
]

const answer = (coding: string, body: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 200 OK\r\nx-kept: yes\r\ncontent-encoding: ${coding}\r\ncontent-length: ${body.length}\r\n\r\n`,
    ),
    body,
  ])

const chunked = (coding: string, body: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\ntransfer-encoding: chunked\r\n\r\n`),
    ...[body.subarray(0, 10), body.subarray(10)].flatMap(part => [
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from('\r\n'),
    ]),
    Buffer.from('0\r\n\r\n'),
  ])

for (const http2 of [false, true]) {
  const transport = http2 ? 'undici' : 'http1'

  test(`${transport}: each coding is undone, and the headers that described it are hidden`, async t => {
    for (const [coding, bytes] of codings) {
      for (const [frame, cuts] of [
        [answer, []],
        [answer, [60, 120, 140, 150]],
        [chunked, []],
        [chunked, [100, 130, 131]],
      ] as const) {
        const upstream = await startRawUpstream(t, { onRequest: c => void c.writeCut(frame(coding, bytes), cuts) })
        const outcome = await send(openOrigin(t, { ...upstream, http2 }))
        assert.equal(outcome.result, 'end', outcome.cause)
        assert.equal(outcome.body.toString(), text)
        assert.equal(outcome.headers?.get('content-encoding'), '')
        assert.equal(outcome.headers?.get('content-length'), '')
        assert.equal(outcome.headers?.contentLength, -1)
        assert.equal(outcome.headers?.get('x-kept'), frame === answer ? 'yes' : '')
      }
    }
  })

  test(`${transport}: a truncated coding is a failure`, async t => {
    for (const [coding, bytes] of codings) {
      for (const length of [1, bytes.length >> 1, bytes.length - 1]) {
        const upstream = await startRawUpstream(t, {
          onRequest: c => c.write(answer(coding, bytes.subarray(0, length))),
        })
        const outcome = await send(openOrigin(t, { ...upstream, http2 }))
        assertFailed(outcome, 'upstream_error', /gzip|br|deflate/)
      }
    }
  })

  test(`${transport}: data after the end of a coding is a failure, in the same read or later`, async t => {
    for (const [coding, bytes] of codings) {
      for (const garbage of ['x', '\0', 'garbage'.repeat(100)]) {
        for (const isLater of [false, true]) {
          const bad = answer(coding, Buffer.concat([bytes, Buffer.from(garbage)]))
          const cuts = isLater ? [bad.length - garbage.length] : []
          const upstream = await startRawUpstream(t, { onRequest: c => void c.writeCut(bad, cuts) })
          assertFailed(await send(openOrigin(t, { ...upstream, http2 })), 'upstream_error', /gzip|br|deflate/)
        }
      }
    }
  })

  test(`${transport}: the limit is on what comes out`, async t => {
    const bomb = gzipSync(Buffer.alloc(32 << 20))
    const upstream = await startRawUpstream(t, { onRequest: c => c.write(answer('gzip', bomb)) })
    const outcome = await send(openOrigin(t, { ...upstream, http2 }), { maxBodyBytes: 1 << 20 })
    assertFailed(outcome, 'upstream_error', /longer than 1048576 bytes/)
    assert.ok(outcome.body.length <= 1 << 20)
  })

  test(`${transport}: a coding we don't speak is a failure, not a body of noise`, async t => {
    for (const coding of ['zstd', 'gzip, br', 'constructor']) {
      const upstream = await startRawUpstream(t, { onRequest: c => c.write(answer(coding, Buffer.from('noise'))) })
      assertFailed(await send(openOrigin(t, { ...upstream, http2 })), 'upstream_error', /content coding/)
    }
  })

  test(`${transport}: identity and an empty body need no decoder`, async t => {
    for (const [coding, body] of [
      ['identity', 'plain'],
      ['gzip', ''],
    ]) {
      const upstream = await startRawUpstream(t, { onRequest: c => c.write(answer(coding, Buffer.from(body))) })
      const outcome = await send(openOrigin(t, { ...upstream, http2 }))
      assert.deepEqual([outcome.result, outcome.body.toString()], ['end', body])
    }
  })
}

test('codings are named without regard to case', () => {
  assert.equal(contentCoding('GZip'), 'gzip')
  assert.equal(contentCoding(' br '), 'br')
  assert.equal(contentCoding(''), null)
  assert.equal(contentCoding('__proto__'), 'unknown')
})

test('a paused call inflates nothing more and holds its upstream back', async t => {
  const size = 64 << 20
  const noise = Buffer.alloc(size / 16)
  for (let at = 0; at < noise.length; at++) noise[at] = (at * 2654435761) >>> 13
  const body = gzipSync(Buffer.concat(Array.from({ length: 16 }, () => noise)), { level: 1 })
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(answer('gzip', body)) })
  const origin = openOrigin(t, upstream)
  let received = 0
  const started = start(origin, {
    maxBodyBytes: size,
    on: (event, call) => {
      if (event === 'data' && received++ === 0) call.pause()
    },
  })
  await until(() => received > 0, 'inflating has begun')
  for (let turns = 0; turns < 50; turns++) await new Promise(resolve => setImmediate(resolve))
  assert.ok(received < 8, `${received} chunks came after the pause`)
  started.call.resume()
  const outcome = await started.outcome
  assert.deepEqual([outcome.result, outcome.body.length], ['end', size], outcome.cause)
})

test('the headers of a decoded answer outlive the reuse of its connection', async t => {
  const gate: RawConnection[] = []
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      if (upstream.requests.length === 1) c.write(answer('gzip', gzipSync(text)))
      else {
        gate.push(c)
        c.write('HTTP/1.1 201 Created\r\nx-kept: other\r\ncontent-length: 0\r\n\r\n')
      }
    },
  })
  const origin = openOrigin(t, upstream)
  const first = start(origin)
  await until(() => first.sofar.status === 200, 'the first head came')
  const second = await send(origin)
  await first.outcome
  assert.equal(second.status, 201)
  assert.equal(origin.stats().opened, 1)
  assert.equal(first.sofar.headers?.get('x-kept'), 'yes')
})
