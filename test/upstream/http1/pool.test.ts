import assert from 'node:assert/strict'
import { test } from 'node:test'
import { random } from '../../core/random.ts'
import { type RawConnection, startRawUpstream } from '../../support/raw-upstream.ts'
import { assertFailed, openOrigin, send, start, until } from '../collect.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

test('one request after the other takes one connection', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, upstream)
  for (let count = 0; count < 5; count++) assert.equal((await send(origin)).body.toString(), 'ok')
  assert.deepEqual(origin.stats(), { open: 1, idle: 1, queued: 0, opened: 1, reused: 4 })
})

test('the connection used last is used first', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, upstream)
  await Promise.all([send(origin), send(origin), send(origin)])
  assert.equal(origin.stats().idle, 3)
  await send(origin)
  const last = upstream.connections.findIndex(connection => connection.served === 2)
  for (let count = 0; count < 3; count++) await send(origin)
  assert.equal(upstream.connections[last].served, 5)
})

test('requests beyond the connections wait in order, and beyond the queue fail at once', async t => {
  const held: RawConnection[] = []
  const upstream = await startRawUpstream(t, { onRequest: c => held.push(c) })
  const origin = openOrigin(t, { ...upstream, maxConnections: 2, maxQueue: 2 })
  const order: number[] = []
  const calls = [0, 1, 2, 3].map(async number => {
    const outcome = await send(origin, { path: `/${number}` })
    order.push(number)
    return outcome.result
  })
  assert.deepEqual(origin.stats(), { open: 2, idle: 0, queued: 2, opened: 2, reused: 0 })
  assertFailed(await send(origin), 'provider_saturated', /2 requests wait for 2 connections/)
  for (let answered = 0; answered < 4; answered++) {
    await until(() => held.length > answered, 'a request came')
    held[answered].write(ok)
  }
  assert.deepEqual(await Promise.all(calls), ['end', 'end', 'end', 'end'])
  assert.deepEqual(order.slice(2), [2, 3])
  assert.deepEqual(origin.stats(), { open: 2, idle: 2, queued: 0, opened: 2, reused: 2 })
})

test('a waiting request gets a connection when one is closed instead of freed', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      if (upstream.requests.length === 1) c.reset()
      else c.write(ok)
    },
  })
  const origin = openOrigin(t, { ...upstream, maxConnections: 1 })
  const [first, second] = await Promise.all([send(origin), send(origin)])
  assert.deepEqual([first.result, second.result], ['upstream_error', 'end'])
})

test('waiting requests fail one by one when the upstream is gone', async t => {
  const upstream = await startRawUpstream(t, { onConnection: c => c.reset() })
  const origin = openOrigin(t, { ...upstream, maxConnections: 1 })
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => send(origin)))
  for (const { result } of outcomes) assert.match(result, /^upstream_(error|unreachable)$/)
  assert.deepEqual([origin.stats().open, origin.stats().queued], [0, 0])
})

test('a request that waits too long for a connection fails as saturated, and a cancelled one leaves the queue', async t => {
  const upstream = await startRawUpstream(t, {})
  const origin = openOrigin(t, { ...upstream, maxConnections: 1, connectTimeoutMs: 60 })
  const holder = start(origin)
  await until(() => holder.sofar.sent === 1, 'the connection is taken')
  const cancelled = start(origin)
  assert.equal(origin.stats().queued, 1)
  cancelled.call.cancel()
  assert.equal(origin.stats().queued, 0)
  assertFailed(await send(origin), 'provider_saturated', /no connection became free within 60 ms/)
  assert.equal(origin.stats().queued, 0)
  holder.call.cancel()
})

test('a request that is cancelled in the tick it began in never reaches the upstream', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, upstream)
  await Promise.all([send(origin, { path: '/1' }), send(origin, { path: '/2' })])
  const { call } = start(origin, { path: '/cancelled' })
  const other = start(origin, { path: '/other' })
  call.cancel()
  assert.equal((await other.outcome).body.toString(), 'ok')
  await send(origin, { path: '/last' })
  const paths = upstream.requests.map(({ head }) => head.split(' ')[1])
  assert.deepEqual(paths.slice(2), ['/other', '/last'])
})

test('requests that begin in one tick over connections of which half are dead are each answered, and once', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, upstream)
  const all = (round: string) =>
    Promise.all(Array.from({ length: 40 }, (_, n) => send(origin, { path: `/${round}-${n}` })))
  await all('first')
  assert.equal(origin.stats().idle, 40)
  for (const [n, connection] of upstream.connections.entries()) if (n % 2 === 0) connection.reset()
  const outcomes = await all('second')
  assert.deepEqual(
    outcomes.map(({ result, body }) => `${result} ${body}`),
    Array(40).fill('end ok'),
  )
  const paths = upstream.requests.slice(40).map(({ head }) => head.split(' ')[1])
  assert.deepEqual(paths.sort(), Array.from({ length: 40 }, (_, n) => `/second-${n}`).sort())
})

