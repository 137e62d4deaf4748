import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { type RawConnection, startRawUpstream } from '../support/raw-upstream.ts'
import { localhostCertificate, testCa } from '../support/tls-fixtures.ts'
import { assertFailed, openOrigin, send, start, until } from './collect.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

async function startHttp2(t: TestContext, onServer: (server: Http2SecureServer) => void): Promise<string> {
  const server = createSecureServer({ ...localhostCertificate, allowHTTP1: false })
  onServer(server)
  const sockets = new Set<{ destroy(): void }>()
  server.on('secureConnection', socket => sockets.add(socket))
  server.on('sessionError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('an origin that offers HTTP/2 is spoken to in HTTP/2, body and headers included', async t => {
  const seen: string[] = []
  const url = await startHttp2(t, server =>
    server.on('stream', (stream, headers) => {
      let body = ''
      stream.on('data', piece => (body += piece))
      stream.on('end', () => {
        seen.push(`${headers[':method']} ${headers[':path']} ${headers['x-a']} ${headers['x-b']} ${body}`)
        stream.respond({ ':status': 201, 'x-answer': ['1', '2'], 'content-type': 'text/plain' })
        stream.end('hello')
      })
    }),
  )
  const origin = openOrigin(t, { url, http2: true, tls: { ca: [testCa] } })
  const outcome = await send(origin, {
    method: 'POST',
    path: '/v1/x?y',
    headers: [['x-a', '1']],
    extraHeaders: 'x-b: 2\r\n',
    body: Buffer.from('body'),
  })
  assert.equal(outcome.result, 'end', outcome.cause)
  assert.deepEqual([outcome.status, outcome.body.toString()], [201, 'hello'])
  assert.equal(outcome.headers?.get('x-answer'), '1, 2')
  assert.equal(outcome.headers?.get('toString'), '')
  assert.deepEqual(seen, ['POST /v1/x?y 1 2 body'])
})

test('an upload over HTTP/2 arrives whole, of known length and of unknown', async t => {
  const seen: string[] = []
  const url = await startHttp2(t, server =>
    server.on('stream', (stream, headers) => {
      let bytes = 0
      stream.on('data', (piece: Buffer) => (bytes += piece.length))
      stream.on('end', () => {
        seen.push(`${headers['content-length'] ?? 'unknown'} ${bytes}`)
        stream.respond({ ':status': 200 })
        stream.end('ok')
      })
    }),
  )
  const origin = openOrigin(t, { url, http2: true, tls: { ca: [testCa] } })
  const total = 1 << 20
  for (const uploadBytes of [total, -1]) {
    const { call, outcome } = start(origin, { method: 'POST', uploadBytes })
    for (let sent = 0; sent < total; sent += 64 << 10) call.write(Buffer.alloc(64 << 10))
    call.end()
    const { result, cause, body } = await outcome
    assert.deepEqual([result, cause, body.toString()], ['end', '', 'ok'])
  }
  assert.equal(seen[0], `${total} ${total}`)
  assert.match(seen[1]!, new RegExp(` ${total}$`))
})

for (const [how, cut] of [
  ['a reset HTTP/2 stream', stream => stream.destroy(new Error('reset'))],
  ['a cancelled HTTP/2 stream', stream => stream.session?.destroy(undefined, 8)],
  ['a lost HTTP/2 connection', (_stream, socket) => socket.destroy()],
] as [string, (stream: ServerHttp2Stream, socket: TLSSocket) => void][]) {
  test(`${how} is a failure, not a short answer`, async t => {
    let socket: TLSSocket
    const url = await startHttp2(t, server => {
      server.on('secureConnection', accepted => {
        socket = accepted
      })
      server.on('stream', stream => {
        stream.on('error', () => undefined)
        stream.respond({ ':status': 200 })
        stream.write('half', () => setImmediate(() => cut(stream, socket)))
      })
    })
    const outcome = await send(openOrigin(t, { url, http2: true, tls: { ca: [testCa] } }))
    assert.equal(outcome.result, 'upstream_error')
  })
}

test('an origin that offers only HTTP/1.1 still works when HTTP/2 is wanted', async t => {
  const upstream = await startRawUpstream(t, { tls: localhostCertificate, onRequest: c => c.write(ok) })
  const outcome = await send(openOrigin(t, { ...upstream, http2: true, tls: { ca: [testCa] } }))
  assert.deepEqual([outcome.result, outcome.body.toString()], ['end', 'ok'], outcome.cause)
})

