import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noUsage, parseUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../src/core/json.ts'
import { type Again, type Answer, again, type Codec, type Decoded, type Provider } from '../../src/core/provider.ts'
import type { SnapshotData } from '../../src/core/snapshot.ts'
import { type FakeCall, PipelineUnderTest, snapshotData, targetData } from './harness.ts'

/** Answers that take more than one round trip: jobs that are polled, streams that come from elsewhere, late usage. */

const status = (body: JsonObject): Answer | Again | Failure => {
  if (body.state === 'done') return { body: { created: 1, data: [{ url: String(body.url) }] }, usage: noUsage }
  if (body.state === 'failed') return new Failure('upstream_error', { cause: 'the job failed' })
  return again({ to: String(body.next ?? '/jobs/1'), waitMs: 250, abandon: '/jobs/1/cancel' })
}

const textDecoder = {
  decode({ data }: { data: string }): Decoded {
    if (data === '[DONE]') return { kind: 'done' }
    const finish = data === 'stop' ? 'stop' : null
    return {
      kind: 'chunks',
      chunks: [{ choices: [{ index: 0, delta: finish ? {} : { content: data }, finish_reason: finish }] }],
    }
  },
}

const shared = { relay: null, framing: 'sse', failure: () => ({ message: 'no' }) } as const

const images: Codec = { ...shared, path: () => '/jobs', encode: ({ prompt }) => ({ input: prompt }), decode: status }

const worker: Provider = {
  id: 'worker',
  settings: {},
  origin: () => 'https://api.worker.test/v1',
  auth: () => ({ scheme: 'bearer', token: 'sk-worker' }),
  hosts: ['.cdn.test'],
  anyModel: true,
  codecs: {
    images,
    chat: {
      ...shared,
      path: () => '/jobs',
      encode: request => request,
      isJob: true,
      decode: ({ stream }) =>
        typeof stream === 'string'
          ? again({ to: stream, stream: true })
          : new Failure('upstream_error', { cause: 'no stream' }),
      events: () => ({
        ...textDecoder,
        last: () =>
          again({
            to: '/jobs/1',
            decode: ({ usage }) => ({ body: {}, usage: isObject(usage) ? parseUsage(usage) : noUsage }),
          }),
        end: () => [{ choices: [], bye: true }],
      }),
    },
  },
}

const under = (more: Partial<SnapshotData> = {}) =>
  new PipelineUnderTest({ targets: [targetData('one', { provider: 'worker' })], ...more }, { providers: [worker] })

const ask = (pipeline: PipelineUnderTest) => pipeline.askAt('/v1/images/generations', '{"model":"m","prompt":"a kite"}')
const stream = (pipeline: PipelineUnderTest, more: object = {}) =>
  pipeline.ask(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }], stream: true, ...more }))
const told = ({ method, origin, path }: FakeCall): string => `${method} ${origin}${path}`

test('a job is asked after at the pace that its codec sets, with the same key, until it is done', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pipeline = under()
  const incoming = ask(pipeline)
  pipeline.calls[0].answer(201, '{"state":"running"}')
  t.mock.timers.tick(249)
  assert.equal(pipeline.calls.length, 1)
  t.mock.timers.tick(1)
  pipeline.calls[1].answer(200, '{"state":"running","next":"https://api.worker.test/v1/jobs/1?part=2"}')
  t.mock.timers.tick(250)
  pipeline.calls[2].answer(200, '{"state":"done","url":"https://x.test/1.png"}')
  assert.deepEqual(pipeline.calls.map(told), [
    'POST https://api.worker.test/v1/jobs',
    'GET https://api.worker.test/v1/jobs/1',
    'GET https://api.worker.test/v1/jobs/1?part=2',
  ])
  assert.deepEqual(
    pipeline.calls.map(({ body }) => body.toString()),
    ['{"input":"a kite"}', '', ''],
  )
  assert.deepEqual(
    [incoming.status, incoming.ends, JSON.parse(incoming.body).data],
    [200, ['whole'], [{ url: 'https://x.test/1.png' }]],
  )
  assert.equal(pipeline.records.length, 1)
  assert.equal(pipeline.records[0].attempts, 1, 'to poll is not to try again')
  t.mock.timers.tick(60_000)
  assert.equal(pipeline.calls.length, 3)
})

test('a job that fails, or whose answer is none, ends the request', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  for (const answer of ['{"state":"failed"}', 'gone', '']) {
    const pipeline = under()
    const incoming = ask(pipeline)
    pipeline.calls[0].answer(201, '{"state":"running"}')
    t.mock.timers.tick(250)
    pipeline.calls[1].answer(200, answer)
    assert.deepEqual([incoming.status, incoming.ends, pipeline.calls.length], [502, ['whole'], 2], answer)
  }
})

