import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../support/gateway.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { json, type MockAnswer, type MockRequest, requestOf, startMockOpenAi } from '../support/mock-openai.ts'

/** Vectors, rankings and pictures of providers with wire formats of their own, through a whole gateway. */

type Fields = Readonly<Record<string, unknown>>
type Route = (asked: Fields, request: MockRequest) => Fields | unknown[] | Buffer

const picture = Buffer.from('ffd8ffe000104a464946', 'hex')

/** By path; each asserts what its vendor would refuse. */
const routes: Readonly<Record<string, Route>> = {
  '/cohere/v2/embed'({ texts, embedding_types, input_type }) {
    const list = texts as string[]
    assert.ok(list.length <= 96 && input_type === 'search_document')
    assert.deepEqual(embedding_types, ['float'])
    return {
      id: 'm',
      embeddings: { float: list.map(text => [Number(text.slice(1)), 0.5]) },
      meta: { billed_units: { input_tokens: list.length } },
    }
  },
  '/cohere/v2/rerank': ({ top_n }) => {
    assert.notEqual(top_n, 0)
    const results = [0.2, 0.9].map((relevance_score, index) => ({ index, relevance_score }))
    return { id: 'r', results, meta: { billed_units: { search_units: 1 } } }
  },
  '/nvidia/ranking': ({ query, passages }) => {
    assert.deepEqual([query, passages], [{ text: 'q' }, [{ text: 'd0' }, { text: 'd1' }]])
    return { rankings: [{ index: 1, logit: 2 }], usage: { prompt_tokens: 8, total_tokens: 8 } }
  },
  '/deepinfra/inference/Qwen/Qwen3-Reranker-0.6B': () => ({ scores: [0.1, 0.9], input_tokens: 8 }),
  '/together/rerank': () => ({ id: 't', results: [{ index: 0, relevance_score: 0.8 }], usage: { prompt_tokens: 5 } }),
  '/hugging-face/hf-inference/models/BAAI/bge-small-en-v1.5/pipeline/feature-extraction': ({ inputs }) =>
    (inputs as string[]).map(() => [0.5, -2]),
  '/hugging-face/hf-inference/models/black-forest-labs/FLUX.1-schnell': (_, { headers }) => {
    assert.equal(headers.accept, '*/*')
    return picture
  },
  '/ollama/api/embed': ({ input }) => ({ embeddings: (input as string[]).map(() => [1]), prompt_eval_count: 3 }),
}

const answer: MockAnswer = (request, response) => {
  const route = routes[request.path]
  if (route === undefined) return json(response, 404, '{"message":"not found"}')
  const body = route(requestOf(request), request)
  if (!Buffer.isBuffer(body)) return json(response, 200, JSON.stringify(body))
  response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': body.length })
  response.end(body)
}

async function start(t: Lifetime) {
  const upstream = await startMockOpenAi(t, answer)
  const at = (virtual_key: string, models: string[], path = virtual_key) => ({
    virtual_key,
    api_key: `${virtual_key}-canary-key`,
    base_url: `${upstream.url}/${path}`,
    models,
  })
  const targets = [
    at('cohere', ['embed-v4.0', 'rerank-v3.5']),
    at('nvidia-nim', ['nvidia/llama-3.2-nv-rerankqa-1b-v2'], 'nvidia'),
    at('deepinfra', ['Qwen/Qwen3-Reranker-0.6B'], 'deepinfra/openai'),
    at('together', ['Salesforce/Llama-Rank-V1']),
    at('hugging-face', ['BAAI/bge-small-en-v1.5', 'black-forest-labs/FLUX.1-schnell'], 'hugging-face/v1'),
    { virtual_key: 'ollama', host: `${upstream.url}/ollama`, models: ['nomic-embed-text'] },
  ]
  const gateway = await startGateway(t, { config: { targets, strategy: { mode: 'fallback' } } })
  const post = (path: string, body: Fields) =>
    gateway.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { upstream, gateway, post }
}

interface Embedded {
  readonly index: number
  readonly embedding: number[] | string
}

test('more texts than one request takes are embedded by several, in order, and counted together', async t => {
  const { upstream, gateway, post } = await start(t)
  const input = Array.from({ length: 200 }, (_, i) => `t${i}`)
  const answered = await post('/v1/embeddings', { model: 'embed-v4.0', input, encoding_format: 'base64' })
  assert.equal(answered.status, 200, answered.text)
  const data = answered.json.data as Embedded[]
  assert.deepEqual(
    data.map(({ index, embedding }) => [index, Buffer.from(String(embedding), 'base64').readFloatLE(0)]),
    input.map((_, i) => [i, i]),
  )
  assert.deepEqual(answered.json.usage, { prompt_tokens: 200, total_tokens: 200 })
  assert.equal(upstream.requests.length, 3)
  assert.equal(await gateway.metric('gateway_tokens_input_total', { provider: 'cohere' }), 200)
  for (const { headers } of upstream.requests) assert.equal(headers.authorization, 'Bearer cohere-canary-key')
})

test('vectors come from lists that are nobody’s object, and from Ollama', async t => {
  const { post } = await start(t)
  const bare = await post('/v1/embeddings', { model: 'BAAI/bge-small-en-v1.5', input: ['a', 'b'] })
  assert.deepEqual(
    (bare.json.data as Embedded[]).map(({ embedding }) => embedding),
    [
      [0.5, -2],
      [0.5, -2],
    ],
    bare.text,
  )
  const local = await post('/v1/embeddings', { model: 'nomic-embed-text', input: 'a' })
  assert.deepEqual(local.json.usage, { prompt_tokens: 3, total_tokens: 3 }, local.text)
  const tokens = await post('/v1/embeddings', { model: 'nomic-embed-text', input: [1, 2] })
  assert.deepEqual([tokens.status, tokens.error.param], [400, 'input'])
})

test('rankings are sorted and cut, whatever their vendor calls them', async t => {
  const { post } = await start(t)
  const expected = {
    'rerank-v3.5': [1, 0],
    'nvidia/llama-3.2-nv-rerankqa-1b-v2': [1],
    'Qwen/Qwen3-Reranker-0.6B': [1, 0],
    'Salesforce/Llama-Rank-V1': [0],
  }
  for (const [model, indices] of Object.entries(expected)) {
    const ranked = await post('/v1/rerank', { model, query: 'q', documents: ['d0', 'd1'], return_documents: true })
    assert.equal(ranked.status, 200, ranked.text)
    const results = ranked.json.results as { index: number; relevance_score: number; document: { text: string } }[]
    assert.deepEqual(
      results.map(({ index, document }) => [index, document.text]),
      indices.map(index => [index, `d${index}`]),
      model,
    )
    assert.ok(results.every(({ relevance_score }) => relevance_score > 0 && relevance_score < 1))
  }
  const none = await post('/v1/rerank', { model: 'rerank-v3.5', query: 'q', documents: ['d0'], top_n: 0 })
  assert.deepEqual(none.json.results, [])
})

test('a picture that comes as bytes reaches the client in base64', async t => {
  const { post } = await start(t)
  const drawn = await post('/v1/images/generations', { model: 'black-forest-labs/FLUX.1-schnell', prompt: 'a kite' })
  assert.equal(drawn.status, 200, drawn.text)
  assert.deepEqual(drawn.json.data, [{ b64_json: picture.toString('base64') }])
  const two = await post('/v1/images/generations', {
    model: 'black-forest-labs/FLUX.1-schnell',
    prompt: 'a kite',
    n: 2,
  })
  const one = { b64_json: picture.toString('base64') }
  assert.deepEqual([two.status, two.json.data], [200, [one, one]])
})
