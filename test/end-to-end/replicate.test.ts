import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { requestOf, startMockOpenAi } from '../support/mock-openai.ts'
import { replicateKey, startMockReplicate } from '../support/mock-replicate.ts'
import { eventually } from '../support/raw-client.ts'

/** Jobs through a whole gateway: created, asked after, streamed and called off. */

const model = 'meta/meta-llama-3.1-8b-instruct'
const pictures = 'black-forest-labs/flux-schnell'

async function start(t: Lifetime) {
  const { mock, runs } = await startMockReplicate(t)
  const target = {
    virtual_key: 'replicate',
    api_token: replicateKey,
    base_url: mock.url,
    retry: { attempts: 2, initial_backoff_ms: 1 },
    text_models: `${model},someone/theirs:0123abcd`,
  }
  return { mock, runs, gateway: await startGateway(t, { config: { targets: [target] } }) }
}

const say = (content: string) => [{ role: 'user', content }]

test('a prediction is asked after until it is done; the client gets an answer with usage', async t => {
  const { gateway, mock, runs } = await start(t)
  const answer = await gateway.chat({ model, messages: say('Hi'), temperature: 0, stop: ['END', '#'] })
  assert.equal(answer.status, 200, answer.text)
  const [choice] = answer.json.choices as { message: { content: string }; finish_reason: string }[]
  assert.deepEqual([choice.message.content, choice.finish_reason], ['Hello there', 'stop'])
  assert.equal((answer.json.usage as { total_tokens: number }).total_tokens, 39)
  assert.deepEqual(runs.get('p1')?.input, { prompt: 'user: Hi\nassistant: ', temperature: 0, stop_sequences: 'END,#' })
  assert.deepEqual(
    mock.requests.map(({ method, path }) => `${method} ${path}`),
    [`POST /v1/models/${model}/predictions`, 'GET /v1/predictions/p1', 'GET /v1/predictions/p1'],
  )
  const theirs = await gateway.chat({ model: 'someone/theirs:0123abcd' })
  assert.equal(theirs.status, 200, theirs.text)
  assert.equal(requestOf(mock.requests[3]).version, '0123abcd')
})

test('a stream is read where the prediction says, and what it cost is asked after its end', async t => {
  const { gateway } = await start(t)
  const stream = await gateway.stream({ model, messages: say('Hi'), stream_options: { include_usage: true } })
  assert.equal(await stream.over, 'ended')
  assert.ok(stream.isDone, stream.text)
  const chunks = stream.events.slice(0, -1).map(event => JSON.parse(event))
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), 'Hello there')
  assert.equal(chunks.at(-1).usage.total_tokens, 39)
  assert.ok(chunks.every(({ id }) => id === 'p1'))
  const without = await gateway.stream({ model, messages: say('Hi') })
  await without.over
  assert.ok(without.isDone && !without.text.includes('"usage"'), without.text)
  assert.equal(await gateway.metric('gateway_tokens_output_total', { provider: 'replicate' }), 60)
})

test('a prediction that fails is the upstream’s failure, before the first word, after it, and without a stream', async t => {
  const { gateway } = await start(t)
  const failed = await gateway.chat({ model, messages: say('fail') })
  assert.deepEqual([failed.status, failed.error.code], [502, 'upstream_error'])
  assert.ok(!failed.text.includes('CUDA'), 'what went wrong over there is nobody’s business')
  const unbegun = await gateway.stream({ model, messages: say('fail') })
  await unbegun.over
  assert.equal(unbegun.isDone, false, unbegun.text)
  const broken = await gateway.stream({ model, messages: say('break') })
  await broken.over
  assert.ok(broken.text.includes('Hello') && !broken.isDone, broken.text)
  assert.equal(broken.error?.type, 'stream_error')
  const mute = await gateway.stream({ model, messages: say('mute') })
  assert.equal(mute.status, 400)
})

test('when the client leaves, the prediction is canceled, whether it is waited for or streamed', async t => {
  const { gateway, runs } = await start(t)
  const leaving = new AbortController()
  const asked = gateway.chat({ model, messages: say('hang') }, { signal: leaving.signal })
  const gone = assert.rejects(asked)
  await eventually(() => (runs.get('p1')?.asks ?? 0) > 0, 'the prediction to be asked after')
  leaving.abort()
  await gone
  await eventually(() => runs.get('p1')?.isCanceled === true, 'the prediction to be canceled')

  const left = new AbortController()
  const stream = await gateway.stream({ model, messages: say('begin') }, { signal: left.signal })
  await eventually(() => stream.text.includes('Hello'), 'the first word')
  left.abort()
  await eventually(() => runs.get('p2')?.isCanceled === true, 'the streamed prediction to be canceled')
})

test('a stream that stops without an end is an error, and its prediction does not run on', async t => {
  const { gateway, runs } = await start(t)
  const cut = await gateway.stream({ model, messages: say('cut') })
  await cut.over
  assert.equal(cut.error?.type, 'stream_error', cut.text)
  await eventually(() => runs.get('p1')?.isCanceled === true, 'the prediction to be canceled')
})

test('a stream that is said to be with somebody else is not looked for there: the key would go along', async t => {
  const { gateway, runs } = await start(t)
  const elsewhere = await startMockOpenAi(t)
  const led = await gateway.stream({ model, messages: say('astray'), system_prompt: `${elsewhere.url}/streams/p1` })
  await led.over
  assert.deepEqual([led.status, led.isDone], [502, false])
  assert.equal(elsewhere.requests.length, 0)
  await eventually(() => [...runs.values()].every(({ isCanceled }) => isCanceled), 'the predictions to be canceled')
})

test('what it can’t take is refused before a prediction is created', async t => {
  const { gateway, mock } = await start(t)
  const content = [{ type: 'image_url', image_url: { url: 'https://example.org/a.png' } }]
  const seen = await gateway.chat({ model, messages: [{ role: 'user', content }] })
  assert.deepEqual([seen.status, seen.error.code], [400, 'unsupported_parameter'])
  for (const name of ['../account', 'a/b/c', 'meta/..']) {
    const lost = await gateway.chat({ model: name })
    assert.ok(lost.status === 400 || lost.status === 404, `${name}: ${lost.text}`)
  }
  assert.equal(mock.requests.length, 0)
})

test('pictures come as addresses', async t => {
  const { gateway, runs } = await start(t)
  const ask = (more: object) =>
    gateway.fetch('/v1/images/generations', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: pictures, prompt: 'a kite', size: '512x768', ...more }),
    })
  const drawn = await ask({})
  assert.equal(drawn.status, 200, drawn.text)
  assert.deepEqual(drawn.json.data, [{ url: 'https://replicate.delivery/x/0.webp' }])
  assert.deepEqual(runs.get('p1')?.input, { prompt: 'a kite', num_outputs: 1, width: 512, height: 768 })
  const refused = await ask({ response_format: 'b64_json' })
  assert.deepEqual([refused.status, refused.error.param], [400, 'response_format'])
})
