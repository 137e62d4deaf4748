import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiRoot } from '../../providers/base-url.ts'
import { openai } from '../../providers/dialects/openai.ts'
import { entraSettings } from '../../providers/entra.ts'
import { byId, providers } from '../../providers/index.ts'
import { loadProviders } from '../../providers/load.ts'
import { openai as openaiProvider } from '../../providers/openai.ts'
import { Failure } from '../../src/core/failures.ts'

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
      if (/key|token|secret|password/i.test(name) && !name.endsWith('File'))
        assert.equal(setting.secret, true, `${id}.${name}`)
})

test('a provider with known models owns them by prefix, serves any, or lists what it serves', () => {
  for (const { id, models = [], modelPrefixes = [], anyModel, listedModels } of providers)
    for (const model of models)
      assert.ok(
        anyModel || listedModels || modelPrefixes.some(prefix => model.startsWith(prefix)),
        `${id} does not own ${model}`,
      )
})

test('no two providers read the same variable, but for those of a cloud’s own libraries', () => {
  const cloud = new Set<string>(Object.values(entraSettings).map(({ env }) => env))
  const readers = new Map<string, string>()
  for (const { id, settings } of providers)
    for (const [name, { env, aliases = [] }] of Object.entries(settings))
      for (const variable of env === undefined ? [] : [env, ...aliases]) {
        // Several services of one vendor may be in the same region; no other credential is for two of them.
        if (name === 'region' || cloud.has(variable)) continue
        assert.equal(readers.get(variable), undefined, `${id} and ${readers.get(variable)} read ${variable}`)
        readers.set(variable, id)
      }
})

test('without a key no header is sent, so that a proxy of one’s own needs none; or a credential is fetched', () => {
  for (const provider of providers) {
    if (provider.settings.apiKey === undefined) continue
    const auth = provider.auth({ ...filled, apiKey: '' })
    const isFetched = auth.scheme === 'sigv4' || auth.scheme === 'google'
    assert.ok(isFetched || auth.scheme === 'none' || (auth.scheme === 'header' && auth.value === ''), provider.id)
  }
})

test('prefixes own what they should and nothing of each other', () => {
  const owner = (model: string) =>
    providers.find(({ modelPrefixes = [] }) => modelPrefixes.some(prefix => model.startsWith(prefix)))?.id
  for (const [model, id] of [
    ['deepseek-chat', 'deepseek'],
    ['mistral-large-latest', 'mistral'],
    ['open-mistral-nemo', 'mistral'],
    ['codestral-latest', 'mistral'],
    ['grok-4', 'xai'],
    ['Grok-4', 'xai'],
    ['jamba-mini', 'ai21'],
    ['anthropic.claude-3-haiku-20240307-v1:0', 'bedrock'],
    ['eu.anthropic.claude-sonnet-4-5-20250929-v1:0', 'bedrock'],
    ['us-gov.amazon.nova-pro-v1:0', 'bedrock'],
    ['arn:aws:bedrock:us-east-1:1:application-inference-profile/a', 'bedrock'],
    ['mistral.mistral-large-2402-v1:0', 'bedrock'],
    ['openai.gpt-oss-120b-1:0', 'bedrock'],
    ['ollama-cloud/gpt-oss:20b', 'ollama-cloud'],
    ['gpt-4o', 'openai'],
    ['llama-3.3-70b-versatile', undefined],
    // Ids of OpenRouter, Groq and NVIDIA: a publisher's name is no claim.
    ['google/gemini-2.5-pro', undefined],
    ['moonshotai/kimi-k2-instruct', undefined],
    ['meta/llama-3.1-70b-instruct', undefined],
    ['publishers/google/models/gemini-2.5-pro', 'vertex-ai'],
  ])
    assert.equal(owner(model ?? ''), id, model)
})

