import { defineProvider, type TargetContext } from '../src/core/provider.ts'
import { apiRoot, pathSegment } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { imageEdits, images } from './dialects/workers-ai/images.ts'
import { rerank } from './dialects/workers-ai/rerank.ts'
import { errorCodes } from './dialects/workers-ai/run.ts'
import { speech } from './dialects/workers-ai/speech.ts'
import { transcriptions, translations } from './dialects/workers-ai/transcriptions.ts'
import { bearer } from './hosted.ts'
import { namedIn } from './model-lists.ts'

const root = ({ settings }: TargetContext): string => ownRoot(settings)

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
    root: ownRoot,
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
    images: images(root),
    imageEdits: imageEdits(root),
    rerank: rerank(root),
    transcriptions: transcriptions(root),
    translations: translations(root),
    speech: speech(root),
  },
  imageFormats: ['b64_json'],
  anyModel: true,
  models: [
    '@cf/meta/llama-3.3-70b-instruct-fp8-fast',
    '@cf/meta/llama-3.1-8b-instruct',
    '@cf/openai/gpt-oss-120b',
    '@cf/baai/bge-m3',
    '@cf/baai/bge-reranker-base',
    '@cf/black-forest-labs/flux-1-schnell',
    '@cf/openai/whisper-large-v3-turbo',
    '@cf/deepgram/aura-1',
  ],
  notes:
    'Models are named `@cf/…`. Pictures, rankings and sound go through `/ai/run`, the rest through the OpenAI-compatible endpoint; FLUX.2 takes forms and is not mapped.',
})

function workersRoot({ baseUrl, accountId }: Readonly<Record<string, string>>): string {
  return apiRoot(baseUrl.replace('{account_id}', pathSegment('account_id', accountId)), '/v1')
}

/** Where models are run in Workers AI's own way. */
function ownRoot(settings: Parameters<typeof workersRoot>[0]): string {
  return workersRoot(settings).replace(/\/v1$/, '')
}
