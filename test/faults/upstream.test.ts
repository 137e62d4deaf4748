import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, comesTrue, startGateway } from '../support/gateway.ts'
import { closing, completion, done, opening, piece } from '../support/mock-openai.ts'
import { eventually } from '../support/raw-client.ts'
import { type RawConnection, startRawUpstream } from '../support/raw-upstream.ts'
import { elsewhereCertificate } from '../support/tls-fixtures.ts'

const good = completion('all is well')
const answered = (body: string, length = Buffer.byteLength(body)): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`
const chunked = (...chunks: string[]): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunks.join('')}`
const streamHead = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n'

/** What an upstream may do to one request, and what the client gets then. */
interface Case {
  readonly name: string
  readonly act: (connection: RawConnection) => void
  readonly status: number
  /** When the request was for a stream. */
  readonly streamStatus?: number
  readonly code?: string
}

const write = (bytes: string, then: (connection: RawConnection) => void) => (connection: RawConnection) => {
  connection.write(bytes)
  then(connection)
}
const end = (connection: RawConnection): void => connection.end()
const reset = (connection: RawConnection): void => connection.reset()
const every = (ms: number, connection: RawConnection, bytes: string): void => {
  const timer = setInterval(() => connection.write(bytes), ms)
  connection.socket.on('close', () => clearInterval(timer))
}

