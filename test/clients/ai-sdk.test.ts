import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, embedMany, generateImage, generateText, Output, stepCountIs, streamText, tool } from 'ai'
import { z } from 'zod'
import { masterKey } from '../support/gateway.ts'
import { thoughtSignature } from '../support/mock-gemini.ts'
import { beginStream, json } from '../support/mock-openai.ts'
import { vector } from '../support/mock-surfaces.ts'
import { eventually } from '../support/raw-client.ts'
import { models, startNative } from './native.ts'

/** Vercel's AI SDK, which checks every answer and event against schemas of its own. https://ai-sdk.dev */

async function setUp(t: TestContext) {
  const { url, upstreams } = await startNative(t)
  const client = (name = 'ferrite', apiKey = masterKey) =>
    createOpenAICompatible({
      name,
      apiKey,
      baseURL: `${url}/v1`,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })
  return { upstreams, client }
}

const tools = {
  get_weather: tool({
    description: 'The weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  }),
}

const agent = { prompt: 'Weather in Oslo?', tools, stopWhen: stepCountIs(3), maxRetries: 0 }

for (const id of ['anthropic', 'gemini', 'bedrock', 'cohere'] as const)
  test(`${id}: the AI SDK thinks, calls a tool and hears of its result, in answers and in streams`, async t => {
    const { upstreams, client } = await setUp(t)
    const model = client().chatModel(models[id])
    const providerOptions = { ferrite: { reasoningEffort: 'low' } }
    const whole = await generateText({ ...agent, model, providerOptions })
    const stream = streamText({ ...agent, model, providerOptions })
    await stream.consumeStream({ onError: error => assert.fail(String(error)) })
    const [steps, usage] = [await stream.steps, await stream.totalUsage]

    for (const taken of [whole.steps, steps]) {
      assert.deepEqual(
        taken.map(({ finishReason }) => finishReason),
        ['tool-calls', 'stop'],
      )
      assert.deepEqual(
        taken[0].toolCalls.map(({ toolName, input }) => [toolName, input]),
        [['get_weather', { city: 'Oslo' }]],
      )
      assert.notEqual(taken[0].reasoningText ?? '', '')
      assert.match(taken[1].text, /sunny in Oslo/)
    }
    assert.deepEqual(usage, whole.totalUsage)
    assert.ok((usage.inputTokens ?? 0) > 0 && (usage.outputTokens ?? 0) > 0)
    assert.equal(upstreams[id].requests.length, 4)
  })

test('gemini: what signs a thought comes back from the AI SDK where its provider is called google', async t => {
  const { upstreams, client } = await setUp(t)
  const model = client('google').chatModel(models.gemini)
  await generateText({ ...agent, model })
  await streamText({ ...agent, model }).consumeStream()
  const [, whole, , streamed] = upstreams.gemini.requests.map(({ body }) => body.toString())
  for (const body of [whole, streamed]) assert.ok(body.includes(`"thoughtSignature":"${thoughtSignature}"`), body)
})

test('the AI SDK gets objects of its schema, vectors and pictures', async t => {
  const { client } = await setUp(t)
  const ferrite = client()
  const output = Output.object({ schema: z.object({ t: z.number() }) })
  for (const id of ['gemini', 'bedrock', 'cohere'] as const) {
    const said = await generateText({ model: ferrite.chatModel(models[id]), prompt: 'Hi', output, maxRetries: 0 })
    assert.deepEqual(said.output, { t: 4 }, id)
  }
  const values = ['a', 'b']
  const { embeddings } = await embedMany({ model: ferrite.embeddingModel('text-embedding-3-small'), values })
  assert.deepEqual(embeddings, [
    [...vector, 0],
    [...vector, 1],
  ])
  const { image } = await generateImage({ model: ferrite.imageModel('dall-e-3'), prompt: 'A kite' })
  assert.equal(image.base64, 'iVBORw0KGgo=')
})

const failures: readonly [upstream: number, status: number, isRetryable: boolean][] = [
  [400, 400, false],
  [429, 429, true],
  [503, 502, true],
]

test('the AI SDK sees failures as what they are, and tries again only what may succeed', async t => {
  const { upstreams, client } = await setUp(t)
  const model = client().chatModel(models.anthropic)
  for (const [upstream, status, isRetryable] of failures) {
    upstreams.anthropic.answer = (_, response) =>
      json(response, upstream, '{"type":"error","error":{"type":"some_error","message":"no luck"}}')
    const seen: unknown[] = []
    await assert.rejects(generateText({ model, prompt: 'Hi', maxRetries: 0 }), error => seen.push(error) > 0)
    await streamText({
      model,
      prompt: 'Hi',
      maxRetries: 0,
      onError: ({ error }) => void seen.push(error),
    }).consumeStream()
    assert.equal(seen.length, 2)
    for (const error of seen) {
      assert.ok(APICallError.isInstance(error), String(error))
      assert.deepEqual([error.statusCode, error.isRetryable], [status, isRetryable])
    }
  }
  const stranger = client('ferrite', 'fgw_wrong').chatModel(models.openai)
  await assert.rejects(generateText({ model: stranger, prompt: 'Hi', maxRetries: 0 }), { statusCode: 401 })
})

test('a stream that breaks off ends in an error for the AI SDK, after what had come', async t => {
  const { upstreams, client } = await setUp(t)
  upstreams.anthropic.answer = (_, response) => {
    beginStream(response)
    const block = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'Hel' } }
    response.end(`data: ${JSON.stringify(block)}\n\n`)
  }
  const errors: unknown[] = []
  const model = client().chatModel(models.anthropic)
  const stream = streamText({ model, prompt: 'Hi', maxRetries: 0, onError: ({ error }) => void errors.push(error) })
  await stream.consumeStream()
  assert.equal(await stream.text, 'Hel')
  assert.equal(await stream.finishReason, 'error')
  assert.equal(errors.length, 1)
})

test('a stream that the AI SDK aborts is cancelled at the provider', async t => {
  const { upstreams, client } = await setUp(t)
  upstreams.anthropic.answer = (_, response) => {
    beginStream(response)
    const block = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'Hel' } }
    response.write(`data: ${JSON.stringify(block)}\n\n`)
  }
  const aborter = new AbortController()
  const model = client().chatModel(models.anthropic)
  for await (const part of streamText({ model, prompt: 'Hi', abortSignal: aborter.signal }).fullStream)
    if (part.type === 'text-delta') aborter.abort()
  await eventually(() => upstreams.anthropic.aborted === 1, 'the provider to hear of it')
})
