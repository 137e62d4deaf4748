import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { cohere as dialect } from './dialects/cohere.ts'
import { cohereModels } from './model-lists.ts'

export const cohere = defineProvider({
  id: 'cohere',
  settings: {
    apiKey: {
      env: 'COHERE_API_KEY',
      aliases: ['CO_API_KEY'],
      secret: true,
      help: 'https://dashboard.cohere.com/api-keys',
    },
    baseUrl: { env: 'COHERE_BASE_URL', default: 'https://api.cohere.com', help: 'without a version segment' },
  },
  origin: ({ baseUrl }) => apiRoot(baseUrl, ''),
  // Without a key a base URL of one's own still works: a private deployment that wants none.
  auth: ({ apiKey }) => (apiKey ? { scheme: 'bearer', token: apiKey } : { scheme: 'none' }),
  discovery: cohereModels,
  forward: { proxy: 'named' },
  codecs: {
    chat: dialect.chat({ path: '/v2/chat' }),
    embeddings: dialect.embeddings(),
    rerank: dialect.rerank(),
  },
  modelPrefixes: ['command', 'embed-', 'rerank-', 'c4ai-aya-'],
  notes:
    'Chat v2. Results of tools go out as documents; a `tool_plan` is content; citations with a URL are annotations, all of them and `billed_units` are in `provider_metadata`. No JSON format next to tools or documents.',
  models: [
    'command-a-plus-05-2026',
    'command-a-03-2025',
    'command-a-reasoning-08-2025',
    'command-a-vision-07-2025',
    'command-a-translate-08-2025',
    'command-r7b-12-2024',
    'command-r-plus-08-2024',
    'command-r-08-2024',
    'embed-v4.0',
    'embed-english-v3.0',
    'embed-multilingual-v3.0',
    'rerank-v4.0-pro',
    'rerank-v3.5',
  ],
})