test('a poll that fails for a moment is repeated, and no second job is begun; one that fails on ends the job', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pipeline = under()
  const incoming = ask(pipeline)
  pipeline.calls[0].answer(201, '{"state":"running"}')
  t.mock.timers.tick(250)
  pipeline.calls[1].answer(503, '{"error":"busy"}')
  t.mock.timers.tick(999)
  assert.equal(pipeline.calls.length, 2)
  t.mock.timers.tick(1)
  pipeline.calls[2].handler.onFailure(new Failure('upstream_unreachable', { cause: 'reset' }))
  t.mock.timers.tick(1000)
  pipeline.calls[3].answer(429, '{"error":"slow down"}', { 'retry-after': '3', 'content-type': 'application/json' })
  t.mock.timers.tick(2999)
  assert.equal(pipeline.calls.length, 4)
  t.mock.timers.tick(1)
  pipeline.calls[4].answer(200, '{"state":"done","url":"https://x.test/1.png"}')
  assert.equal(incoming.status, 200)
  assert.equal(pipeline.calls.filter(call => told(call).startsWith('POST')).length, 1)

  const hopeless = under()
  const failed = ask(hopeless)
  hopeless.calls[0].answer(201, '{"state":"running"}')
  for (let poll = 1; failed.ends.length === 0; poll++) {
    assert.ok(poll < 10, 'it ends')
    t.mock.timers.tick(1000)
    hopeless.calls[poll].answer(500, '{"error":"broken"}')
  }
  assert.equal(failed.status, 502)
  await new Promise(setImmediate)
  assert.equal(told(hopeless.calls.at(-1)!), 'POST https://api.worker.test/v1/jobs/1/cancel')
  const gone = under()
  const refused = ask(gone)
  gone.calls[0].answer(201, '{"state":"running"}')
  t.mock.timers.tick(250)
  gone.calls[1].answer(404, '{"error":"no such job"}')
  assert.equal(refused.status, 404, 'what will not pass is not waited for')
})

test('an answer leads only to the provider’s own hosts: its key goes nowhere else', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const elsewhere = [
    'https://evil.test/jobs/1',
    'http://api.worker.test/v1/jobs/1',
    'https://api.worker.test:8443/v1/jobs/1',
    'https://api.worker.test.evil.test/',
    'https://user:pw@api.worker.test/v1/jobs/1',
    'http://a.cdn.test/1',
    'https://a.cdn.test:444/1',
    'https://evilcdn.test/1',
    'file:///etc/passwd',
    'nonsense',
    '',
  ]
  for (const next of elsewhere) {
    const pipeline = under()
    const incoming = ask(pipeline)
    pipeline.calls[0].answer(201, JSON.stringify({ state: 'running', next }))
    t.mock.timers.tick(250)
    assert.deepEqual([incoming.status, pipeline.calls.length], [502, 1], next)
    assert.ok(!incoming.body.includes('evil'), incoming.body)
  }
  const pipeline = under()
  ask(pipeline)
  pipeline.calls[0].answer(201, '{"state":"running","next":"//evil.test/1"}')
  t.mock.timers.tick(250)
  assert.equal(
    told(pipeline.calls[1]),
    'GET https://api.worker.test/v1//evil.test/1',
    'a path is one, whatever it looks like',
  )
})

test('an address of the provider’s other hosts is followed', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pipeline = under()
  const incoming = ask(pipeline)
  pipeline.calls[0].answer(201, '{"state":"running","next":"https://eu.cdn.test/jobs/1"}')
  t.mock.timers.tick(250)
  assert.equal(told(pipeline.calls[1]), 'GET https://eu.cdn.test/jobs/1')
  pipeline.calls[1].answer(200, '{"state":"done","url":"u"}')
  assert.equal(incoming.status, 200)
})

for (const isAsked of [false, true])
  test(`a client that leaves ends its job while it is ${isAsked ? 'asked after' : 'waited for'}`, async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const pipeline = under()
    const incoming = ask(pipeline)
    pipeline.calls[0].answer(201, '{"state":"running"}')
    if (isAsked) t.mock.timers.tick(250)
    incoming.listener.onCancel()
    await Promise.resolve()
    const poll = isAsked ? ['GET https://api.worker.test/v1/jobs/1'] : []
    assert.deepEqual(pipeline.calls.slice(1).map(told), [...poll, 'POST https://api.worker.test/v1/jobs/1/cancel'])
    assert.equal(pipeline.calls.at(-1)?.body.length, 0)
    if (isAsked) assert.equal(pipeline.calls[1].cancels, 1)
    pipeline.calls.at(-1)?.answer(500, '{}')
    t.mock.timers.tick(60_000)
    assert.equal(pipeline.calls.length, 2 + poll.length)
    assert.deepEqual([incoming.ends, pipeline.records.length], [[], 1])
  })