async function startProxy(t: TestContext, status = 200): Promise<{ url: string; connects: string[] }> {
  const connects: string[] = []
  const open = new Set<{ destroy(): void }>()
  const server = createServer(client => {
    open.add(client)
    client.on('error', () => undefined)
    client.once('data', head => {
      connects.push(head.toString('latin1'))
      const target = /^CONNECT ([^: ]+):(\d+) /.exec(connects[connects.length - 1])
      if (target === null || status !== 200) return client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
      const upstream = connect(Number(target[2]), target[1], () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        client.pipe(upstream).pipe(client)
      })
      open.add(upstream)
      upstream.on('error', () => client.destroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { url: `http://user:p%40ss@127.0.0.1:${(server.address() as AddressInfo).port}`, connects }
}

test('a proxied origin is reached through a tunnel, with the proxy’s credentials for the proxy only', async t => {
  const upstream = await startRawUpstream(t, { tls: localhostCertificate, onRequest: c => c.write(ok) })
  const proxy = await startProxy(t)
  const outcome = await send(openOrigin(t, { ...upstream, proxy: proxy.url, tls: { ca: [testCa] } }), {
    headers: [['authorization', 'Bearer secret']],
  })
  assert.deepEqual([outcome.result, outcome.body.toString()], ['end', 'ok'], outcome.cause)
  assert.equal(proxy.connects.length, 1)
  assert.ok(proxy.connects[0].startsWith(`CONNECT 127.0.0.1:${upstream.port} `))
  assert.match(proxy.connects[0], new RegExp(`basic ${Buffer.from('user:p@ss').toString('base64')}`, 'i'))
  assert.doesNotMatch(proxy.connects[0], /secret/)
  assert.doesNotMatch(upstream.requests[0].head, /proxy/i)
})

test('a proxy that says no, or is away, makes the origin unreachable', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const refusing = await startProxy(t, 407)
  const outcome = await send(openOrigin(t, { ...upstream, proxy: refusing.url }))
  assertFailed(outcome, 'upstream_unreachable', /407/)
  assert.equal(outcome.sent, 0)
  assertFailed(
    await send(openOrigin(t, { ...upstream, proxy: 'http://127.0.0.1:1' })),
    'upstream_unreachable',
    /ECONNREFUSED/,
  )
  assertFailed(await send(openOrigin(t, { ...upstream, proxy: 'nonsense' })), 'upstream_unreachable', /./)
  assert.equal(upstream.requests.length, 0)
})

test('redirects are answers, not orders', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => c.write('HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n'),
  })
  const outcome = await send(openOrigin(t, { ...upstream, http2: true }))
  assert.deepEqual([outcome.status, outcome.headers?.get('location')], [302, '/elsewhere'])
  assert.equal(upstream.requests.length, 1)
})

test('undici: cancel closes the connection, and nothing comes after it', async t => {
  let used: RawConnection | null = null
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      used = c
      c.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')
    },
  })
  const origin = openOrigin(t, { ...upstream, http2: true })
  for (const phase of ['loading', 'head', 'data'] as const) {
    let last = ''
    const started = start(origin, {
      on: (event, call) => {
        assert.notEqual(last, phase, 'nothing comes after cancel')
        last = event
        if (event === phase) call.cancel()
      },
    })
    if (phase === 'loading') started.call.cancel()
    else await until(() => last === phase, `${phase} came`)
    await until(() => used === null || used.socket.destroyed, 'the upstream saw it close')
  }
  assert.equal(upstream.requests.length, 2)
  assert.equal(origin.stats().queued, 0)
})

test('undici: deadlines and limits are those of every call', async t => {
  const silent = await startRawUpstream(t, {})
  assertFailed(
    await send(openOrigin(t, { ...silent, http2: true }), { firstByteTimeoutMs: 60 }),
    'upstream_timeout',
    /no response within 60 ms/,
  )
  const stalling = await startRawUpstream(t, {
    onRequest: c => c.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'),
  })
  const origin = openOrigin(t, { ...stalling, http2: true })
  assertFailed(await send(origin, { idleTimeoutMs: 60 }), 'stream_timeout', /silent for 60 ms/)
  assertFailed(await send(origin, { totalTimeoutMs: 60 }), 'upstream_timeout', /longer than 60 ms/)
  assertFailed(await send(origin, { maxBodyBytes: 8 }), 'upstream_error', /longer than 8 bytes/)
})

test('undici: requests beyond connections and queue fail at once', async t => {
  const upstream = await startRawUpstream(t, {})
  const origin = openOrigin(t, { ...upstream, http2: true, maxConnections: 1, maxQueue: 1 })
  const first = start(origin)
  await until(() => first.sofar.sent === 1, 'the first was sent')
  const second = start(origin)
  assertFailed(await send(origin), 'provider_saturated', /1 requests are under way/)
  assert.deepEqual([origin.stats().queued, origin.stats().open], [1, 1])
  second.call.cancel()
  first.call.cancel()
})

test('undici: a paused call holds its upstream back and loses nothing', async t => {
  const size = 24 << 20
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      c.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
      c.write(Buffer.alloc(size, 'x'))
    },
  })
  const started = start(openOrigin(t, { ...upstream, http2: true }), {
    maxBodyBytes: size,
    on: (event, call) => event === 'head' && call.pause(),
  })
  await until(() => started.sofar.status === 200, 'the head came')
  await until(() => upstream.connections[0].socket.writableLength > 0, 'the upstream is held back')
  started.call.resume()
  const outcome = await started.outcome
  assert.deepEqual([outcome.result, outcome.body.length], ['end', size])
})