test('ids listed in a variable are read, and a model directory is no list', () => {
  const listed = (modelList: string, modelsVariable: string) =>
    byId('ollama')?.listedModels?.({ host: '', modelList, modelsVariable })
  assert.deepEqual(listed('', ' llama3.2, hf.co/a/b:Q4 ,,'), ['llama3.2', 'hf.co/a/b:Q4'])
  assert.deepEqual(listed('a', 'b'), ['a'])
  for (const directory of ['/var/lib/ollama', '~/models', './m', 'C:\\models', 'D:/models', '\\\\host\\m'])
    assert.deepEqual(listed('', directory), [], directory)
  const cloud = byId('ollama-cloud')?.listedModels?.({ apiKey: '', baseUrl: '', modelList: 'x:1,y:2' })
  assert.deepEqual(cloud, ['x:1', 'y:2'])
  const azure = byId('azure-openai')?.listedModels?.({ deployment: 'dep-4o', apiKey: '', baseUrl: '', apiVersion: '' })
  assert.deepEqual(azure, ['dep-4o'])
})

test('what goes into a path is one segment of it', () => {
  for (const value of ['', '.', '..', 'a/b', '../x', 'a\\b']) {
    const azure = { baseUrl: 'https://r.openai.azure.com', apiVersion: '1', apiKey: '', deployment: value }
    assert.throws(() => byId('azure-openai')?.origin(azure), /deployment must be a single path segment/)
    const cloudflare = { baseUrl: byId('cloudflare')?.settings.baseUrl.default ?? '', accountId: value, apiKey: '' }
    assert.throws(() => byId('cloudflare')?.origin(cloudflare), /account_id must be a single path segment/)
  }
})

test('Databricks takes the workspace, or any URL of its serving endpoints', () => {
  const serving = 'https://dbc-1.example/serving-endpoints'
  for (const given of [
    '',
    '/',
    '/serving-endpoints',
    '/serving-endpoints/chat/completions/',
    '/serving-endpoints/models',
  ])
    assert.equal(byId('databricks')?.origin({ baseUrl: `https://dbc-1.example${given}`, apiKey: '' }), serving, given)
})

test('a bare origin gets the version segment of the public root, wherever that stands in it', () => {
  for (const [id, version] of [
    ['groq', '/v1'],
    ['deepinfra', '/v1'],
    ['perplexity', ''],
    ['z-ai', '/v4'],
    ['volcengine', '/v3'],
    ['github-models', ''],
    ['v0', '/v1'],
  ])
    assert.equal(
      byId(id)?.origin({ baseUrl: 'http://127.0.0.1:8000/', apiKey: '' }),
      `http://127.0.0.1:8000${version}`,
      id,
    )
})

test('what a codec leaves out or renames is what it says it does', () => {
  for (const { id, codecs } of providers) {
    const params = Object.entries(codecs.chat?.params ?? {})
    if (codecs.chat?.relay === null || params.length === 0) continue
    const client = { model: 'm', messages: [], ...Object.fromEntries(params.map(([param]) => [param, 2])) }
    const sent = codecs.chat?.encode?.(client, { model: 'm', settings: {}, stream: false })
    assert.ok(sent !== undefined && !(sent instanceof Failure))
    for (const [param] of params) assert.equal(sent[param], undefined, `${id} sends ${param}`)
    const translated = params.filter(([, support]) => support === 'translate').length
    assert.equal(Object.keys(sent).length, 2 + translated, id)
  }
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

const filled: Record<string, string> = {
  baseUrl: 'https://example.com/v1',
  host: 'http://localhost:11434',
  auth: '',
  tenantId: '',
  clientId: '',
}

test('providers answered in the process bring their text, others an http root', () => {
  for (const provider of providers) {
    const settings = Object.fromEntries(
      Object.entries(provider.settings).map(([name, setting]) => [name, setting.default ?? filled[name] ?? 'x']),
    )
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

test('each provider can be loaded by itself, and is the same one', async () => {
  const ids = providers.map(({ id }) => id)
  assert.deepEqual(
    (await loadProviders([...ids, ...ids])).map(({ id }) => id),
    ids,
  )
  for (const [i, loaded] of (await loadProviders(ids)).entries()) assert.equal(loaded, providers[i])
  await assert.rejects(loadProviders(['openai', '__proto__']), /no provider __proto__/)
})
