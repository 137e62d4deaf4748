import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import { assertFailed, openOrigin, send, start, until } from '../collect.ts'

const reply = (body: string, extra = ''): string =>
  `HTTP/1.1 200 OK\r\n${extra}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

test('a request leaves in one piece: prepared head, length, own headers, body', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply('ok')) })
  const origin = openOrigin(t, upstream)
  const shared = new Uint8Array(new SharedArrayBuffer(8))
  shared.set(Buffer.from('{"a":1}\n'))
  const sent = send(origin, {
    method: 'POST',
    path: '/v1/chat/completions?x=1',
    headers: [['authorization', 'Bearer s']],
    extraHeaders: 'x-request-id: 7\r\n',
    body: shared,
  })
  shared.fill(0) // only valid during `send`
  const outcome = await sent
  assert.equal(outcome.status, 200)
  assert.equal(outcome.body.toString(), 'ok')
  assert.deepEqual(upstream.requests, [
    {
      head: [
        'POST /v1/chat/completions?x=1 HTTP/1.1',
        `host: 127.0.0.1:${upstream.port}`,
        'authorization: Bearer s',
        'content-length: 8',
        'x-request-id: 7',
      ].join('\r\n'),
      body: Buffer.from('{"a":1}\n'),
    },
  ])
})

test('no body means no Content-Length, an empty body means Content-Length: 0', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply('')) })
  const origin = openOrigin(t, upstream)
  await send(origin, { method: 'GET', body: null })
  await send(origin, { method: 'POST', body: new Uint8Array(0) })
  assert.doesNotMatch(upstream.requests[0].head, /content-length/)
  assert.match(upstream.requests[1].head, /\r\ncontent-length: 0$/)
})

test('an answer that fits one read comes whole, also when it is chunked', async t => {
  const bodies = [
    reply('hello'),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n',
  ]
  for (const bytes of bodies) {
    const upstream = await startRawUpstream(t, { onRequest: c => c.write(bytes) })
    const outcome = await send(openOrigin(t, upstream))
    assert.equal(outcome.isWhole, true)
    assert.equal(outcome.body.toString(), 'hello')
    assert.equal(outcome.headers?.contentLength, bytes === bodies[0] ? 5 : -1)
  }
})

test('all chunks of one read are one run of bytes', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
      const events = '8\r\ndata: 1\n\r\n8\r\ndata: 2\n\r\n'
      void c.writeCut(Buffer.from(`${head + events}0\r\n\r\n`), [head.length, head.length + events.length])
    },
  })
  const outcome = await send(openOrigin(t, upstream))
  assert.equal(outcome.body.toString(), 'data: 1\ndata: 2\n')
  assert.equal(outcome.chunks, 1)
})

test('headers can be read until the last callback, whatever came in between', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      void c.writeCut(Buffer.from(reply('0123456789', 'X-One: 1\r\nx-two: a\r\nX-Two: b\r\n')), [20, 60, 75])
    },
  })
  const seen: string[] = []
  const started = start(openOrigin(t, upstream), {
    on: () => {
      const { headers } = started.sofar
      if (headers) seen.push(`${headers.get('x-one')} ${headers.get('x-two')} ${headers.get('x-three')}`)
    },
  })
  await started.outcome
  assert.ok(seen.length >= 3)
  assert.deepEqual([...new Set(seen)], ['1 a, b '])
})

test('HEAD, 204 and 304 have no body, whatever their headers say, and leave the connection usable', async t => {
  const heads = [
    'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n',
    'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\ncontent-encoding: gzip\r\n\r\n',
  ]
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(heads[c.served]) })
  const origin = openOrigin(t, upstream)
  for (const method of ['HEAD', 'GET', 'GET', 'GET']) {
    const outcome = await send(origin, { method })
    assert.deepEqual([outcome.result, outcome.isWhole, outcome.body.length], ['end', true, 0])
  }
  assert.equal(origin.stats().opened, 1)
})

test('a body without a length ends with the connection', async t => {
  for (const version of ['1.0', '1.1']) {
    const upstream = await startRawUpstream(t, {
      onRequest: c => {
        c.write(`HTTP/${version} 200 OK\r\n\r\nuntil`)
        c.write(' close')
        c.end()
      },
    })
    const origin = openOrigin(t, upstream)
    const outcome = await send(origin)
    assert.deepEqual([outcome.result, outcome.body.toString()], ['end', 'until close'])
    assert.equal(origin.stats().open, 0)
  }
})

test('an HTTP/1.0 answer keeps its connection only when it says so', async t => {
  for (const [header, idle] of [
    ['', 0],
    ['connection: keep-alive\r\n', 1],
  ] as const) {
    const upstream = await startRawUpstream(t, {
      onRequest: c => c.write(`HTTP/1.0 200 OK\r\n${header}content-length: 2\r\n\r\nok`),
    })
    const origin = openOrigin(t, upstream)
    assert.equal((await send(origin)).body.toString(), 'ok')
    assert.equal(origin.stats().idle, idle)
  }
})

test('interim answers are skipped, in one read or byte by byte', async t => {
  const bytes = Buffer.from(
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${reply('done')}`,
  )
  for (const cuts of [[], Array.from({ length: bytes.length }, (_, at) => at)]) {
    const upstream = await startRawUpstream(t, { onRequest: c => void c.writeCut(bytes, cuts) })
    const outcome = await send(openOrigin(t, upstream))
    assert.deepEqual([outcome.status, outcome.body.toString(), outcome.headers?.get('link')], [200, 'done', ''])
  }
})

