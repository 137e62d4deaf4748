import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { anthropic as dialect } from './dialects/anthropic.ts'
import { anthropicModels } from './model-lists.ts'

export const anthropic = defineProvider({
  id: 'anthropic',
  settings: {
    apiKey: { env: 'ANTHROPIC_API_KEY', secret: true, help: 'https://platform.claude.com/settings/keys' },
    baseUrl: { env: 'ANTHROPIC_BASE_URL', default: 'https://api.anthropic.com/v1' },
    beta: { env: 'ANTHROPIC_BETA', required: false, help: 'features in beta, comma-separated; sent as anthropic-beta' },
  },
  origin: ({ baseUrl }) => apiRoot(baseUrl, '/v1'),
  // Without a key a base URL of one's own still works: a proxy or a test server that wants none.
  auth: ({ apiKey }) => (apiKey ? { scheme: 'header', name: 'x-api-key', value: apiKey } : { scheme: 'none' }),
  headers: ({ beta }) => ({ ...(beta && { 'anthropic-beta': beta }) }),
  discovery: anthropicModels,
  forwardHeaders: ['anthropic-beta'],
  forward: { proxy: 'named', headers: { 'anthropic-version': '2023-06-01' } },
  rateLimitHeaders: 'anthropic-ratelimit',
  codecs: {
    chat: dialect.chat({ path: '/messages' }),
  },
  modelPrefixes: ['claude-'],
  notes:
    'Messages API. Effort becomes a thinking budget, or adaptive thinking, by model; `thinking_blocks` carry signatures from turn to turn; JSON without a schema is had through a forced tool.',
  models: [
    'claude-opus-5-5',
    'claude-sonnet-5-5',
    'claude-opus-5',
    'claude-sonnet-5',
    'claude-opus-4-7',
    'claude-opus-4-6',
    'claude-sonnet-4-6',
    'claude-opus-4-5',
    'claude-sonnet-4-5',
    'claude-haiku-4-5',
    'claude-opus-4-1',
    'claude-sonnet-4-0',
    'claude-3-7-sonnet-latest',
    'claude-3-5-haiku-latest',
  ],
})
