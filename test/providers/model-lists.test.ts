import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byId, providers } from '../../providers/index.ts'
import {
  anthropicModels,
  geminiModels,
  ollamaTags,
  openaiModels,
  publisherModels,
  replicateModels,
} from '../../providers/model-lists.ts'
import type { Json } from '../../src/core/json.ts'

const idsIn = (provider: string, body: Json): string[] | undefined =>
  byId(provider)
    ?.discovery?.decode(body)
    ?.models.map(({ id }) => id)

test('a list of OpenAI is read, and so is one without its envelope', () => {
  const models = [
    { id: 'a', created: 5, context_length: 9 },
    { id: 'b', created: 0, max_model_len: 8 },
  ]
  const read = openaiModels.decode({ object: 'list', data: models })
  assert.deepEqual(read, {
    models: [
      { id: 'a', created: 5, contextWindow: 9 },
      { id: 'b', contextWindow: 8 },
    ],
  })
  assert.deepEqual(openaiModels.decode(models), read)
})

test('the page behind is named by the last id, and by a token', () => {
  assert.equal(
    anthropicModels.decode({ data: [], has_more: true, last_id: 'a/b' })?.next,
    '/models?limit=1000&after_id=a%2Fb',
  )
  assert.equal(anthropicModels.decode({ data: [], has_more: false, last_id: 'a' })?.next, undefined)
  assert.equal(geminiModels.decode({ models: [], nextPageToken: 'x&y' })?.next, '/models?pageSize=1000&pageToken=x%26y')
})

test('each form is read', () => {
  assert.deepEqual(
    geminiModels.decode({ models: [{ name: 'models/g', inputTokenLimit: 4, outputTokenLimit: 2 }] })?.models,
    [{ id: 'g', contextWindow: 4, maxOutputTokens: 2 }],
  )
  assert.deepEqual(
    ollamaTags.decode({ models: [{ name: 'l:8b', modified_at: '1970-01-01T00:00:09Z' }, { model: 'm' }] })?.models,
    [{ id: 'l:8b', created: 9 }, { id: 'm' }],
  )
  assert.deepEqual(idsIn('cloudflare', { result: [{ id: 'uuid', name: '@cf/meta/x' }], success: true }), ['@cf/meta/x'])
  assert.deepEqual(idsIn('cohere', { models: [{ name: 'command-a', context_length: 9 }], next_page_token: '' }), [
    'command-a',
  ])
  assert.deepEqual(idsIn('databricks', { endpoints: [{ name: 'e' }] }), ['e'])
})

test('lists that are elsewhere have a root of their own', () => {
  const root = (id: string, settings: Record<string, string>) => byId(id)?.discovery?.root?.(settings)
  const account = { baseUrl: 'https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1', accountId: 'a1' }
  assert.equal(root('cloudflare', account), 'https://api.cloudflare.com/client/v4/accounts/a1/ai')
  assert.equal(root('databricks', { baseUrl: 'https://w.example' }), 'https://w.example/api/2.0')
})

test('nothing that an upstream may send breaks the reading', () => {
  const hostile: Json[] = [
    null,
    0,
    '',
    [],
    {},
    { data: null },
    { data: [null, 1, [], {}, { id: {} }, { id: '' }] },
    { models: 'x' },
  ]
  for (const { id, discovery } of providers)
    for (const body of hostile) {
      const page = discovery?.decode(body)
      assert.ok(page === undefined || page === null || page.models.length === 0, id)
    }
})

test('Google Cloud lists what it publishes, Replicate what speaks', () => {
  const vertex = publisherModels.decode({
    publisherModels: [{ name: 'publishers/google/models/gemini-2.5-pro' }, { name: 7 }, null],
    nextPageToken: 'x&y',
  })
  assert.deepEqual(vertex, { models: [{ id: 'gemini-2.5-pro' }], next: '/models?pageSize=300&pageToken=x%26y' })
  const root = (settings: Record<string, string>) =>
    providers.find(({ id }) => id === 'vertex-ai')!.discovery!.root!({ baseUrl: '', ...settings })
  assert.equal(
    root({ region: 'europe-west4' }),
    'https://europe-west4-aiplatform.googleapis.com/v1beta1/publishers/google',
  )
  assert.equal(root({ region: 'x', baseUrl: 'https://own.test/v1' }), 'https://own.test/v1beta1/publishers/google')
  const speaking = { slug: 'language-models', models: [{ owner: 'meta', name: 'llama' }, { owner: 'meta' }] }
  assert.deepEqual(replicateModels.decode(speaking), { models: [{ id: 'meta/llama' }] })
  for (const odd of [null, [], {}, { models: 7 }, 'x']) {
    assert.equal(replicateModels.decode(odd), null)
    assert.equal(publisherModels.decode(odd), null)
  }
})