test('an answer before the request was taken is delivered, and its connection is not used again', async t => {
  const upstream = await startRawUpstream(t, {
    reads: 'heads',
    onRequest: c => c.write('HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno!'),
  })
  const origin = openOrigin(t, upstream)
  const outcome = await send(origin, { method: 'POST', body: new Uint8Array(32 << 20) })
  assert.deepEqual([outcome.result, outcome.status, outcome.body.toString()], ['end', 413, 'no!'])
  assert.equal(origin.stats().open, 0)
})

test('a body of many pieces arrives in order at an upstream that takes its time', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply('ok')) })
  const origin = openOrigin(t, upstream)
  const body = Buffer.from(Uint32Array.from({ length: 1_500_000 }, (_, index) => index).buffer)
  const outcome = await send(origin, { method: 'POST', body })
  assert.equal(outcome.result, 'end')
  assert.ok(upstream.requests[0].body.equals(body))
  assert.equal(origin.stats().idle, 1)
})

test('a paused call reads nothing more until it is resumed, and loses nothing', async t => {
  const size = 24 << 20
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      c.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
      c.write(Buffer.alloc(size, 'x'))
    },
  })
  let received = 0
  const origin = openOrigin(t, upstream)
  const started = start(origin, {
    maxBodyBytes: size,
    on: (event, call) => {
      if (event === 'head') call.pause()
      if (event === 'data') received++
    },
  })
  await until(() => started.sofar.status === 200, 'the head came')
  await until(() => upstream.connections[0].socket.writableLength > 0, 'the upstream is held back')
  const before = received
  for (let turns = 0; turns < 50; turns++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(received, before)
  started.call.resume()
  const outcome = await started.outcome
  assert.deepEqual([outcome.result, outcome.body.length], ['end', size])
  assert.equal(origin.stats().idle, 1)
})

test('a call paused before it is answered hears nothing until it is resumed, on a new connection or from the queue', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply('ok')) })
  const origin = openOrigin(t, { ...upstream, maxConnections: 1 })
  const [dialling, queued] = [start(origin), start(origin)]
  dialling.call.pause()
  queued.call.pause()
  for (const [index, { call, sofar, outcome }] of [dialling, queued].entries()) {
    await until(() => upstream.requests.length === index + 1, 'the request came')
    for (let turns = 0; turns < 50; turns++) await new Promise(resolve => setImmediate(resolve))
    assert.equal(sofar.status, 0)
    call.resume()
    assert.equal((await outcome).body.toString(), 'ok')
  }
  assert.equal(origin.stats().opened, 1)
})

test('a connection whose call ended paused sees its upstream leave', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply('12345')) })
  const origin = openOrigin(t, upstream)
  await send(origin, { on: (event, call) => event === 'head' && call.pause() })
  assert.equal(origin.stats().idle, 1)
  upstream.connections[0].end()
  await until(() => origin.stats().open === 0, 'the connection is gone')
})

test('cancel closes the connection and ends all callbacks, in every phase', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => c.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'),
  })
  const origin = openOrigin(t, upstream)
  for (const phase of ['dialling', 'sent', 'head', 'data'] as const) {
    let last = ''
    const started = start(origin, {
      on: (event, call) => {
        assert.notEqual(last, phase, 'nothing comes after cancel')
        last = event
        if (event === phase) {
          call.cancel()
          call.cancel()
          assert.equal(origin.stats().open, 0)
        }
      },
    })
    if (phase === 'dialling') started.call.cancel()
    else await until(() => last === phase, `${phase} came`)
    assert.equal(origin.stats().open, 0)
    await until(() => upstream.openCount() === 0, 'the upstream saw it close')
    assert.equal(started.sofar.result, 'end', 'not told')
  }
})

test('cancel after the end does nothing to the next call on the connection', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply('ok')) })
  const origin = openOrigin(t, upstream)
  const first = start(origin)
  await first.outcome
  const second = start(origin)
  first.call.cancel()
  first.call.pause()
  assert.equal((await second.outcome).result, 'end')
  assert.equal(origin.stats().opened, 1)
})

test('a call made from the last callback reuses the connection', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(reply(`answer ${c.served}`)) })
  const origin = openOrigin(t, upstream)
  const second = await new Promise<string>(resolve => {
    start(origin, { on: event => event === 'end' && resolve(send(origin).then(({ body }) => body.toString())) })
  })
  assert.equal(second, 'answer 1')
  assert.equal(origin.stats().opened, 1)
})

test('a body longer than the limit fails, declared or not', async t => {
  for (const bytes of [
    reply('123456'),
    'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n',
    'HTTP/1.1 200 OK\r\n\r\n123456',
  ]) {
    const upstream = await startRawUpstream(t, { onRequest: c => c.write(bytes) })
    const origin = openOrigin(t, upstream)
    assertFailed(await send(origin, { maxBodyBytes: 5 }), 'upstream_error', /longer than 5 bytes/)
    assert.equal(origin.stats().open, 0)
  }
})
