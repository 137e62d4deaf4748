import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Gateway, startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { answerAsAnthropic, anthropicKey, startMockAnthropic } from '../support/mock-anthropic.ts'
import { geminiKey, startMockGemini } from '../support/mock-gemini.ts'
import { answerAsOpenAi, json, type MockOpenAi, requestOf, startMockOpenAi } from '../support/mock-openai.ts'
import {
  databricksClient,
  databricksTokens,
  entraTenant,
  entraTokens,
  googleTokens,
  type ServiceAccount,
  serviceAccount,
} from '../support/mock-tokens.ts'
import { startMockVertex } from '../support/mock-vertex.ts'

/** Clouds that serve models of several makers to whoever has a token. */

interface Vertex {
  readonly gateway: Gateway
  readonly vertex: MockOpenAi
  readonly tokens: MockOpenAi
}

async function startVertex(t: Lifetime, more: object = {}): Promise<Vertex> {
  let account: ServiceAccount | null = null
  const tokens = await startMockOpenAi(
    t,
    googleTokens(() => account!, Date.now),
  )
  account = serviceAccount(`${tokens.url}/token`)
  const vertex = await startMockVertex(t, {
    project: 'p1',
    region: 'europe-west4',
    authorization: token => /^ya29\.\d+$/.test(token),
  })
  const gateway = await startGateway(t, {
    config: {
      targets: [
        {
          virtual_key: 'vertex-ai',
          project_id: 'p1',
          region: 'europe-west4',
          base_url: vertex.url,
          service_account_json: account.json,
          models: ['1234567890', 'google/gemini-2.5-flash', 'mistralai/mistral-small-2503'],
          ...more,
        },
      ],
    },
  })
  return { gateway, vertex, tokens }
}

const contentOf = ({ json }: { json: Record<string, unknown> }): unknown =>
  (json.choices as { message: { content: unknown } }[])[0].message.content

test('Vertex AI: one service account, one token, and each model in the format of its makers', async t => {
  const { gateway, vertex, tokens } = await startVertex(t)
  for (const [model, content] of [
    ['gemini-2.5-flash', 'Hello there'],
    ['google/gemini-2.5-flash', 'Hello there'],
    ['claude-sonnet-4-5@20250929', 'Hello there'],
    ['mistralai/mistral-small-2503', 'Hello there'],
    ['meta/llama-4-maverick-17b-128e-instruct-maas', 'Hello there'],
    ['1234567890', 'Hello there'],
  ]) {
    const answer = await gateway.chat({ model })
    assert.equal(answer.status, 200, `${model}: ${answer.text}`)
    assert.equal(contentOf(answer), content, model)
    const stream = await gateway.stream({ model })
    assert.equal(await stream.over, 'ended', model)
    assert.ok(stream.isDone, `${model}: ${stream.text}`)
  }
  assert.equal(vertex.requests.length, 12)
  // Several threads may each fetch one, but none of them a second.
  assert.ok(tokens.requests.length <= 2, `${tokens.requests.length} tokens`)
})

test('Vertex AI: a conversation with tools goes there and back', async t => {
  const { gateway } = await startVertex(t)
  const parameters = { type: 'object', properties: { city: { type: 'string' } } }
  const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }]
  for (const model of ['gemini-2.5-flash', 'claude-sonnet-4-5@20250929']) {
    const messages: object[] = [{ role: 'user', content: 'Weather in Oslo?' }]
    const first = await gateway.chat({ model, messages, tools })
    const [{ message }] = first.json.choices as { message: { tool_calls: { id: string }[] } }[]
    assert.equal(message.tool_calls?.length, 1, first.text)
    messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '4 C' })
    const second = await gateway.chat({ model, messages, tools })
    assert.match(String(contentOf(second)), /4 C/, second.text)
  }
})

test('Vertex AI: embeddings and pictures, more of them than one call takes', async t => {
  const { gateway, vertex } = await startVertex(t)
  const body = JSON.stringify({ model: 'gemini-embedding-001', input: ['a', 'bb', 'ccc'] })
  const embedded = await gateway.fetch('/v1/embeddings', { method: 'POST', body })
  assert.equal(embedded.status, 200, embedded.text)
  assert.deepEqual(
    (embedded.json.data as { embedding: number[] }[]).map(({ embedding }) => embedding[0]),
    [1, 2, 3],
  )
  assert.equal(vertex.requests.length, 3)

  const drawn = await gateway.fetch('/v1/images/generations', {
    method: 'POST',
    body: JSON.stringify({ model: 'imagen-4.0-ultra-generate-001', prompt: 'a kite', n: 2 }),
  })
  assert.equal((drawn.json.data as unknown[])?.length, 2, drawn.text)
})

