import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { autocannon } from '../../bench/load/generators/autocannon.ts'
import { runStreamClients } from '../../bench/load/generators/clients.ts'
import { runOpenLoop } from '../../bench/load/generators/open-loop.ts'
import { defaultBehaviour } from '../../bench/load/mock/behaviour.ts'
import { createMock } from '../../bench/load/mock/mock-server.ts'
import { jsonHeaders } from '../../bench/peers/peer.ts'
import { judgeRemote, mostRequests, remoteScenarios } from '../../bench/remote.ts'
import { requestBody } from '../../bench/scenarios.ts'
import { quantileOf } from '../../bench/stats/histogram.ts'

async function target(t: TestContext, model: string) {
  const mock = createMock(defaultBehaviour)
  mock.server.listen(0, '127.0.0.1')
  await once(mock.server, 'listening')
  t.after(() => mock.close())
  const { port } = mock.server.address() as AddressInfo
  return {
    mock,
    url: `http://127.0.0.1:${port}/v1/chat/completions`,
    headers: jsonHeaders,
    body: requestBody({}, model),
  }
}

const plain = { abortShare: 0, slowReaders: 0, slowBytesPerSecond: 0, churn: false, eventsPerStream: 5 }

test('open arrival sends the number of requests its rate says, and charges a stall to the requests behind it', async t => {
  const { mock, ...there } = await target(t, 'bench-delay50')
  const steady = await runOpenLoop({ ...there, perSecond: 40, maxConnections: 50, seconds: 1 })
  assert.equal(steady.requests, 40)
  assert.equal(mock.stats.requests, 40)
  // One connection serves at most 20 a second: half of 40 wait for the other half, and closed-loop latency would not say so.
  const stalled = await runOpenLoop({ ...there, perSecond: 40, maxConnections: 1, seconds: 1 })
  assert.equal(stalled.requests, 40)
  assert.ok(Number(quantileOf(stalled.latency, 0.9)) > 400, String(quantileOf(stalled.latency, 0.9)))
})

test('a load that is paced makes up for nothing: what a stall held back goes unsent and counts as an error', async t => {
  const { mock, ...there } = await target(t, 'bench-delay100')
  const result = await runOpenLoop({ ...there, perSecond: 20, maxConnections: 1, seconds: 1, paced: true })
  assert.ok(mock.stats.requests > 0 && mock.stats.requests <= 11, String(mock.stats.requests))
  assert.equal(result.requests, mock.stats.requests)
  assert.equal(result.requests + result.errors.timeout, 20)
})

test('less than one request a second is still one', async t => {
  const there = await target(t, 'bench-delay1')
  for (const paced of [false, true]) {
    const result = await runOpenLoop({ ...there, perSecond: 0.5, maxConnections: 2, seconds: 0.5, paced })
    assert.deepEqual([result.requests, result.errors.timeout], [1, 0])
  }
})

