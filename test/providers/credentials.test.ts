import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byId } from '../../providers/index.ts'
import type { Auth, Provider } from '../../src/core/provider.ts'

/** With every setting that isn't given at its default. */
function settled(id: string, given: Record<string, string>): { provider: Provider; settings: Record<string, string> } {
  const provider = byId(id)
  assert.ok(provider !== undefined)
  const defaults = Object.entries(provider.settings).map(([name, setting]) => [name, setting.default ?? ''])
  return { provider, settings: { ...Object.fromEntries(defaults), ...given } }
}

function authOf(id: string, given: Record<string, string>): Auth {
  const { provider, settings } = settled(id, given)
  provider.origin(settings)
  return provider.auth(settings)
}

const azure = { baseUrl: 'https://r.openai.azure.com', deployment: 'd' }
const principal = { tenantId: 't', clientId: 'c', clientSecret: 's' }

for (const [id, scope] of [
  ['azure-openai', 'https://cognitiveservices.azure.com/.default'],
  ['azure-foundry', 'https://ai.azure.com/.default'],
]) {
  test(`${id}: a key wins, without one the tenant’s variables ask for a token, and a setting decides otherwise`, () => {
    const key = { scheme: 'header', name: 'api-key', value: 'k' }
    const token = {
      scheme: 'entra',
      ...principal,
      federatedTokenFile: '',
      authorityHost: '',
      scope,
    }
    assert.deepEqual(authOf(id, { ...azure, apiKey: 'k' }), key)
    assert.deepEqual(authOf(id, { ...azure, apiKey: 'k', ...principal }), key)
    assert.deepEqual(authOf(id, { ...azure, apiKey: 'k', ...principal, auth: 'key' }), key)
    assert.deepEqual(authOf(id, { ...azure, ...principal }), token)
    assert.deepEqual(authOf(id, { ...azure, apiKey: 'k', ...principal, auth: 'entra' }), token)
    assert.deepEqual(authOf(id, { ...azure, ...principal, scope: 'api://x/.default' }), {
      ...token,
      scope: 'api://x/.default',
    })
  })

  test(`${id}: the identity of the machine, of a pod and of an App Service`, () => {
    const nobody = { tenantId: '', clientId: '', clientSecret: '', federatedTokenFile: '', authorityHost: '', scope }
    assert.deepEqual(authOf(id, { ...azure, auth: 'entra' }), { scheme: 'entra', ...nobody })
    assert.deepEqual(authOf(id, { ...azure, tenantId: 't', clientId: 'c', federatedTokenFile: '/var/token' }), {
      scheme: 'entra',
      ...nobody,
      tenantId: 't',
      clientId: 'c',
      federatedTokenFile: '/var/token',
    })
    const service = { identityEndpoint: 'http://127.0.0.1:1/msi/token', identityHeader: 'h' }
    assert.deepEqual(authOf(id, { ...azure, auth: 'entra', ...service, metadataHost: 'http://127.0.0.1:2' }), {
      scheme: 'entra',
      ...nobody,
      ...service,
      metadataHost: 'http://127.0.0.1:2',
    })
  })

  test(`${id}: a choice that is none is refused when the config is read`, () => {
    assert.throws(() => authOf(id, { ...azure, apiKey: 'k', auth: 'oauth' }), /auth must be key or entra/)
    assert.throws(() => authOf(id, { ...azure, ...principal, auth: 'key' }), /there is no api_key/)
    assert.throws(() => authOf(id, { ...azure, clientSecret: 's', auth: 'entra' }), /tenant_id is needed/)
  })
}