test('Gemini: embeddings, pictures and speech', async t => {
  const google = await startMockGemini(t)
  const gateway = await startGateway(t, {
    config: { targets: [{ virtual_key: 'gemini', api_key: geminiKey, base_url: google.url }] },
  })
  const input = Array.from({ length: 150 }, (_, i) => 'x'.repeat(i + 1))
  const embedded = await gateway.fetch('/v1/embeddings', {
    method: 'POST',
    body: JSON.stringify({ model: 'gemini-embedding-001', input, encoding_format: 'base64' }),
  })
  const vectors = (embedded.json.data as { embedding: string }[]).map(({ embedding }) =>
    Buffer.from(embedding, 'base64').readFloatLE(0),
  )
  assert.deepEqual(
    vectors,
    input.map(text => text.length),
  )
  assert.deepEqual([google.requests.length, (embedded.json.usage as { total_tokens: number }).total_tokens], [2, 150])

  for (const model of ['gemini-2.5-flash-image', 'imagen-4.0-generate-001']) {
    const drawn = await gateway.fetch('/v1/images/generations', {
      method: 'POST',
      body: JSON.stringify({ model, prompt: 'a kite', n: 2, size: '1024x1024' }),
    })
    assert.equal((drawn.json.data as unknown[])?.length, 2, drawn.text)
  }

  const speak = (more: object) =>
    gateway.fetch('/v1/audio/speech', {
      method: 'POST',
      body: JSON.stringify({ model: 'gemini-2.5-flash-preview-tts', input: 'Hi', voice: 'Kore', ...more }),
    })
  const pcm = await speak({ response_format: 'pcm' })
  assert.deepEqual([pcm.status, pcm.headers['content-type'], pcm.text], [200, 'audio/pcm', '\x01\0\x02\0'])
  const wav = await speak({})
  assert.deepEqual([wav.headers['content-type'], wav.text.slice(0, 4)], ['audio/wav', 'RIFF'])
  const mp3 = await speak({ response_format: 'mp3' })
  assert.deepEqual([mp3.status, mp3.error.param], [400, 'response_format'])
})

test('Azure: Entra ID in place of a key, several deployments, Claude next to the others', async t => {
  const openai = await startMockOpenAi(t, entraTokens('https://cognitiveservices.azure.com/.default'))
  const foundry = await startMockOpenAi(t, entraTokens('https://ai.azure.com/.default'))
  const bearer = (token: unknown): boolean => /^Bearer entra\.\d+$/.test(String(token))
  const azure = await startMockOpenAi(t, (request, response) => {
    if (!bearer(request.headers.authorization) || request.headers['api-key'] !== undefined)
      return json(response, 401, '{"error":{"code":"401","message":"Access denied"}}')
    if (request.path !== '/anthropic/v1/messages') return answerAsOpenAi(request, response)
    const headers = { ...request.headers, authorization: undefined, 'x-api-key': anthropicKey }
    return answerAsAnthropic({ ...request, path: '/v1/messages', headers }, response)
  })
  const identity = {
    tenant_id: entraTenant.tenant,
    client_id: entraTenant.client,
    client_secret: entraTenant.secret,
  }
  const place = (name: string) => ({
    name,
    provider: 'azure-openai',
    base_url: azure.url,
    authority_host: openai.url,
  })
  const gateway = await startGateway(t, {
    config: {
      targets: [
        { ...identity, ...place('sweden'), deployment: 'gpt-sweden' },
        { ...identity, ...place('france'), deployment: 'gpt-france' },
        {
          ...identity,
          name: 'foundry',
          provider: 'azure-foundry',
          base_url: azure.url,
          authority_host: foundry.url,
          models: ['DeepSeek-V3.1', 'claude-sonnet-4-5'],
        },
      ],
    },
  })
  for (const [model, path] of [
    ['gpt-sweden', '/openai/deployments/gpt-sweden/chat/completions?api-version=2024-10-21'],
    ['gpt-france', '/openai/deployments/gpt-france/chat/completions?api-version=2024-10-21'],
    ['DeepSeek-V3.1', '/openai/v1/chat/completions'],
    ['claude-sonnet-4-5', '/anthropic/v1/messages'],
  ]) {
    const answer = await gateway.chat({ model })
    assert.equal(answer.status, 200, `${model}: ${answer.text}`)
    assert.deepEqual([contentOf(answer), azure.requests.at(-1)?.path], ['Hello there', path])
  }
})

test('Databricks: a service principal asks the workspace for its token', async t => {
  const give = databricksTokens()
  const workspace = await startMockOpenAi(t, (request, response) => {
    if (request.path === '/oidc/v1/token') return give(request, response)
    return /^Bearer dbx\.\d+$/.test(String(request.headers.authorization))
      ? answerAsOpenAi(request, response)
      : json(response, 401, '{"error_code":"401","message":"Credential was not sent"}')
  })
  const { id, secret } = databricksClient
  const gateway = await startGateway(t, {
    config: {
      targets: [{ virtual_key: 'databricks', base_url: workspace.url, client_id: id, client_secret: secret }],
    },
  })
  const answer = await gateway.chat({ model: 'databricks-claude-sonnet-4' })
  assert.deepEqual([answer.status, contentOf(answer)], [200, 'Hello there'], answer.text)
})

test('what a client wants of a beta reaches Anthropic, and nobody else', async t => {
  const claude = await startMockAnthropic(t)
  const gpt = await startMockOpenAi(t)
  const gateway = await startGateway(t, {
    config: {
      targets: [
        { virtual_key: 'anthropic', api_key: anthropicKey, base_url: claude.url, models: ['claude-sonnet-4-5'] },
        { virtual_key: 'openai', api_key: 'k', base_url: gpt.url, models: ['gpt-4o'] },
      ],
    },
  })
  const headers = { 'anthropic-beta': 'context-1m-2025-08-07', 'idempotency-key': 'once' }
  assert.equal((await gateway.chat({ model: 'claude-sonnet-4-5' }, { headers })).status, 200)
  assert.equal((await gateway.chat({ model: 'gpt-4o' }, { headers })).status, 200)
  const [asked] = claude.requests
  assert.deepEqual(
    [asked.headers['anthropic-beta'], asked.headers['idempotency-key']],
    [headers['anthropic-beta'], undefined],
  )
  assert.equal(requestOf(asked).model, 'claude-sonnet-4-5')
  const [other] = gpt.requests
  assert.deepEqual([other.headers['anthropic-beta'], other.headers['idempotency-key']], [undefined, 'once'])
})
