import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstream } from '../../src/upstream/index.ts'
import type { Origin, OriginOptions } from '../../src/upstream/upstream.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { assertFailed, originDefaults, send, start, until } from './collect.ts'

test('equal options share a pool, different ones do not', () => {
  const upstream = createUpstream()
  const options = { ...originDefaults, url: 'https://a.test', tls: { ca: ['x'], servername: 'b' } }
  const reordered = Object.fromEntries(Object.entries({ ...options, tls: { servername: 'b', ca: ['x'] } }).reverse())
  assert.equal(upstream.origin(options), upstream.origin(reordered as unknown as OriginOptions))
  assert.notEqual(upstream.origin(options), upstream.origin({ ...options, url: 'https://b.test' }))
  assert.notEqual(upstream.origin(options), upstream.origin({ ...options, http2: true }))
  assert.notEqual(upstream.origin(options), upstream.origin({ ...options, tls: { ca: ['y'], servername: 'b' } }))
})

test('local urls are answered by whoever was given, or refused', () => {
  const local = { url: '' } as Origin
  const upstream = createUpstream({ local: id => ({ ...local, url: `local:${id}` }) })
  assert.equal(upstream.origin({ ...originDefaults, url: 'local:demo' }).url, 'local:demo')
  assert.throws(() => createUpstream().origin({ ...originDefaults, url: 'local:demo' }), /no local origins/)
})

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

for (const http2 of [false, true]) {
  const transport = http2 ? 'undici' : 'http1'

  test(`${transport}: closing lets calls under way end, closes what is idle and takes no more`, async t => {
    const server = await startRawUpstream(t, {
      onRequest: (c, request) => {
        if (!request.head.startsWith('GET /held')) c.write(ok)
      },
    })
    const upstream = createUpstream()
    const origin = upstream.origin({ ...originDefaults, ...server, http2 })
    const held = start(origin, { path: '/held' })
    await send(origin)
    await until(() => server.requests.length === 2, 'both came')
    const closed = upstream.close(60_000)
    assertFailed(await send(origin), 'upstream_unreachable', /being closed/)
    const index = server.requests.findIndex(({ head }) => head.startsWith('GET /held'))
    server.connections[server.connections.length === 1 ? 0 : index].write(ok)
    assert.equal((await held.outcome).result, 'end')
    await closed
    await until(() => server.openCount() === 0, 'all connections are closed')
  })

  test(`${transport}: closing cuts what takes longer than the grace`, async t => {
    const server = await startRawUpstream(t, {})
    const upstream = createUpstream()
    const origin = upstream.origin({ ...originDefaults, ...server, http2, maxConnections: 1 })
    const [held, queued] = [start(origin), start(origin)]
    await until(() => held.sofar.sent === 1, 'the first was sent')
    await upstream.close(1)
    assertFailed(await held.outcome, 'upstream_error', /shutting down/)
    assertFailed(await queued.outcome, 'upstream_error', /shutting down/)
    await until(() => server.openCount() === 0, 'all connections are closed')
  })
}
