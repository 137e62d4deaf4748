import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventFrame, exceptionFrame } from '../support/event-stream.ts'
import { startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { bedrockKey, bedrockKeys, beginEventStream, startMockBedrock } from '../support/mock-bedrock.ts'
import { json, type MockOpenAi, requestOf } from '../support/mock-openai.ts'

/** Binary streams, through a whole gateway. */

const model = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const arn = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2'

async function start(t: Lifetime) {
  const amazon = await startMockBedrock(t)
  const retry = { attempts: 2, initial_backoff_ms: 1 }
  const target = { virtual_key: 'bedrock', api_key: bedrockKey, base_url: amazon.url, retry }
  const gateway = await startGateway(t, { config: { targets: [{ ...target, models: [model, arn, 'amazon.gone'] }] } })
  return { gateway, amazon }
}

const tools = [
  {
    type: 'function',
    function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Weather in Oslo?' },
]

function onceOtherwise(mock: MockOpenAi, otherwise: MockOpenAi['answer']): void {
  const usual = mock.answer
  mock.answer = (request, response) => {
    mock.answer = usual
    return otherwise(request, response)
  }
}

test('an answer, a call and a stream of frames go through the gateway, the client’s key does not', async t => {
  const { gateway, amazon } = await start(t)
  const said = await gateway.chat({ model })
  assert.equal(said.status, 200, said.text)
  assert.equal(said.headers['x-gateway-provider'], 'bedrock')
  assert.match(said.text, /"Hello there"/)
  const called = await gateway.chat({ model: arn, messages, tools })
  assert.match(called.text, /"finish_reason":"tool_calls"/)

  const stream = await gateway.stream({ model, messages, tools, stream_options: { include_usage: true } })
  assert.equal(await stream.over, 'ended')
  assert.ok(stream.isDone, stream.text)
  const { usage } = JSON.parse(stream.events.at(-2) ?? '')
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens, usage.cache_read_tokens], [140, 30, 100])
  const without = await gateway.stream({ model })
  await without.over
  assert.ok(without.isDone && !without.text.includes('"usage"'), without.text)
  assert.deepEqual(
    amazon.requests.map(({ path, headers }) => [path, headers.accept, headers.authorization]),
    [
      [`/model/${encodeURIComponent(model)}/converse`, 'application/json'],
      [`/model/${encodeURIComponent(arn)}/converse`, 'application/json'],
      [`/model/${encodeURIComponent(model)}/converse-stream`, 'application/vnd.amazon.eventstream'],
      [`/model/${encodeURIComponent(model)}/converse-stream`, 'application/vnd.amazon.eventstream'],
    ].map(seen => [...seen, `Bearer ${bedrockKey}`]),
  )
  assert.equal(await gateway.metric('gateway_tokens_output_total', { provider: 'bedrock' }), 120)
})

test('without an API key requests are signed as they go out, whatever the id of the model holds', async t => {
  const amazon = await startMockBedrock(t)
  const target = { virtual_key: 'bedrock', ...bedrockKeys, base_url: amazon.url, models: [model, arn] }
  const gateway = await startGateway(t, { config: { targets: [target] } })
  for (const id of [model, arn]) {
    const said = await gateway.chat({ model: id, messages: [{ role: 'user', content: 'Grüß dich 😀' }] })
    assert.equal(said.status, 200, said.text)
    const stream = await gateway.stream({ model: id })
    await stream.over
    assert.ok(stream.isDone, stream.text)
  }
  assert.equal(amazon.requests.length, 4)
  for (const { headers } of amazon.requests)
    assert.match(String(headers.authorization), /Credential=AKIDEXAMPLE\/\d{8}\/eu-west-3\/bedrock\/aws4_request/)
})

