import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { anthropic } from '../../providers/anthropic.ts'
import { bedrock } from '../../providers/bedrock.ts'
import { cohere } from '../../providers/cohere.ts'
import { geminiSchema } from '../../providers/dialects/gemini/schema.ts'
import { gemini } from '../../providers/gemini.ts'
import { Failure } from '../../src/core/failures.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { ChatRequest, Provider } from '../../src/core/provider.ts'
import { framings } from '../../src/upstream/framing/index.ts'
import { accumulate } from '../support/accumulate.ts'
import { anthropicKey, signature, startMockAnthropic } from '../support/mock-anthropic.ts'
import { bedrockKey, startMockBedrock } from '../support/mock-bedrock.ts'
import { cohereKey, startMockCohere } from '../support/mock-cohere.ts'
import { geminiKey, startMockGemini, thoughtSignature } from '../support/mock-gemini.ts'

/** Whole conversations with upstreams that refuse whatever the vendor would refuse. */

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: ['string', 'null'] } }, additionalProperties: false },
    strict: true,
  },
}
const question = { role: 'user', content: 'Weather in Oslo?' }

interface Side {
  readonly provider: Provider
  readonly settings: Readonly<Record<string, string>>
  readonly model: string
  readonly isWithoutThoughts?: boolean
}

