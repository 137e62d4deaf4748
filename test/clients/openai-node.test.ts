import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { type TestContext, test } from 'node:test'
import { gateway, masterKey, startUpstream } from './upstream.ts'

/** The part of OpenAI's SDK that is used here: it is a client like any other, and may be absent. */
interface Sdk {
  new (options: { baseURL: string; apiKey: string; maxRetries: number }): Client
  readonly [error: `${string}Error`]: new () => Error
}
interface AzureSdk {
  new (options: {
    endpoint: string
    apiKey: string
    apiVersion: string
    deployment?: string
    maxRetries: number
  }): Client
}
interface Client {
  readonly chat: { readonly completions: { create(body: object): Call } }
  readonly models: {
    list(): AsyncIterable<{ id: string; owned_by: string }>
    retrieve(id: string): Promise<{ id: string }>
  }
}
interface Call extends Promise<Completion & Stream> {
  withResponse(): Promise<{ data: Completion; response: Response }>
}
interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[]
  readonly usage: { readonly total_tokens: number }
}
interface Stream extends AsyncIterable<Chunk> {
  readonly controller: AbortController
}
interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[]
  readonly usage?: { readonly total_tokens: number } | null
}

const sdks = load()
const sdk = sdks?.OpenAI ?? null
const options = { skip: sdk === null && 'the package openai is not installed' }

function load(): { OpenAI: Sdk; AzureOpenAI: AzureSdk } | null {
  try {
    return createRequire(import.meta.url)('openai') as { OpenAI: Sdk; AzureOpenAI: AzureSdk }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null
    throw error
  }
}

const client = (url: string, apiKey = masterKey): Client => new sdk!({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 })
const ask = (model: string, more: object = {}) => ({ model, messages: [{ role: 'user', content: 'Hi' }], ...more })

async function setUp(t: TestContext) {
  const upstream = await startUpstream(t)
  const { url } = await gateway(t, upstream.url)
  return { upstream, url, openai: client(url) }
}

async function textOf(stream: AsyncIterable<Chunk>): Promise<string> {
  let text = ''
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
  return text
}

test('the Node SDK gets an answer, its usage and its request id', options, async t => {
  const { openai } = await setUp(t)
  const { data, response } = await openai.chat.completions.create(ask('gpt-4o-mini')).withResponse()
  assert.equal(data.choices[0].message.content, 'Hello, world!')
  assert.equal(data.choices[0].finish_reason, 'stop')
  assert.equal(data.usage.total_tokens, 7)
  assert.match(response.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/)
  assert.equal(response.headers.get('x-gateway-provider'), 'openai')
})

test('the Node SDK reads a stream to its end', options, async t => {
  const { openai } = await setUp(t)
  assert.equal(
    await textOf(await openai.chat.completions.create(ask('gpt-4o-mini', { stream: true }))),
    'Hello, world!',
  )
})

test('the Node SDK gets the usage of a stream exactly when it asks for it', options, async t => {
  const { openai } = await setUp(t)
  const usages = async (more: object): Promise<number[]> => {
    const found: number[] = []
    const stream = await openai.chat.completions.create(ask('gpt-4o-mini', { stream: true, ...more }))
    for await (const { usage } of stream) if (usage != null) found.push(usage.total_tokens)
    return found
  }
  assert.deepEqual(await usages({ stream_options: { include_usage: true } }), [7])
  assert.deepEqual(await usages({}), [])
})

test('the Node SDK lists models, and finds one', options, async t => {
  const { openai } = await setUp(t)
  const ids: string[] = []
  for await (const { id } of openai.models.list()) ids.push(id)
  assert.ok(ids.includes('gpt-4o-mini'))
  assert.equal((await openai.models.retrieve('gpt-4o-mini')).id, 'gpt-4o-mini')
})

test('the Node SDK talks to the demo, with and without streaming', options, async t => {
  const { url } = await gateway(t)
  const openai = client(url)
  const whole = await openai.chat.completions.create(ask('demo'))
  assert.match(whole.choices[0].message.content, /demo provider/)
  assert.match(await textOf(await openai.chat.completions.create(ask('demo', { stream: true }))), /demo provider/)
})

const refusals: readonly [model: string, error: `${string}Error`, status: number, code: string][] = [
  ['status-400', 'BadRequestError', 400, 'invalid_request'],
  // The key the provider refuses is the gateway's: nothing that this client could change.
  ['status-401', 'InternalServerError', 502, 'upstream_auth_error'],
  ['status-404', 'NotFoundError', 404, 'model_not_found'],
  ['status-429', 'RateLimitError', 429, 'rate_limit_exceeded'],
  ['status-500', 'InternalServerError', 502, 'upstream_error'],
]

for (const [model, error, status, code] of refusals) {
  for (const stream of [false, true]) {
    test(
      `when the provider says ${model.slice(7)}${stream ? ' to a stream' : ''}, the Node SDK throws ${error}`,
      options,
      async t => {
        const { openai } = await setUp(t)
        await assert.rejects(openai.chat.completions.create(ask(model, { stream })), thrown => {
          assert.ok(thrown instanceof sdk![error], String(thrown))
          assert.deepEqual(
            [(thrown as unknown as { status: number }).status, (thrown as unknown as { code: string }).code],
            [status, code],
          )
          return true
        })
      },
    )
  }
}

test('a wrong key throws AuthenticationError, a body without messages BadRequestError', options, async t => {
  const { url, openai } = await setUp(t)
  await assert.rejects(client(url, 'fgw_wrong').chat.completions.create(ask('gpt-4o-mini')), sdk!.AuthenticationError)
  await assert.rejects(openai.chat.completions.create({ model: 'gpt-4o-mini' }), sdk!.BadRequestError)
})

test('a stream that breaks off throws APIError after what had come', options, async t => {
  const { openai } = await setUp(t)
  const stream = await openai.chat.completions.create(ask('broken', { stream: true }))
  let text = ''
  await assert.rejects(async () => {
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
  }, sdk!.APIError)
  assert.equal(text, 'Hello, world!')
})

test('a stream that the Node SDK abandons is cancelled at the provider', options, async t => {
  const { openai, upstream } = await setUp(t)
  const stream = await openai.chat.completions.create(ask('endless', { stream: true }))
  for await (const { choices } of stream) if (choices[0]?.delta.content === '!') break
  for (let tries = 0; upstream.cancelled.length === 0 && tries < 500; tries++)
    await new Promise(resolve => setTimeout(resolve, 10))
  assert.deepEqual(upstream.cancelled, ['endless'])
})

test(
  'the Node SDK’s client for Azure says its model in the path or in the body, and its key in a header',
  options,
  async t => {
    const { url } = await setUp(t)
    const azure = (deployment?: string, apiKey = masterKey): Client =>
      new sdks!.AzureOpenAI({ endpoint: url, apiKey, apiVersion: '2024-10-21', deployment, maxRetries: 0 })
    const inPath = azure('gpt-4o-mini')
    const whole = await inPath.chat.completions.create(ask(''))
    assert.equal(whole.choices[0].message.content, 'Hello, world!')
    assert.equal(await textOf(await inPath.chat.completions.create(ask('', { stream: true }))), 'Hello, world!')
    const named = await azure().chat.completions.create(ask('gpt-4o-mini'))
    assert.equal(named.usage.total_tokens, 7)
    await assert.rejects(azure('gpt-4o-mini', 'fgw_wrong').chat.completions.create(ask('')), sdk!.AuthenticationError)
  },
)