test('an answer with Connection: close is the last of its connection', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => c.write('HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\nok'),
  })
  const origin = openOrigin(t, upstream)
  assert.equal((await send(origin)).result, 'end')
  assert.equal(origin.stats().open, 0)
  assert.equal((await send(origin)).result, 'end')
  assert.equal(origin.stats().opened, 2)
})

test("an upstream's Keep-Alive timeout shortens ours by one second of safety", async t => {
  for (const [value, idle] of [
    ['timeout=1', 0],
    ['timeout=0', 0],
    ['timeout=60, max=100', 1],
    ['max=5, Timeout=1', 0],
    ['nonsense', 1],
  ] as const) {
    const upstream = await startRawUpstream(t, {
      onRequest: c => c.write(`HTTP/1.1 200 OK\r\nkeep-alive: ${value}\r\ncontent-length: 2\r\n\r\nok`),
    })
    const origin = openOrigin(t, upstream)
    assert.equal((await send(origin)).result, 'end')
    assert.equal(origin.stats().idle, idle, value)
  }
})

test('an idle connection is closed when its time is over', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, { ...upstream, idleTimeoutMs: 100 })
  await send(origin)
  assert.equal(origin.stats().idle, 1)
  await until(() => upstream.openCount() === 0, 'the connection was closed')
  assert.equal(origin.stats().open, 0)
})

test('a connection beyond its age takes no further request', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, { ...upstream, maxConnectionAgeMs: 0 })
  await send(origin)
  await send(origin)
  assert.deepEqual(origin.stats(), { open: 0, idle: 0, queued: 0, opened: 2, reused: 0 })
})

test('an idle connection that the upstream closes leaves the pool', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, upstream)
  await send(origin)
  upstream.connections[0].end()
  await until(() => origin.stats().open === 0, 'the connection is gone')
})

test('bytes on an idle connection end it, they are nobody’s answer', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(ok) })
  const origin = openOrigin(t, upstream)
  await send(origin)
  upstream.connections[0].write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged')
  await until(() => origin.stats().open === 0, 'the connection is gone')
  assert.equal((await send(origin)).body.toString(), 'ok')
})

// A connection is stale when the upstream drops it just as we write: the script drops it on the second request.
const dropSecond = (drop: (connection: RawConnection) => void) => ({
  onRequest: (c: RawConnection) => (c.served === 1 ? drop(c) : c.write(ok)),
})

for (const [how, drop] of [
  ['closes', (c: RawConnection) => c.end()],
  ['resets', (c: RawConnection) => c.reset()],
] as const) {
  test(`a request on a reused connection that the upstream ${how} without a byte is sent once more, with its body`, async t => {
    const upstream = await startRawUpstream(t, dropSecond(drop))
    const origin = openOrigin(t, upstream)
    await send(origin)
    const outcome = await send(origin, { method: 'POST', body: Buffer.from('once') })
    assert.deepEqual([outcome.result, outcome.sent], ['end', 1])
    assert.deepEqual(
      upstream.requests.map(request => request.body.toString()),
      ['', 'once', 'once'],
    )
    assert.equal(origin.stats().opened, 2)
  })
}

test('what is sent again is the request that was lost, whatever its connection carried before', async t => {
  for (const size of [5, 900, 3000, 5000, 300_000]) {
    const upstream = await startRawUpstream(t, { onRequest: c => (c.served === 3 ? c.end() : c.write(ok)) })
    const origin = openOrigin(t, upstream)
    for (const before of [2000, 10, 1200]) await send(origin, { method: 'POST', body: Buffer.alloc(before, 'a') })
    const body = Buffer.alloc(size, 'b')
    const sending = send(origin, { method: 'POST', body })
    body.fill('c') // its memory is the caller's again
    assert.equal((await sending).result, 'end')
    const sent = upstream.requests.slice(-2).map(request => request.body.toString())
    assert.deepEqual(sent, ['b'.repeat(size), 'b'.repeat(size)], `${size} bytes`)
    assert.deepEqual([upstream.requests.length, origin.stats().opened], [5, 2])
  }
})