test('a deadline ends the job: the request’s own', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pipeline = under({ requestTimeoutMs: 300 })
  const incoming = ask(pipeline)
  pipeline.calls[0].answer(201, '{"state":"running"}')
  t.mock.timers.tick(300)
  await Promise.resolve()
  assert.equal(incoming.status, 504)
  assert.equal(told(pipeline.calls.at(-1)!), 'POST https://api.worker.test/v1/jobs/1/cancel')
  const calls = pipeline.calls.length
  t.mock.timers.tick(60_000)
  assert.equal(pipeline.calls.length, calls)
})

test('a deadline ends the job: the one for first bytes, which holds for all of its round trips', async () => {
  const { upstream } = snapshotData()
  const pipeline = under({ upstream: { ...upstream, firstByteTimeoutMs: -1 } })
  const incoming = ask(pipeline)
  pipeline.calls[0].answer(201, '{"state":"running"}')
  await Promise.resolve()
  assert.deepEqual([incoming.status, JSON.parse(incoming.body).error.code], [504, 'upstream_timeout'])
  assert.deepEqual(pipeline.calls.slice(1).map(told), ['POST https://api.worker.test/v1/jobs/1/cancel'])
})

test('a job’s stream comes from where its answer says, and its usage from one trip more', () => {
  const pipeline = under()
  const incoming = stream(pipeline)
  pipeline.calls[0].answer(201, '{"stream":"https://stream.cdn.test/1"}')
  assert.equal(told(pipeline.calls[1]), 'GET https://stream.cdn.test/1')
  pipeline.calls[1].beginStream('data: Hel\n\ndata: lo\n\ndata: stop\n\n')
  pipeline.calls[1].handler.onEnd()
  assert.equal(told(pipeline.calls[2]), 'GET https://api.worker.test/v1/jobs/1')
  assert.deepEqual(incoming.ends, [], 'the stream is open until then')
  pipeline.calls[2].answer(200, '{"usage":{"prompt_tokens":5,"completion_tokens":2}}')
  assert.deepEqual([incoming.status, incoming.ends], [200, ['end']])
  assert.ok(incoming.body.includes('"content":"Hel"'))
  assert.ok(incoming.body.endsWith('data: {"choices":[],"bye":true}\n\ndata: [DONE]\n\n'), incoming.body)
  assert.deepEqual([pipeline.records[0].tokensIn, pipeline.records[0].tokensOut], [5, 2])
})

test('a stream whose last word fails ends as it should, without usage', () => {
  const endings: ((call: FakeCall) => void)[] = [
    call => call.answer(500, '{}'),
    call => call.answer(200, 'nonsense'),
    call => call.handler.onFailure(new Failure('upstream_unreachable', { cause: 'ECONNRESET' })),
  ]
  for (const end of endings) {
    const pipeline = under()
    const incoming = stream(pipeline)
    pipeline.calls[0].answer(201, '{"stream":"/streams/1"}')
    pipeline.calls[1].beginStream('data: Hi\n\ndata: stop\n\n')
    pipeline.calls[1].handler.onEnd()
    end(pipeline.calls[2])
    assert.deepEqual([incoming.status, incoming.ends], [200, ['end']])
    assert.ok(incoming.body.endsWith('data: [DONE]\n\n'), incoming.body)
    assert.ok(!incoming.body.includes('error'), incoming.body)
    assert.equal(pipeline.records.length, 1)
  }
})

test('a job’s stream that ends early, or is none, is an error', () => {
  const early = under()
  const cut = stream(early)
  early.calls[0].answer(201, '{"stream":"/streams/1"}')
  early.calls[1].beginStream('data: Hi\n\n')
  early.calls[1].handler.onEnd()
  assert.equal(early.calls.length, 2, 'there is no last word to ask for')
  assert.ok(cut.body.includes('"type":"stream_error"') && !cut.body.includes('[DONE]'), cut.body)

  const none = under()
  const incoming = stream(none)
  none.calls[0].answer(201, '{"stream":"/streams/1"}')
  none.calls[1].answer(200, '{}')
  assert.equal(incoming.status, 502)
})
