import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../src/core/failures.ts'
import { closing, completion, done, opening, piece } from '../support/mock-openai.ts'
import { chatRequest, type FakeIncoming, PipelineUnderTest, snapshotData, targetData } from './harness.ts'

const broken = (): Failure => new Failure('upstream_unreachable', { cause: 'ECONNRESET' })

/** One end, one record, whatever happened. */
function assertOver(
  under: PipelineUnderTest,
  incoming: FakeIncoming,
  status: number,
  end: 'whole' | 'end' | 'abort',
): void {
  assert.deepEqual([incoming.status, incoming.ends], [status, [end]])
  assert.equal(under.records.length, 1)
  assert.equal(under.records[0].status, status)
}

test('an answer that comes from within the call itself is an answer', () => {
  const under = new PipelineUnderTest()
  under.onSend = call => call.answer(200, completion('hi'))
  const incoming = under.ask(chatRequest())
  assertOver(under, incoming, 200, 'whole')
  assert.equal(incoming.body, completion('hi'))
  assert.equal(incoming.sents, 1)
  assert.equal(under.records[0].tokensOut, 3)
})

test('a failure that comes from within the call itself is followed by the next target', () => {
  const under = new PipelineUnderTest({ targets: [targetData('one'), targetData('two')] })
  under.onSend = call =>
    call.origin.includes('one') ? call.handler.onFailure(broken()) : call.answer(200, completion('two'))
  const incoming = under.ask(chatRequest())
  assertOver(under, incoming, 200, 'whole')
  assert.equal(under.records[0].attempts, 2)
  assert.equal(under.records[0].target, 'two')
  assert.deepEqual(under.calls[1].body, under.calls[0].body, 'the same bytes, although the request’s own are gone')
})

test('a request that is answered leaves no timer, and its deadline counts against nobody', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const under = new PipelineUnderTest({ requestTimeoutMs: 1_000 })
  const incoming = under.ask(chatRequest())
  under.calls[0].answer(200, completion('hi'))
  const stream = under.ask(chatRequest({ stream: true }))
  under.calls[1].beginStream(opening + piece('x') + closing + done)
  under.calls[1].handler.onEnd()
  t.mock.timers.tick(10_000)
  assert.deepEqual([incoming.ends, stream.ends], [['whole'], ['end']])
  assert.equal(under.calls[0].cancels + under.calls[1].cancels, 0)
  assert.equal(under.metrics.series(1)?.errors.timeout, 0)
})

test('a deadline cancels the call, and what comes of it afterwards is ignored', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const under = new PipelineUnderTest({ requestTimeoutMs: 1_000 })
  const incoming = under.ask(chatRequest())
  t.mock.timers.tick(1_000)
  assertOver(under, incoming, 504, 'whole')
  assert.equal(under.calls[0].cancels, 1)
  assert.equal(under.metrics.series(1)?.errors.timeout, 1)
})

test('waits between attempts double, and chance only shortens them', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let chance = 0.999
  t.mock.method(Math, 'random', () => chance)
  const retry = { attempts: 4, onStatusCodes: [], initialBackoffMs: 100 }
  for (chance of [0.999, 0.5, 0]) {
    const under = new PipelineUnderTest({ targets: [targetData('one', { retry })] })
    const incoming = under.ask(chatRequest())
    for (const longest of [100, 200, 400]) {
      const before = under.calls.length
      under.calls.at(-1)!.answer(503, '{}')
      assert.equal(under.calls.length, before)
      const wait = Math.floor(longest * chance)
      if (wait > 1) t.mock.timers.tick(wait - 1)
      if (wait > 1) assert.equal(under.calls.length, before, `not before ${wait} ms`)
      t.mock.timers.tick(2)
      assert.equal(under.calls.length, before + 1, `after ${wait} ms`)
    }
    under.calls.at(-1)!.answer(200, completion('at last'))
    assertOver(under, incoming, 200, 'whole')
    assert.equal(under.records[0].attempts, 4)
    assert.equal(under.metrics.series(1)?.retries, 3)
  }
})