test('long requests that use each other’s memory arrive each as it was, from an upstream that is slow, early or gone', async t => {
  const { below, chance } = random(11)
  const upstream = await startRawUpstream(t, {
    onConnection: c => {
      c.socket.on('data', () => {
        if (!chance(0.05)) return
        c.socket.pause()
        setTimeout(() => c.socket.resume(), below(5))
      })
    },
    onRequest: c => {
      if (chance(0.1)) c.end()
      else if (chance(0.3)) setTimeout(() => c.write(ok), below(5))
      else c.write(ok)
    },
  })
  const origin = openOrigin(t, { ...upstream, maxConnections: 6 })
  const sendOne = async (index: number): Promise<string> => {
    const letter = String.fromCharCode(0x41 + (index % 50))
    const body = Buffer.alloc(1000 + below(chance(0.5) ? 10_000 : 900_000), letter)
    const sending = send(origin, { method: 'POST', headers: [['x-letter', letter]], body })
    body.fill('!')
    return (await sending).result
  }
  const results: string[] = []
  for (let index = 0; index < 240; index += 12)
    results.push(...(await Promise.all(Array.from({ length: 12 }, (_, i) => sendOne(index + i)))))
  assert.ok(results.filter(result => result === 'end').length > 150)
  // Closed before a response, on a fresh connection, is all else there may be: no request that can't be understood.
  assert.deepEqual(
    results.filter(result => result !== 'end' && result !== 'upstream_error'),
    [],
  )
  assert.ok(upstream.requests.length >= 240)
  for (const { head, body } of upstream.requests) {
    const letter = /x-letter: (.)/.exec(head)![1]!
    assert.ok(body.equals(Buffer.alloc(body.length, letter)), `a body of ${body.length} ${letter}s`)
  }
})

test('a request is repeated on a fresh connection, even when others are idle, and at most once', async t => {
  let isDown = false
  const upstream = await startRawUpstream(t, { onRequest: c => (isDown ? c.end() : c.write(ok)) })
  const origin = openOrigin(t, upstream)
  await Promise.all([send(origin), send(origin), send(origin)])
  isDown = true
  assertFailed(await send(origin), 'upstream_error', /closed before a response/)
  assert.equal(upstream.requests.length, 5)
  assert.deepEqual([origin.stats().opened, origin.stats().idle], [4, 2])
})

test('a repeat takes the place of its dead connection before those who wait', async t => {
  const held: RawConnection[] = []
  let isDropping = false
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      if (upstream.requests.length === 1) c.write(ok)
      else if (isDropping) held.push(c)
      else {
        isDropping = true
        held.push(c)
      }
    },
  })
  const origin = openOrigin(t, { ...upstream, maxConnections: 1 })
  await send(origin, { path: '/warm' })
  const first = send(origin, { path: '/first' })
  const second = send(origin, { path: '/second' })
  await until(() => held.length === 1, 'the first request came')
  held[0].end()
  await until(() => held.length === 2, 'it came again')
  held[1].write(ok)
  await first
  await until(() => held.length === 3, 'the second came')
  held[2].write(ok)
  assert.equal((await second).result, 'end')
  assert.deepEqual(
    upstream.requests.map(({ head }) => head.split(' ')[1]),
    ['/warm', '/first', '/first', '/second'],
  )
})

for (const [why, script, options] of [
  ['its connection was new', { onRequest: (c: RawConnection) => c.end() }, {}],
  ['the option says no', dropSecond(c => c.end()), { retryStale: false }],
  [
    'the upstream had begun to answer',
    dropSecond(c => {
      c.write('H')
      c.end()
    }),
    {},
  ],
  [
    'the upstream had sent an interim answer',
    dropSecond(c => {
      c.write('HTTP/1.1 100 Continue\r\n\r\n')
      c.end()
    }),
    {},
  ],
] as const) {
  test(`a request is not sent again when ${why}`, async t => {
    const upstream = await startRawUpstream(t, script)
    const origin = openOrigin(t, { ...upstream, ...options })
    await send(origin)
    const before = upstream.requests.length
    const outcome = await send(origin)
    assert.equal(outcome.result, 'upstream_error')
    assert.equal(upstream.requests.length, before + 1)
  })
}

test('a request longer than 1 MiB is not sent again', async t => {
  const upstream = await startRawUpstream(
    t,
    dropSecond(c => c.end()),
  )
  const origin = openOrigin(t, upstream)
  await send(origin)
  assertFailed(await send(origin, { method: 'POST', body: new Uint8Array((1 << 20) + 1) }), 'upstream_error', /closed/)
  await send(origin)
  const outcome = await send(origin, { method: 'POST', body: new Uint8Array(1 << 20) })
  assert.equal(outcome.result, 'end')
})

test('a request is not sent again after a timeout', async t => {
  const upstream = await startRawUpstream(
    t,
    dropSecond(() => undefined),
  )
  const origin = openOrigin(t, upstream)
  await send(origin)
  assertFailed(await send(origin, { firstByteTimeoutMs: 50 }), 'upstream_timeout', /no response within 50 ms/)
  assert.equal(upstream.requests.length, 2)
})
