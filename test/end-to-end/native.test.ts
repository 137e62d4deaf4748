import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { anthropicKey, startMockAnthropic } from '../support/mock-anthropic.ts'
import { geminiKey, startMockGemini } from '../support/mock-gemini.ts'
import { beginStream, json, type MockOpenAi, requestOf } from '../support/mock-openai.ts'

// Listed, because a base URL of one's own takes any model otherwise.
const claudes = ['claude-sonnet-4-5', 'claude-gone', 'either']
const geminis = ['gemini-2.5-flash', 'gemini-gone', 'either']

/** Providers with wire formats of their own, through a whole gateway. */
async function start(t: Lifetime, config: object = {}) {
  const claude = await startMockAnthropic(t)
  const google = await startMockGemini(t)
  const retry = { attempts: 2, initial_backoff_ms: 1 }
  const gateway = await startGateway(t, {
    config: {
      targets: [
        { virtual_key: 'anthropic', api_key: anthropicKey, base_url: claude.url, retry, models: claudes },
        { virtual_key: 'gemini', api_key: geminiKey, base_url: `${google.url}/v1beta/`, retry, models: geminis },
      ],
      ...config,
    },
  })
  return { gateway, claude, google }
}

const models = { anthropic: 'claude-sonnet-4-5', gemini: 'gemini-2.5-flash' }
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

interface Choice {
  readonly message: { readonly content: string | null; readonly tool_calls?: { function: { arguments: string } }[] }
  readonly finish_reason: string
}

const choiceOf = (answer: { json: Record<string, unknown> }): Choice => (answer.json.choices as Choice[])[0]

/** Its first request is answered another way, the others as ever. */
function onceOtherwise(mock: MockOpenAi, otherwise: MockOpenAi['answer']): void {
  const usual = mock.answer
  mock.answer = (request, response) => {
    mock.answer = usual
    return otherwise(request, response)
  }
}

