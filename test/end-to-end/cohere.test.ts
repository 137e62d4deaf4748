import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { cohereKey, startMockCohere } from '../support/mock-cohere.ts'
import { beginStream, json, requestOf } from '../support/mock-openai.ts'

/** Cohere through a whole gateway. */

const model = 'command-a-03-2025'

async function start(t: Lifetime, api_key = cohereKey) {
  const upstream = await startMockCohere(t)
  const retry = { attempts: 2, initial_backoff_ms: 1 }
  const target = { virtual_key: 'cohere', api_key, base_url: upstream.url, retry, models: [model, 'command-gone'] }
  return { upstream, gateway: await startGateway(t, { config: { targets: [target] } }) }
}

const tools = [
  {
    type: 'function',
    function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
]
const question = { role: 'user', content: 'Weather in Oslo?' }

interface Message {
  readonly content: string
  readonly tool_calls: { id: string; function: { arguments: string } }[]
}
const messageOf = (answer: { json: Record<string, unknown> }): Message =>
  (answer.json.choices as { message: Message }[])[0].message

test('a question, a call, its result and an answer go through the gateway; the client’s key does not', async t => {
  const { gateway, upstream } = await start(t)
  const called = await gateway.chat({ model, messages: [question], tools, temperature: 1.5, top_p: 1, n: 1 })
  assert.equal(called.status, 200, called.text)
  assert.equal(called.headers['x-gateway-provider'], 'cohere')
  const message = messageOf(called)
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: 'Oslo' })
  const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '4 C' }
  const answered = await gateway.chat({ model, messages: [question, message, result], tools })
  assert.equal(messageOf(answered).content, 'The tool says: 4 C')
  for (const { headers } of upstream.requests) assert.equal(headers.authorization, `Bearer ${cohereKey}`)
  assert.equal(await gateway.metric('gateway_tokens_output_total', { provider: 'cohere' }), 60)
})

test('a stream ends with [DONE], which Cohere has not, and with usage where it was asked for', async t => {
  const { gateway } = await start(t)
  const stream = await gateway.stream({ model, messages: [question], tools, stream_options: { include_usage: true } })
  assert.equal(await stream.over, 'ended')
  assert.ok(stream.isDone, stream.text)
  assert.deepEqual(JSON.parse(stream.events.at(-2) ?? '').usage.prompt_tokens, 140)
  const without = await gateway.stream({ model })
  await without.over
  assert.ok(without.isDone && !without.text.includes('"usage"'), without.text)
})

test('an end with an error in it is no success: asked again before the first word, an error event after it', async t => {
  const { gateway, upstream } = await start(t)
  const usual = upstream.answer
  const begun = 'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hel"}}}}\n\n'
  const broken =
    'data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"internal failure","usage":{}}}\n\n'
  for (const head of ['', begun]) {
    const before = upstream.requests.length
    upstream.answer = (_, response) => {
      upstream.answer = usual
      beginStream(response)
      response.end(
        `data: {"type":"message-start","id":"c","delta":{"message":{"role":"assistant"}}}\n\n${head}${broken}`,
      )
    }
    const stream = await gateway.stream({ model })
    await stream.over
    assert.equal(stream.isDone, head === '', stream.text)
    assert.equal(upstream.requests.length - before, head === '' ? 2 : 1)
    if (head !== '') assert.equal(stream.error?.type, 'stream_error')
  }
  upstream.answer = (_, response) => {
    upstream.answer = usual
    beginStream(response)
    response.end(begun)
  }
  const cut = await gateway.stream({ model })
  await cut.over
  assert.equal(cut.error?.type, 'stream_error', 'one that stops without an end is no success either')
})

test('what Cohere says of errors becomes what OpenAI’s clients understand', async t => {
  const { gateway, upstream } = await start(t)
  const gone = await gateway.chat({ model: 'command-gone' })
  assert.deepEqual([gone.status, gone.error.code], [404, 'model_not_found'])
  const content = [{ type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } }]
  const unable = await gateway.chat({ model, messages: [{ role: 'user', content }] })
  assert.deepEqual([unable.status, unable.error.code], [400, 'unsupported_parameter'])
  const usual = upstream.answer
  for (const [status, expected, requests] of [
    [498, 'upstream_auth_error', 1],
    [499, '', 2],
    [400, 'invalid_request', 1],
  ] as const) {
    const before = upstream.requests.length
    upstream.answer = (_, response) => {
      upstream.answer = usual
      json(response, status, '{"message":"no"}')
    }
    const answer = await gateway.chat({ model })
    assert.equal(answer.status === 200 ? '' : answer.error.code, expected, String(status))
    assert.equal(upstream.requests.length - before, requests, String(status))
  }
  assert.equal(requestOf(upstream.requests[0]).model, 'command-gone')
})

test('a wrong key is the gateway’s trouble, not the client’s', async t => {
  const { gateway } = await start(t, 'co-wrong')
  const answer = await gateway.chat({ model })
  assert.deepEqual([answer.status, answer.error.code], [502, 'upstream_auth_error'])
})
