import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Behaviour, defaultBehaviour, formatBehaviour, parseBehaviour } from '../../bench/load/mock/behaviour.ts'
import { createMock } from '../../bench/load/mock/mock-server.ts'
import { TimerWheel } from '../../bench/load/mock/timer-wheel.ts'
import { post } from '../../bench/measure/launch.ts'

async function startMock(t: TestContext, behaviour: Partial<Behaviour> = {}) {
  const mock = createMock({ ...defaultBehaviour, ...behaviour })
  mock.server.listen(0, '127.0.0.1')
  await once(mock.server, 'listening')
  t.after(() => mock.close())
  const { port } = mock.server.address() as AddressInfo
  const base = `http://127.0.0.1:${port}`
  const ask = (request: object, path = '/v1/chat/completions') => post(`${base}${path}`, {}, JSON.stringify(request))
  return { mock, port, ask }
}

test('a plain request gets a chat completion with usage', async t => {
  const { ask } = await startMock(t)
  const { status, text } = await ask({ model: 'x', messages: [] })
  const answer = JSON.parse(text)
  assert.equal(status, 200)
  assert.equal(answer.object, 'chat.completion')
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
})

test('a stream has as many content events as asked for, ends with [DONE], and says its usage only when asked', async t => {
  const { ask } = await startMock(t)
  for (const every of [0, 1]) {
    const model = `bench-chunks7-every${every}`
    const plain = await ask({ model, stream: true })
    const events = plain.text.trimEnd().split('\n\n')
    assert.equal(events.filter(event => event.includes('"content"')).length, 7)
    assert.equal(events.at(-1), 'data: [DONE]')
    assert.equal(plain.text.includes('"usage"'), false)
    const counted = await ask({ model, stream: true, stream_options: { include_usage: true } })
    const usage = JSON.parse(counted.text.trimEnd().split('\n\n').at(-2)?.slice(6) ?? '')
    assert.deepEqual(usage.choices, [])
    assert.equal(usage.usage.completion_tokens, 10)
  }
})

test('a path that ends in /messages is answered as Anthropic would, whole and streamed', async t => {
  const { ask } = await startMock(t)
  const { text } = await ask({ model: 'bench-chunks3' }, '/v1/messages')
  const answer = JSON.parse(text)
  assert.equal(answer.type, 'message')
  assert.equal(answer.stop_reason, 'end_turn')
  assert.ok(answer.usage.output_tokens > 0)
  for (const every of [0, 1]) {
    const stream = await ask({ model: `bench-chunks3-every${every}`, stream: true }, '/v1/messages')
    const types = stream.text.match(/^event: .*$/gm)
    const deltas = Array.from({ length: 3 }, () => 'event: content_block_delta')
    const opening = ['event: message_start', 'event: content_block_start']
    const closing = ['event: content_block_stop', 'event: message_delta', 'event: message_stop']
    assert.deepEqual(types, [...opening, ...deltas, ...closing])
  }
})

test('behaviour comes from the path before the model name, and from that before the command line', async t => {
  const { ask } = await startMock(t, { errors: 1, status: 503 })
  assert.equal((await ask({ model: 'x' })).status, 503)
  assert.equal((await ask({ model: 'bench-errors1-status418' })).status, 418)
  assert.equal((await ask({ model: 'bench-errors1-status418' }, '/bench-errors0/v1/chat/completions')).status, 200)
})

test('a misspelt behaviour is refused, not ignored', async t => {
  const { ask } = await startMock(t)
  const { status, text } = await ask({ model: 'bench-dealy60' })
  assert.equal(status, 404)
  assert.match(text, /unknown behaviour .*dealy60/)
  assert.throws(() => parseBehaviour('bench-delay'), /unknown behaviour/)
})

test('a behaviour survives being written as a name', () => {
  const behaviour = { ...defaultBehaviour, delay: 60, jitter: 2.5, chunks: 50, errors: 0.01 }
  assert.deepEqual(parseBehaviour(formatBehaviour(behaviour)), behaviour)
  assert.equal(formatBehaviour({}), 'bench')
  assert.equal(parseBehaviour('gpt-4o'), null)
})

test('errors come at about their rate, and a rate-limit answer says when to come back', async t => {
  const { ask } = await startMock(t)
  let failed = 0
  for (let index = 0; index < 300; index++) if ((await ask({ model: 'bench-errors0.3' })).status === 500) failed++
  assert.ok(failed > 50 && failed < 140, `${failed} of 300`)
  const limited = await raw(t, 'bench-limited1-retry7')
  assert.match(limited, /^HTTP\/1.1 429 .*\r\nRetry-After: 7\r\n/s)
})

test('resets cut the connection before the answer or in the middle of it', async t => {
  const { ask, mock } = await startMock(t)
  for (let index = 0; index < 20; index++) assert.equal((await ask({ model: 'bench-resets1' })).status === 200, false)
  assert.equal(mock.stats.requests, 20)
})

test('the answer is as large as asked for, and a large request is read whole', async t => {
  const { ask } = await startMock(t)
  const { text } = await ask({ model: 'bench-size100000', messages: [{ role: 'user', content: 'x'.repeat(300_000) }] })
  assert.equal(JSON.parse(text).choices[0].message.content.length, 100_000)
})

test('an answer nobody waits for is counted as aborted', async t => {
  const { mock, port } = await startMock(t)
  const socket = connect(port, '127.0.0.1')
  const body = JSON.stringify({ model: 'bench-chunks1000-every5', stream: true })
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await once(socket, 'data')
  socket.destroy()
  while (mock.stats.open > 0) await new Promise(resolve => setImmediate(resolve))
  assert.equal(mock.stats.aborted, 1)
})

test('the timer wheel calls each once, in order of time, and never early', async () => {
  const wheel = new TimerWheel()
  const called: number[] = []
  const delays = [30, 5, 12, 5, 0, 21]
  const early: number[] = []
  const began = performance.now()
  await new Promise<void>(resolve => {
    for (const delay of delays) {
      wheel.add(
        {
          onDue: () => {
            if (performance.now() - began < delay) early.push(delay)
            called.push(delay)
            if (called.length === delays.length) resolve()
          },
        },
        delay,
      )
    }
  })
  assert.deepEqual(
    called,
    [...delays].sort((a, b) => a - b),
  )
  assert.deepEqual(early, [])
  assert.equal(wheel.pending, 0)
})

/** The answer with its head, on a connection that closes. */
async function raw(t: TestContext, model: string): Promise<string> {
  const { port } = await startMock(t)
  const socket = connect(port, '127.0.0.1')
  const body = JSON.stringify({ model })
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('latin1')
}