const sides: Readonly<Record<string, (t: TestContext) => Promise<Side>>> = {
  'Claude with a budget': t => claude(t, 'claude-sonnet-4-5'),
  'Claude that adapts': t => claude(t, 'claude-opus-4-7'),
  'Claude at Bedrock': t => amazon(t, 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'),
  'older Claude at Bedrock': t => amazon(t, 'anthropic.claude-3-7-sonnet-20250219-v1:0'),
  'Claude that adapts at Bedrock': t => amazon(t, 'global.anthropic.claude-opus-4-7-v1:0'),
  'Nova 2': t => amazon(t, 'us.amazon.nova-2-lite-v1:0'),
  'Gemini 2.5': t => google(t, 'gemini-2.5-flash'),
  'Gemini 3': t => google(t, 'gemini-3-pro-preview'),
  'Command A': async t => ({ ...(await command(t, 'command-a-03-2025')), isWithoutThoughts: true }),
  'Command A that thinks': t => command(t, 'command-a-reasoning-08-2025'),
}

async function claude(t: TestContext, model: string): Promise<Side> {
  const { url } = await startMockAnthropic(t)
  return { provider: anthropic, model, settings: { apiKey: anthropicKey, baseUrl: `${url}/v1` } }
}

async function amazon(t: TestContext, model: string): Promise<Side> {
  const { url } = await startMockBedrock(t)
  const empty = Object.fromEntries(Object.keys(bedrock.settings).map(name => [name, '']))
  return { provider: bedrock, model, settings: { ...empty, apiKey: bedrockKey, baseUrl: url } }
}

async function google(t: TestContext, model: string): Promise<Side> {
  const { url } = await startMockGemini(t)
  return { provider: gemini, model, settings: { apiKey: geminiKey, baseUrl: url } }
}

async function command(t: TestContext, model: string): Promise<Side> {
  const { url } = await startMockCohere(t)
  return { provider: cohere, model, settings: { apiKey: cohereKey, baseUrl: url } }
}

/** What a client gets, as a whole answer. */
async function ask({ provider, settings, model }: Side, request: JsonObject, stream: boolean): Promise<JsonObject> {
  const codec = provider.codecs.chat
  assert.ok(codec?.encode)
  const target = {
    model,
    settings,
    stream,
    requestId: crypto.randomUUID().replaceAll('-', ''),
    nowMs: 1_767_225_605_432,
  }
  const body = codec.encode({ model, ...request } as ChatRequest, target)
  assert.ok(!(body instanceof Failure), body instanceof Failure ? body.message : '')
  const auth = provider.auth(settings)
  assert.ok(auth.scheme === 'header' || auth.scheme === 'bearer')
  const [header, value] = auth.scheme === 'header' ? [auth.name, auth.value] : ['authorization', `Bearer ${auth.token}`]
  const response = await fetch(provider.origin(settings) + codec.path(target), {
    method: 'POST',
    headers: { 'content-type': 'application/json', [header]: value, ...codec.headers },
    body: JSON.stringify(body),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  const text = bytes.toString()
  assert.equal(response.status, 200, text)
  if (!stream) {
    const decoded = codec.decode(JSON.parse(text), target)
    assert.ok('body' in decoded)
    return decoded.body
  }
  const decoder = codec.events(target)
  const chunks: JsonObject[] = []
  const parser = framings[codec.framing]!.create({ maxBytes: 1 << 20 }, event => {
    const read = decoder.decode(event)
    assert.notEqual(read.kind, 'failure')
    if (read.kind === 'chunks') chunks.push(...read.chunks)
  })
  assert.equal(parser.push(bytes), null)
  chunks.push(...(decoder.end?.() ?? []))
  return accumulate(chunks)
}

const messageOf = (answer: JsonObject): JsonObject => (answer.choices as { message: JsonObject }[])[0].message
const finishOf = (answer: JsonObject): unknown => (answer.choices as JsonObject[])[0].finish_reason

for (const [name, start] of Object.entries(sides))
  for (const stream of [false, true]) {
    const how = stream ? 'in a stream' : 'in one piece'

    test(`${name}: thoughts, a call and its result make a conversation ${how}`, async t => {
      const side = await start(t)
      const request = { tools: [weather], reasoning_effort: 'medium', temperature: 0.5, max_completion_tokens: 20_000 }
      const first = await ask(side, { ...request, messages: [question] }, stream)
      const message = messageOf(first)
      assert.equal(finishOf(first), 'tool_calls')
      assert.equal(message.reasoning_content, side.isWithoutThoughts ? undefined : 'Let me think.')
      const [call] = message.tool_calls as { id: string; function: { name: string; arguments: string } }[]
      assert.equal(call.function.name, 'get_weather')
      assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Oslo' })
      // As clients do: the message goes back as it came.
      const result = { role: 'tool', tool_call_id: call.id, content: '4 C' }
      const second = await ask(side, { ...request, messages: [question, message, result] }, stream)
      assert.equal(finishOf(second), 'stop')
      assert.match(String(messageOf(second).content), /^The tool says: .*4 C/)
    })

    test(`${name}: a client that keeps nothing but the call, or declares no tools any more, goes on ${how}`, async t => {
      const side = await start(t)
      const call = { id: 'call:1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }
      const messages = [
        question,
        { role: 'assistant', content: '', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call:1', content: '4 C' },
      ]
      for (const tools of [[weather], undefined]) {
        const answer = await ask(side, { messages, tools, reasoning_effort: 'low' }, stream)
        assert.match(String(messageOf(answer).content), /4 C/)
      }
    })

    test(`${name}: JSON is what comes when JSON is asked for ${how}`, async t => {
      const side = await start(t)
      const schema = {
        type: 'object',
        properties: { t: { type: 'number', exclusiveMinimum: 0 } },
        additionalProperties: false,
      }
      for (const response_format of [
        { type: 'json_object' },
        { type: 'json_schema', json_schema: { name: 'x', schema } },
      ]) {
        const answer = await ask(side, { messages: [question], response_format, reasoning_effort: 'high' }, stream)
        assert.equal(finishOf(answer), 'stop')
        if (response_format.type === 'json_object')
          assert.doesNotThrow(() => JSON.parse(String(messageOf(answer).content)))
      }
    })
  }

test('signatures are on what comes, where the next turn looks for them', async t => {
  const request = { messages: [question], tools: [weather], reasoning_effort: 'low' }
  for (const stream of [false, true]) {
    const [thought] = messageOf(await ask(await claude(t, 'claude-sonnet-4-5'), request, stream))
      .thinking_blocks as JsonObject[]
    assert.deepEqual({ ...thought, index: 0 }, { index: 0, type: 'thinking', thinking: 'Let me think.', signature })
    const [call] = messageOf(await ask(await google(t, 'gemini-3-pro-preview'), request, stream))
      .tool_calls as JsonObject[]
    assert.deepEqual(call.extra_content, { google: { thought_signature: thoughtSignature } })
  }
})

test('a schema whose references double at every step costs no more than its size', () => {
  const $defs = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => {
      const next = { $ref: `#/$defs/d${i + 1}` }
      return [`d${i}`, { type: 'object', properties: { a: next, b: next } }]
    }),
  )
  const schema = { type: 'object', properties: { a: { $ref: '#/$defs/d0' } }, $defs }
  assert.equal(geminiSchema(schema), null)
})