const faulty: readonly Case[] = [
  { name: 'stays silent', act: () => {}, status: 504, code: 'upstream_timeout' },
  { name: 'resets the connection', act: c => c.reset(), status: 502, code: 'upstream_error' },
  { name: 'closes before the head', act: c => c.end(), status: 502, code: 'upstream_error' },
  { name: 'closes within the head', act: write('HTTP/1.1 200 OK\r\ncontent-le', end), status: 502 },
  { name: 'resets within the head', act: write('HTTP/1.1 200 OK\r\n', reset), status: 502 },
  {
    name: 'closes within the body',
    act: write(answered(good.slice(0, 40), good.length), end),
    status: 502,
  },
  { name: 'closes within a chunked body', act: write(chunked('20\r\n{"choices":'), end), status: 502 },
  { name: 'stops within the body', act: c => c.write(answered('{"id":', 500)), status: 504, streamStatus: 502 },
  { name: 'sends garbage', act: c => c.write('\0\x01\x02 what is this\r\n\r\n'), status: 502, code: 'upstream_error' },
  { name: 'speaks another protocol', act: c => c.write('SSH-2.0-OpenSSH_9.2\r\n'), status: 502 },
  {
    name: 'sends a byte now and then, for ever',
    act: write('HTTP/1.1 200 OK\r\nx: ', c => every(50, c, 'a')),
    status: 504,
  },
  {
    name: 'sends a head of 100 KB',
    act: c => c.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`),
    status: 502,
  },
  { name: 'sends 100 Continue for ever', act: c => every(5, c, 'HTTP/1.1 100 Continue\r\n\r\n'), status: 502 },
  { name: 'sends an invalid chunk', act: c => c.write(chunked('zz\r\n{}\r\n0\r\n\r\n')), status: 502 },
  {
    name: 'sends two lengths',
    act: c => c.write(answered(good).replace('\r\n', '\r\ncontent-length: 3\r\n')),
    status: 502,
  },
  {
    name: 'sends a length and chunks',
    act: c => c.write(chunked('2\r\n{}\r\n0\r\n\r\n').replace('\r\n', '\r\ncontent-length: 2\r\n')),
    status: 502,
  },
  { name: 'sends a page', act: c => c.write(answered('<html>hello</html>')), status: 502, code: 'upstream_error' },
  { name: 'sends nothing at all as its answer', act: c => c.write(answered('')), status: 502 },
  { name: 'sends JSON that breaks off', act: c => c.write(answered('{"choices": [')), status: 502 },
  {
    name: 'redirects',
    act: c => c.write('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
    status: 502,
  },
  { name: 'sends 204', act: c => c.write('HTTP/1.1 204 No Content\r\n\r\n'), status: 502 },
  {
    name: 'switches protocols',
    act: c => c.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'),
    status: 502,
  },
]

const timeouts = { first_byte_timeout: '400ms', idle_timeout: '400ms', total_timeout: '900ms' }

test('whatever an upstream does to a request, the client gets a proper error and the next request an answer', async t => {
  let act = (connection: RawConnection): void => connection.write(answered(good))
  const upstream = await startRawUpstream(t, { onRequest: connection => act(connection) })
  const gateway = await startGateway(t, { upstream: upstream.url, config: { upstream: timeouts } })
  const assertWell = async (): Promise<void> => {
    act = connection => connection.write(answered(good))
    const answer = await gateway.chat()
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.text, good)
  }
  await assertWell()

  for (const { name, act: fault, status, streamStatus = status, code } of faulty) {
    await t.test(`an upstream that ${name}: ${status}`, async () => {
      act = fault
      const answer = await gateway.chat()
      assertError(answer, status, code)
      await assertWell()
    })
    if (name === 'stays silent') continue
    await t.test(`the same to a stream: ${streamStatus}`, async () => {
      act = fault
      const answer = await gateway.chat({ stream: true })
      assertError(answer, streamStatus, code)
      await assertWell()
    })
  }

  const extras: readonly { name: string; act: (connection: RawConnection) => void }[] = [
    { name: 'two answers for one request', act: c => c.write(answered(good) + answered(completion('not yours'))) },
    { name: 'a body longer than its length', act: c => c.write(`${answered(good)}{"choices":[]}`) },
    { name: 'an answer and then garbage', act: c => c.write(`${answered(good)}\0\0\0\0`) },
  ]
  for (const extra of extras) {
    await t.test(`${extra.name}: the first is the answer, and its connection is not used again`, async () => {
      act = extra.act
      const before = upstream.connections.length
      assert.equal((await gateway.chat()).text, good)
      await assertWell()
      await assertWell()
      assert.ok(upstream.connections.length > before)
    })
  }

  await t.test('an answer of one byte at a time is an answer', async () => {
    act = connection =>
      void connection.writeCut(
        Buffer.from(answered(good)),
        Array.from({ length: 300 }, (_, i) => i),
      )
    assert.equal((await gateway.chat()).text, good)
  })

  await eventually(() => upstream.openCount() < 20, 'broken connections to be closed')
  await comesTrue(async () => (await gateway.metric('gateway_in_flight_requests')) === 0, 'nothing to be in flight')
})

function assertError(answer: Answer, status: number, code?: string): void {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.equal(typeof answer.error.message, 'string')
  if (code !== undefined) assert.equal(answer.error.code, code)
}

test('a stream that breaks after its first content ends with an error event and without [DONE]', async t => {
  let act: (connection: RawConnection) => void = () => {}
  const upstream = await startRawUpstream(t, {
    onRequest(connection) {
      connection.write(streamHead + opening + piece('begun'))
      act(connection)
    },
  })
  const gateway = await startGateway(t, { upstream: upstream.url, config: { upstream: timeouts } })
  const breaks: readonly { name: string; act: (connection: RawConnection) => void; code: string }[] = [
    { name: 'closes', act: c => c.end(), code: 'stream_error' },
    { name: 'closes within an event', act: write('data: {"choi', end), code: 'stream_error' },
    { name: 'resets', act: c => void setTimeout(() => c.reset(), 50), code: 'stream_error' },
    { name: 'falls silent', act: () => {}, code: 'stream_timeout' },
    {
      name: 'sends an error',
      act: c => c.write('data: {"error":{"message":"out of luck","type":"server_error"}}\n\n'),
      code: 'stream_error',
    },
  ]
  for (const { name, act: how, code } of breaks) {
    await t.test(`when it ${name}`, async () => {
      act = how
      const stream = await gateway.stream()
      assert.equal(stream.status, 200)
      assert.equal(await stream.over, 'ended')
      assert.ok(stream.text.startsWith(opening + piece('begun')), stream.text)
      assert.equal(stream.error?.code, code, stream.text)
      assert.ok(!stream.text.includes('[DONE]'))
      assert.equal(stream.events.filter(event => event.includes('"error"')).length, 1)
    })
  }
  await t.test('but one that said it is finished lacks nothing', async () => {
    act = write(closing, end)
    const stream = await gateway.stream()
    await stream.over
    assert.equal(stream.text, opening + piece('begun') + closing + done)
  })
})

test('an upstream that refuses connections: 502', async t => {
  const gateway = await startGateway(t, { upstream: 'http://127.0.0.1:1' })
  assertError(await gateway.chat(), 502, 'upstream_error')
  assertError(await gateway.chat({ stream: true }), 502, 'upstream_error')
})

test('an upstream whose certificate is for another name gets no request', async t => {
  const upstream = await startRawUpstream(t, { tls: elsewhereCertificate, onRequest: c => c.write(answered(good)) })
  const gateway = await startGateway(t, { upstream: upstream.url })
  assertError(await gateway.chat(), 502, 'upstream_error')
  assert.equal(upstream.requests.length, 0)
})

test('an answer above the limit is never taken for whole, one below it passes without being held in memory', async t => {
  const filler = 'x'.repeat(1 << 20)
  const gateway = await startGateway(t, { config: { upstream: { max_response_bytes: 60 << 20 } } })
  let megabytes = 50
  gateway.upstream.answer = async (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{"choices":[{"index":0,"message":{"role":"assistant","content":"')
    for (let i = 0; i < megabytes && !response.destroyed; i++) {
      // Its connection may be cut: then nothing drains.
      if (!response.write(filler))
        await eventually(() => response.destroyed || !response.writableNeedDrain, 'room', 60_000)
    }
    response.end('"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')
  }
  await gateway.chat()
  const before = gateway.residentBytes
  const answer = await gateway.chat()
  assert.equal(answer.status, 200)
  assert.ok(answer.text.length > 50 << 20)
  const grown = (gateway.residentBytes - before) / 2 ** 20
  assert.ok(grown < 50, `grew by ${grown.toFixed(0)} MB`)
  megabytes = 61
  await assert.rejects(gateway.chat())
  await eventually(() => gateway.upstream.open === 0, 'the upstream call to be cut')
})