for (const stage of [
  'while it waits for an answer',
  'while it waits for another attempt',
  'in the middle of a stream',
  'in the middle of a long answer',
] as const) {
  test(`a client that leaves ${stage}: nothing is sent on, nothing is asked again, one record`, t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const retry = { attempts: 3, onStatusCodes: [], initialBackoffMs: 100 }
    const under = new PipelineUnderTest({
      targets: [targetData('one', { retry }), targetData('two')],
      requestTimeoutMs: 60_000,
    })
    const incoming = under.ask(chatRequest({ stream: stage === 'in the middle of a stream' }))
    const [call] = under.calls
    if (stage === 'while it waits for another attempt') call.answer(503, '{}')
    if (stage === 'in the middle of a stream') call.beginStream(opening + piece('begun'))
    if (stage === 'in the middle of a long answer') {
      call.handler.onSent()
      call.head(200)
      call.data(`{"choices":[{"message":{"content":"${'x'.repeat(100_000)}`)
      assert.equal(incoming.heads, 1)
    }
    const { body } = incoming
    incoming.listener.onCancel()
    t.mock.timers.tick(120_000)
    assert.equal(under.calls.length, 1)
    assert.equal(call.cancels, stage === 'while it waits for another attempt' ? 0 : 1)
    assert.deepEqual([incoming.body, incoming.ends], [body, []])
    assert.equal(under.records.length, 1)
    assert.equal(under.records[0].failure, 'client_canceled')
  })
}

test('a client that is behind stops the upstream, and one that caught up starts it again', () => {
  const under = new PipelineUnderTest()
  const incoming = under.ask(chatRequest({ stream: true }))
  const [call] = under.calls
  incoming.isBehind = true
  call.beginStream(opening + piece('one'))
  assert.deepEqual([call.pauses > 0, call.resumes], [true, 0])
  incoming.isBehind = false
  incoming.listener.onDrain()
  assert.equal(call.resumes, 1)
  call.data(piece('two') + closing + done)
  call.handler.onEnd()
  assertOver(under, incoming, 200, 'end')
  assert.equal(incoming.body, opening + piece('one') + piece('two') + closing + done)
})

test('a stream that fails after its first content says so in one event, without [DONE]', () => {
  const under = new PipelineUnderTest({ targets: [targetData('one'), targetData('two')] })
  const incoming = under.ask(chatRequest({ stream: true }))
  under.calls[0].beginStream(opening + piece('begun'))
  under.calls[0].handler.onFailure(broken())
  assert.equal(under.calls.length, 1)
  assert.equal(incoming.ends.length, 1)
  assert.equal(incoming.body.split('"error"').length, 2)
  assert.ok(!incoming.body.includes('[DONE]'))
  assert.equal(under.records.length, 1)
  assert.notEqual(under.records[0].failure, '')
})

test('a long answer that fails after it began is cut, not ended', () => {
  const under = new PipelineUnderTest()
  const incoming = under.ask(chatRequest())
  const [call] = under.calls
  call.handler.onSent()
  call.head(200)
  call.data(`{"choices":[{"message":{"content":"${'x'.repeat(100_000)}`)
  call.handler.onFailure(broken())
  assert.deepEqual(incoming.ends, ['abort'])
  assert.equal(under.records.length, 1)
})

test('an error that never ends is cut short', () => {
  const under = new PipelineUnderTest()
  const incoming = under.ask(chatRequest())
  const [call] = under.calls
  call.handler.onSent()
  call.head(400)
  for (let i = 0; i < 10 && call.cancels === 0; i++) call.data('x'.repeat(20_000))
  assert.equal(call.cancels, 1)
  assertOver(under, incoming, 400, 'whole')
})

test('requests under way keep the config they began with', () => {
  const under = new PipelineUnderTest({ aliases: { mine: 'gpt-one' } })
  under.ask(chatRequest({ model: 'mine' }))
  under.pipeline.swap(snapshotData({ aliases: { mine: 'gpt-two' } }))
  under.ask(chatRequest({ model: 'mine' }))
  assert.deepEqual(
    under.calls.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model),
    ['gpt-one', 'gpt-two'],
  )
  under.calls[0].answer(200, completion('hi'))
  assert.equal(under.records[0].model, 'gpt-one')
})