test('Databricks: a token wins, a service principal asks the workspace for one', () => {
  const baseUrl = 'https://dbc-1.example/serving-endpoints'
  const machine = { clientId: 'c', clientSecret: 's' }
  assert.deepEqual(authOf('databricks', { baseUrl, apiKey: 'k', ...machine }), { scheme: 'bearer', token: 'k' })
  assert.deepEqual(authOf('databricks', { baseUrl, ...machine }), {
    scheme: 'oauth-client-credentials',
    tokenUrl: 'https://dbc-1.example/oidc/v1/token',
    ...machine,
    scope: 'all-apis',
  })
  const account = 'https://accounts.example/oidc/accounts/a/v1/token'
  const own = authOf('databricks', { baseUrl, ...machine, oidcUrl: account })
  assert.ok(own.scheme === 'oauth-client-credentials' && own.tokenUrl === account)
  assert.throws(() => authOf('databricks', { baseUrl, clientId: 'c' }), /client_secret is needed/)
})

test('Vertex AI: a key wins over a service account, that over a file, and without any there are default credentials', () => {
  const place = { projectId: 'p', region: 'us-central1' }
  const account = { serviceAccountJson: '{}' }
  const file = { credentialsFile: '/etc/google.json' }
  assert.deepEqual(authOf('vertex-ai', { ...place, apiKey: 'k', ...account, ...file }), {
    scheme: 'header',
    name: 'x-goog-api-key',
    value: 'k',
  })
  assert.deepEqual(authOf('vertex-ai', { ...place, ...account, ...file }), { scheme: 'google', credentials: '{}' })
  assert.deepEqual(authOf('vertex-ai', { ...place, ...file }), { scheme: 'google', credentials: '/etc/google.json' })
  assert.deepEqual(authOf('vertex-ai', { ...place, userProject: 'billed' }), {
    scheme: 'google',
    credentials: '',
    userProject: 'billed',
  })
})

test('Vertex AI: a location or project that would lead to another host or path is refused', () => {
  for (const region of ['', 'us central1', 'evil.example/', 'US', '../x', 'a.b'])
    assert.throws(() => authOf('vertex-ai', { projectId: 'p', region }), /region must be a location/, region)
  for (const projectId of ['', '..', 'a/b'])
    assert.throws(() => authOf('vertex-ai', { projectId, region: 'eu' }), /project_id must be a single path segment/)
})

test('Vertex AI: an endpoint of one’s own is asked as it came', () => {
  const { provider, settings } = settled('vertex-ai', { projectId: 'p', region: 'europe-west4', apiKey: 'k' })
  const codec = provider.codecs.chat?.forModel?.('1234567890')
  assert.equal(codec?.encode, null)
  const path = codec?.path({ model: 'endpoints/1234567890', settings, stream: true })
  assert.equal(path, '/endpoints/1234567890/chat/completions')
})

test('Claude on Azure AI Foundry is spoken to in Anthropic’s format, other deployments in OpenAI’s', () => {
  for (const baseUrl of ['https://r.services.ai.azure.com', 'https://r.services.ai.azure.com/anthropic/v1/']) {
    const { provider, settings } = settled('azure-foundry', { baseUrl, apiKey: 'k' })
    const claude = provider.codecs.chat?.forModel?.('claude-opus-4-6')
    assert.ok(claude !== undefined)
    const target = { model: 'claude-opus-4-6', settings, stream: true }
    assert.equal(
      provider.origin(settings) + claude.path(target),
      'https://r.services.ai.azure.com/anthropic/v1/messages',
    )
    assert.deepEqual(claude.headers, { 'anthropic-version': '2023-06-01' })
    const messages = [{ role: 'user', content: 'Hi' }]
    assert.deepEqual(claude.encode?.({ model: 'a', messages, max_tokens: 9 }, target), {
      model: 'claude-opus-4-6',
      max_tokens: 9,
      messages,
      stream: true,
    })
  }
  const { chat } = byId('azure-foundry')?.codecs ?? {}
  assert.equal(
    chat?.forModel?.('gpt-4o').path({ model: 'gpt-4o', settings: {}, stream: false }),
    '/openai/v1/chat/completions',
  )
})
