import { defineProvider } from '../src/core/provider.ts'
import { apiRoot, pathSegment } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { bearer } from './hosted.ts'
import { namedIn } from './model-lists.ts'

/** No such model, and a token that is not accepted: both may come as 400. */
const errorCodes = { 5007: 404, 10000: 401 }

/** https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/ */
export const cloudflare = defineProvider({
  id: 'cloudflare',
  aliases: ['workers-ai', 'cloudflare-workers-ai'],
  settings: {
    apiKey: {
      env: 'CLOUDFLARE_API_KEY',
      aliases: ['CLOUDFLARE_API_TOKEN'],
      secret: true,
      help: 'an API token with the permission Workers AI',
    },
    accountId: { env: 'CLOUDFLARE_ACCOUNT_ID', required: true },
    baseUrl: {
      env: 'CLOUDFLARE_BASE_URL',
      default: 'https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1',
    },
  },
  origin: workersRoot,
  auth: ({ apiKey }) => bearer(apiKey),
  discovery: {
    root: settings => workersRoot(settings).replace(/\/v1$/, ''),
    path: '/models/search?per_page=1000',
    decode: namedIn('result', 'name'),
  },
  forward: { proxy: 'any', responses: true },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      errorCodes,
    }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise', floatsOnly: true, errorCodes }),
  },
  anyModel: true,
  models: [
    '@cf/meta/llama-3.3-70b-instruct-fp8-fast',
    '@cf/meta/llama-3.1-8b-instruct',
    '@cf/openai/gpt-oss-120b',
    '@cf/baai/bge-m3',
  ],
  notes: 'Models are named `@cf/…`.',
})

function workersRoot({ baseUrl, accountId }: Readonly<Record<string, string>>): string {
  return apiRoot(baseUrl.replace('{account_id}', pathSegment('account_id', accountId)), '/v1')
}