test('a tracestate that is more than printable ASCII goes no further: as Latin-1 its characters would be line ends', () => {
  const under = new PipelineUnderTest()
  const traceparent = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01'
  under.ask(chatRequest(), { traceparent, tracestate: 'a=b\u010d\u010ax-evil: 1' })
  under.ask(chatRequest(), { traceparent, tracestate: 'a=b,c=d' })
  assert.ok(!under.calls[0].extraHeaders.includes('tracestate'), under.calls[0].extraHeaders)
  assert.ok(under.calls[1].extraHeaders.includes('tracestate: a=b,c=d\r\n'))
})

test('a model name that is no text is refused by a provider that would put it into a path', () => {
  const settings = { apiKey: 'k', baseUrl: 'http://gemini.test/v1beta' }
  const under = new PipelineUnderTest({ targets: [targetData('one', { provider: 'gemini', settings })] })
  const incoming = under.ask('{"model":"gemini-\\ud800","messages":[{"role":"user","content":"Hi"}]}')
  assertOver(under, incoming, 400, 'whole')
  assert.equal(under.calls.length, 0)
})

for (const stream of [false, true]) {
  test(`an answer nested too deeply to be written anew is an upstream’s failure, not the thread’s (${stream ? 'stream' : 'JSON'})`, () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const under = new PipelineUnderTest({
      targets: [targetData('one', { provider: 'groq', settings: { apiKey: 'k', baseUrl: 'http://groq.test/v1' } })],
    })
    const incoming = under.ask(chatRequest({ stream }))
    const [call] = under.calls
    if (stream) call.beginStream(`data: {"x":${deep},"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n`)
    else call.answer(200, `{"x":${deep},"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}`)
    assertOver(under, incoming, 502, 'whole')
  })
}

test('bytes of an answer are counted as bytes, also of one that is written anew', () => {
  const under = new PipelineUnderTest({
    targets: [targetData('one', { provider: 'groq', settings: { apiKey: 'k', baseUrl: 'http://groq.test/v1' } })],
  })
  const incoming = under.ask(chatRequest({ stream: true }))
  under.calls[0].beginStream(opening + piece('äöü€') + closing + done)
  under.calls[0].handler.onEnd()
  assertOver(under, incoming, 200, 'end')
  assert.equal(under.records[0].responseBytes, Buffer.byteLength(incoming.body))
})

test('a target that asked to be left alone is not asked while another one can be', () => {
  const targets = [targetData('one'), targetData('two', { row: 1 })]
  const under = new PipelineUnderTest({ targets })
  under.ask(chatRequest())
  under.calls[0]!.answer(429, '{"error":{"message":"slow down"}}', {
    'content-type': 'application/json',
    'retry-after': '60',
  })
  assert.deepEqual(
    under.calls.map(({ origin }) => origin),
    ['http://one.test', 'http://two.test'],
  )
  under.ask(chatRequest())
  assert.equal(under.calls[2]!.origin, 'http://two.test')
  // When the other one can't be asked either, it is better than nothing.
  under.calls[2]!.handler.onFailure(new Failure('upstream_unreachable'))
  assert.equal(under.calls[3]!.origin, 'http://one.test')
})

test('with one target, or a mode that commits to one, a rest changes nothing', () => {
  for (const data of [
    { targets: [targetData('one')] },
    { targets: [targetData('one'), targetData('two', { row: 1 })], strategy: { mode: 'single' as const } },
  ]) {
    const under = new PipelineUnderTest(data)
    under.ask(chatRequest())
    under.calls[0]!.answer(429, '{}', { 'content-type': 'application/json', 'retry-after': '60' })
    under.ask(chatRequest())
    assert.equal(under.calls[1]!.origin, 'http://one.test')
  }
})