test('vectors come one text at a time, pictures and rankings in one piece', async t => {
  const amazon = await startMockBedrock(t, ({ path, body }, response) => {
    const asked = JSON.parse(body.toString())
    if (path === '/rerank') return json(response, 200, '{"results":[{"index":1,"relevanceScore":0.9}]}')
    if (asked.taskType === 'TEXT_IMAGE') return json(response, 200, '{"images":["iVBORw0KGgo="],"error":null}')
    json(response, 200, JSON.stringify({ embedding: [asked.inputText.length], inputTextTokenCount: 2 }))
  })
  const target = { virtual_key: 'bedrock', api_key: bedrockKey, base_url: amazon.url }
  const gateway = await startGateway(t, { config: { targets: [target] } })
  const ask = (path: string, body: object) =>
    gateway.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const vectors = await ask('/v1/embeddings', { model: 'amazon.titan-embed-text-v2:0', input: ['a', 'bb', 'ccc'] })
  assert.equal(vectors.status, 200, vectors.text)
  assert.deepEqual(
    (vectors.json.data as { embedding: number[] }[]).map(({ embedding }) => embedding),
    [[1], [2], [3]],
  )
  assert.deepEqual(vectors.json.usage, { prompt_tokens: 6, total_tokens: 6 })
  const pictures = await ask('/v1/images/generations', { model: 'amazon.nova-canvas-v1:0', prompt: 'a kite' })
  assert.deepEqual(pictures.json.data, [{ b64_json: 'iVBORw0KGgo=' }])
  const ranked = await ask('/v1/rerank', { model: 'amazon.rerank-v1:0', query: 'q', documents: ['a', 'b'], top_n: 1 })
  assert.deepEqual(ranked.json.results, [{ index: 1, relevance_score: 0.9 }])
  assert.deepEqual(
    amazon.requests.map(({ path }) => path),
    [
      ...Array.from({ length: 3 }, () => '/model/amazon.titan-embed-text-v2%3A0/invoke'),
      '/model/amazon.nova-canvas-v1%3A0/invoke',
      '/rerank',
    ],
  )
})

test('an exception before any content is tried again, after it is an error event, as is a stream cut in a frame', async t => {
  const { gateway, amazon } = await start(t)
  const role = eventFrame('messageStart', { role: 'assistant' })
  const hel = eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hel' } })
  const throttled = exceptionFrame('throttlingException', { message: 'Too many tokens' })
  onceOtherwise(amazon, (_, response) => {
    beginEventStream(response)
    response.end(Buffer.concat([role, throttled]))
  })
  const again = await gateway.stream({ model })
  await again.over
  assert.ok(again.isDone, again.text)
  assert.equal(amazon.requests.length, 2)

  const last = eventFrame('messageStop', { stopReason: 'end_turn' })
  const garbled = Buffer.from(last)
  garbled[garbled.length - 1] ^= 1
  for (const rest of [
    throttled,
    Buffer.alloc(0),
    last.subarray(0, 20),
    garbled,
    Buffer.concat([last, hel.subarray(0, 9)]),
  ]) {
    onceOtherwise(amazon, (_, response) => {
      beginEventStream(response)
      response.end(Buffer.concat([role, hel, rest]))
    })
    const broken = await gateway.stream({ model })
    await broken.over
    assert.ok(broken.text.includes('Hel') && !broken.isDone, broken.text)
    assert.equal(broken.error?.type, 'stream_error')
  }
})

test('throttled for good is 429, and what Bedrock says of a request reaches the client', async t => {
  const { gateway, amazon } = await start(t)
  const gone = await gateway.chat({ model: 'amazon.gone' })
  assert.deepEqual([gone.status, gone.error.code], [404, 'model_not_found'])
  const far = [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }]
  const unable = await gateway.chat({ model, messages: [{ role: 'user', content: far }] })
  assert.deepEqual([unable.status, unable.error.code], [400, 'unsupported_parameter'])
  assert.match(unable.error.message, /data URLs only/)
  amazon.answer = (_, response) => json(response, 429, '{"message":"Too many requests"}', { 'retry-after': '7' })
  const limited = await gateway.chat({ model })
  assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '7'])
  amazon.answer = (_, response) => json(response, 403, '{"Message":"User: arn:aws:iam::1:user/x is not authorized"}')
  const denied = await gateway.chat({ model })
  assert.deepEqual([denied.status, denied.error.code], [502, 'upstream_auth_error'])
  assert.ok(!denied.text.includes('arn:aws'))
  const { system } = requestOf(amazon.requests[0])
  assert.equal(system, undefined)
})
