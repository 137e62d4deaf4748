import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiRoot } from '../../providers/base-url.ts'
import { openai } from '../../providers/dialects/openai.ts'
import { byId, providers } from '../../providers/index.ts'
import { openai as openaiProvider } from '../../providers/openai.ts'

test('ids are unique, and written as targets write them', () => {
  const ids = providers.map(provider => provider.id)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.match(id, /^[a-z0-9]+(-[a-z0-9]+)*$/)
  for (const provider of providers) assert.equal(byId(provider.id), provider)
  assert.equal(byId('nobody'), undefined)
})

test('whatever looks like a credential is marked secret', () => {
  for (const { id, settings } of providers)
    for (const [name, setting] of Object.entries(settings))
      if (/key|token|secret|password/i.test(name)) assert.equal(setting.secret, true, `${id}.${name}`)
})

test('a provider with known models owns them by prefix, or serves any', () => {
  for (const { id, models = [], modelPrefixes = [], anyModel } of providers)
    for (const model of models)
      assert.ok(anyModel || modelPrefixes.some(prefix => model.startsWith(prefix)), `${id} does not own ${model}`)
})

test('OpenAI owns its families and nobody else’s', () => {
  const owns = (model: string) => openaiProvider.modelPrefixes?.some(prefix => model.startsWith(prefix))
  for (const model of [
    'gpt-4o',
    'o1',
    'o3-mini',
    'o4-mini-2025-04-16',
    'ft:gpt-4o:acme',
    'chatgpt-4o-latest',
    'omni-moderation-latest',
  ])
    assert.ok(owns(model), model)
  for (const model of ['claude-3', 'omni', 'open-mistral-7b', 'ollama/llama', 'o', 'olmo-2', 'mistral-large'])
    assert.ok(!owns(model), model)
})

test('providers answered in the process bring their text, others an http root', () => {
  const settings = { baseUrl: 'https://example.com/v1', apiKey: 'k' }
  for (const provider of providers) {
    const origin = provider.origin(settings)
    if (provider.answer) assert.equal(origin, `local:${provider.id}`)
    else assert.match(origin, /^https?:\/\//)
    assert.doesNotMatch(origin, /\/$/)
  }
})

test('a base URL is taken as it is, and a bare origin gets the version', () => {
  for (const [given, root] of [
    ['https://api.openai.com/v1', 'https://api.openai.com/v1'],
    ['https://api.openai.com/v1//', 'https://api.openai.com/v1'],
    ['https://api.openai.com', 'https://api.openai.com/v1'],
    ['http://localhost:8000/', 'http://localhost:8000/v1'],
    ['http://10.0.0.7/proxy/openai', 'http://10.0.0.7/proxy/openai'],
    ['http://user:p%40w@host:81/x', 'http://user:p%40w@host:81/x'],
    ['http://[::1]:8000', 'http://[::1]:8000/v1'],
  ])
    assert.equal(apiRoot(given, '/v1'), root)
  for (const given of [
    '',
    'api.openai.com/v1',
    '/v1',
    'ftp://host/',
    'file:///etc',
    'https://host/v1?key=1',
    'https://host/v1?',
    'https://host/#',
  ])
    assert.throws(() => apiRoot(given, '/v1'), /base_url must/, given)
})

test('an error that names a bad base URL does not name its password', () => {
  assert.throws(
    () => apiRoot('user:hunter2@host/v1', '/v1'),
    (error: Error) => !error.message.includes('hunter2'),
  )
})

test('a long message is cut at 2,048 code points', () => {
  const { failure } = openai.chat({ path: '/x', relay: 'normalise' })
  const { message } = failure(400, { error: { message: '😀'.repeat(3000) } })
  assert.equal(Array.from(message).length, 2048)
  assert.doesNotMatch(message, /\p{Surrogate}/u)
})

test('a prepared request gets model, ceiling and usage after the host’s own changes', () => {
  const codec = openai.chat({
    path: '/x',
    relay: 'normalise',
    tokenLimit: 'max_tokens',
    prepare: ({ seed, ...request }) => ({ ...request, random_seed: seed }),
  })
  const target = { model: 'm2', settings: {}, stream: true }
  const client = {
    model: 'm1',
    messages: [],
    seed: 4,
    max_completion_tokens: 7,
    stream_options: { include_obfuscation: false },
  }
  assert.deepEqual(codec.encode?.(client, target), {
    model: 'm2',
    messages: [],
    random_seed: 4,
    max_tokens: 7,
    stream_options: { include_obfuscation: false, include_usage: true },
  })
  assert.equal(client.max_completion_tokens, 7, 'the client’s request is left alone')
})