for (const [provider, model] of Object.entries(models)) {
  const mockOf = ({ claude, google }: Awaited<ReturnType<typeof start>>): MockOpenAi =>
    provider === 'gemini' ? google : claude

  test(`${provider}: an answer, a call and a stream go through the gateway, the client’s key does not`, async t => {
    const parts = await start(t)
    const { gateway } = parts
    const said = await gateway.chat({ model })
    assert.equal(said.status, 200, said.text)
    assert.equal(choiceOf(said).message.content, 'Hello there')
    assert.equal(said.headers['x-gateway-provider'], provider)

    const called = await gateway.chat({ model, messages, tools })
    assert.equal(choiceOf(called).finish_reason, 'tool_calls')
    assert.deepEqual(JSON.parse(choiceOf(called).message.tool_calls?.[0].function.arguments ?? ''), { city: 'Oslo' })

    const stream = await gateway.stream({ model, messages, tools, stream_options: { include_usage: true } })
    assert.equal(await stream.over, 'ended')
    assert.ok(stream.isDone, stream.text)
    const usage = JSON.parse(stream.events.at(-2) ?? '').usage
    assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens === 30, JSON.stringify(usage))
    const without = await gateway.stream({ model })
    await without.over
    assert.ok(without.isDone && !without.text.includes('"usage"'), without.text)
    assert.equal(mockOf(parts).requests.length, 4)
    for (const { headers } of mockOf(parts).requests) assert.equal(headers.authorization, undefined)
    assert.equal(await gateway.metric('gateway_tokens_output_total', { provider }), 120)
  })

  test(`${provider}: a stream that breaks off is an error event, one that breaks before any content is tried again`, async t => {
    const parts = await start(t)
    const { gateway } = parts
    const mock = mockOf(parts)
    const error =
      provider === 'gemini'
        ? '[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]'
        : '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    onceOtherwise(mock, (_, response) => {
      beginStream(response)
      response.end(`data: ${error}\n\n`)
    })
    const again = await gateway.stream({ model })
    await again.over
    assert.ok(again.isDone, again.text)
    assert.equal(mock.requests.length, 2)

    const begun =
      provider === 'gemini'
        ? '{"candidates":[{"content":{"parts":[{"text":"Hel"}]},"index":0}]}'
        : '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hel"}}'
    for (const rest of [`data: ${error}\n\n`, '']) {
      onceOtherwise(mock, (_, response) => {
        beginStream(response)
        response.end(`data: ${begun}\n\n${rest}`)
      })
      const broken = await gateway.stream({ model })
      await broken.over
      assert.ok(broken.text.includes('Hel') && !broken.isDone, broken.text)
      assert.equal(broken.error?.type, 'stream_error')
    }
  })

  test(`${provider}: what it says of errors becomes what OpenAI’s clients understand`, async t => {
    const parts = await start(t)
    const { gateway } = parts
    const mock = mockOf(parts)
    const gone = await gateway.chat({ model: provider === 'gemini' ? 'gemini-gone' : 'claude-gone' })
    assert.deepEqual([gone.status, gone.error.code], [404, 'model_not_found'])

    const unable = await gateway.chat({ model, messages: [{ role: 'user', content: [{ type: 'hologram' }] }] })
    assert.deepEqual(
      [unable.status, unable.error.code, unable.error.param],
      [400, 'unsupported_parameter', 'messages[0].content[0]'],
    )

    const wait =
      provider === 'gemini'
        ? '[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"45s"}]}}]'
        : '{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    onceOtherwise(mock, (_, response) =>
      json(response, 429, wait, provider === 'gemini' ? {} : { 'retry-after': '45' }),
    )
    const limited = await gateway.chat({ model })
    assert.deepEqual(
      [limited.status, limited.error.code, limited.headers['retry-after']],
      [429, 'rate_limit_exceeded', '45'],
    )

    const before = mock.requests.length
    onceOtherwise(mock, (_, response) =>
      json(response, provider === 'gemini' ? 503 : 529, '{"error":{"message":"Overloaded"}}'),
    )
    assert.equal((await gateway.chat({ model })).status, 200)
    assert.equal(mock.requests.length, before + 2, 'an overloaded upstream is asked again')
  })
}

test('a wrong key at Gemini is the gateway’s trouble, not the client’s', async t => {
  const google = await startMockGemini(t)
  const gateway = await startGateway(t, {
    config: { targets: [{ virtual_key: 'gemini', api_key: 'AIza-wrong', base_url: google.url }] },
  })
  const answer = await gateway.chat({ model: models.gemini })
  assert.deepEqual([answer.status, answer.error.code], [502, 'upstream_auth_error'])
})

test('an operator may have parameters without a place refused', async t => {
  const { gateway, claude } = await start(t, { compatibility: { on_unsupported_param: 'reject' } })
  const refused = await gateway.chat({ model: models.anthropic, n: 2, seed: 1 })
  assert.deepEqual([refused.status, refused.error.code, refused.error.param], [400, 'unsupported_parameter', 'n'])
  assert.match(refused.error.message, /`n`, `seed`/)
  assert.equal(claude.requests.length, 0)
})

test('what one provider is too busy for, or can’t take at all, the next one answers', async t => {
  const { gateway, claude, google } = await start(t)
  claude.answer = (_, response) =>
    json(response, 529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
  const answer = await gateway.chat({ model: 'either' })
  assert.deepEqual([answer.status, answer.headers['x-gateway-provider']], [200, 'gemini'])
  assert.equal(claude.requests.length, 2)
  assert.equal(requestOf(claude.requests[0]).max_tokens, 8192)
  assert.deepEqual(Object.keys(requestOf(google.requests[0])), ['contents'])

  const content = [{ type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } }]
  const heard = await gateway.chat({ model: 'either', messages: [{ role: 'user', content }] })
  assert.deepEqual([heard.status, heard.headers['x-gateway-provider']], [200, 'gemini'])
  assert.equal(claude.requests.length, 2)
})