test('a page that comes with a 200 is no answer', async t => {
  const server = createServer((request, response) => {
    request.resume()
    response.end('<!doctype html>\n<p>Please sign in: {}</p>\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const there = { url: `http://127.0.0.1:${port}/v1`, headers: jsonHeaders, body: requestBody({}, 'x') }
  const open = await runOpenLoop({ ...there, perSecond: 20, maxConnections: 2, seconds: 0.5 })
  assert.deepEqual([open.requests, open.errors.broken], [0, 10])
  const clients = await runStreamClients({ ...plain, ...there, connections: 2, seconds: 0.5, streamShare: 0 })
  assert.equal(clients.requests, 0)
  assert.ok(clients.errors.broken > 0)
})

test('a redirect is no answer', async t => {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(302, { location: '/login' }).end()
  })
  server.listen(0, '::1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const there = { url: `http://[::1]:${port}/v1`, headers: jsonHeaders, body: requestBody({}, 'x') }
  const open = await runOpenLoop({ ...there, perSecond: 20, maxConnections: 2, seconds: 0.5 })
  assert.deepEqual([open.requests, open.errors.status], [0, 10])
  const clients = await runStreamClients({ ...plain, ...there, connections: 2, seconds: 0.5, streamShare: 0 })
  assert.equal(clients.requests, 0)
  assert.ok(clients.errors.status > 0)
})

test('stream clients count every event, and a stream cut short is an error', async t => {
  const whole = await target(t, 'bench-chunks5-every1')
  const result = await runStreamClients({ ...plain, ...whole, connections: 3, seconds: 0.6, streamShare: 1 })
  assert.ok(result.requests > 0)
  assert.deepEqual(result.errors, { connect: 0, broken: 0, timeout: 0, status: 0 })
  // Five of content, one that ends it, usage, [DONE]; streams under way at the end have fewer.
  assert.ok(result.events >= result.requests * 8 && result.events <= (result.requests + 3) * 8)
  assert.ok(result.firstByte.length > 0 && result.gaps.length > 0)

  const cut = await target(t, 'bench-chunks5-every1-resets1')
  const broken = await runStreamClients({ ...plain, ...cut, connections: 2, seconds: 0.6, streamShare: 1 })
  assert.equal(broken.requests, 0)
  assert.ok(broken.errors.broken > 0)
})

test('clients that leave midway are counted as that, and the mock sees them go', async t => {
  const there = await target(t, 'bench-chunks50-every2')
  const load = { ...plain, ...there, connections: 4, seconds: 0.8, streamShare: 1, abortShare: 1, eventsPerStream: 20 }
  const result = await runStreamClients(load)
  assert.ok(result.aborted > 0)
  assert.equal(result.errors.broken, 0)
  while (there.mock.stats.open > 0) await new Promise(resolve => setImmediate(resolve))
  assert.ok(there.mock.stats.aborted >= result.aborted)
})

test('churning clients use a connection for each request, without errors', async t => {
  const there = await target(t, 'bench-delay1')
  const result = await runStreamClients({
    ...plain,
    ...there,
    connections: 2,
    seconds: 0.5,
    streamShare: 0,
    churn: true,
  })
  assert.ok(result.requests > 2)
  assert.deepEqual(result.errors, { connect: 0, broken: 0, timeout: 0, status: 0 })
  assert.ok(there.mock.stats.connections >= result.requests)
})

test('autocannon answers in the common form, with latencies finer than a millisecond', async t => {
  const there = await target(t, 'bench-delay5')
  const result = await autocannon.run({ ...there, connections: 2, seconds: 1, directory: '.' })
  assert.ok(result.requests > 10)
  assert.match(result.generator, /^autocannon \d/)
  assert.notEqual(Number(quantileOf(result.latency, 0.5)) % 1, 0)
})

test('what autocannon says nothing of, connections closed without an answer, counts as broken', async t => {
  let asked = 0
  const server = createServer((request, response) => {
    request.resume()
    if (++asked % 4 === 0) request.socket.end()
    else response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const there = { url, headers: {}, body: '{}' }
  const { requests, errors } = await autocannon.run({ ...there, connections: 3, seconds: 1, directory: '.' })
  assert.ok(requests > 10)
  assert.ok(Math.abs(errors.broken - asked / 4) <= 4, `${errors.broken} of ${asked}`)
})

test("a load on somebody's gateway stays below its rate, and is judged by the limits given", async t => {
  const there = await target(t, 'gpt-4o-mini')
  const result = await runStreamClients({
    ...plain,
    ...there,
    connections: 5,
    seconds: 1,
    streamShare: 1,
    perSecond: 10,
  })
  assert.ok(there.mock.stats.requests <= 11, String(there.mock.stats.requests))
  assert.equal(mostRequests({ scenarios: remoteScenarios(undefined), perSecond: 10, seconds: 3 }), 30)
  assert.throws(() => remoteScenarios(['fallback']), /needs our own mock/)
  assert.deepEqual(judgeRemote('x', result, { maxErrorShare: 0.01 }).broken, [])
  assert.equal(judgeRemote('x', result, { maxErrorShare: 0.01, maxP99Ms: 0.0001 }).broken.length, 1)
  const untimed = judgeRemote('x', { ...result, latency: [] }, { maxErrorShare: 0.01, maxP99Ms: 1000 })
  assert.deepEqual(untimed.broken, ['p99 – ms > 1,000 ms'])
  const dead = { ...result, requests: 0, errors: { ...result.errors, connect: 5 } }
  assert.equal(judgeRemote('x', dead, { maxErrorShare: 0.01 }).broken.length, 2)
})
