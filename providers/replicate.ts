import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { idsIn } from './dialects/ollama.ts'
import { replicate as dialect } from './dialects/replicate.ts'
import { replicateModels } from './model-lists.ts'

export const replicate = defineProvider({
  id: 'replicate',
  settings: {
    apiToken: {
      env: 'REPLICATE_API_TOKEN',
      aliases: ['REPLICATE_API_KEY'],
      secret: true,
      help: 'https://replicate.com/account/api-tokens',
    },
    baseUrl: { env: 'REPLICATE_BASE_URL', default: 'https://api.replicate.com/v1' },
    textModels: {
      env: 'REPLICATE_TEXT_MODELS',
      default: 'meta/meta-llama-3.1-405b-instruct,meta/meta-llama-3.1-70b-instruct,meta/meta-llama-3.1-8b-instruct',
      help: 'for chat, separated by commas; owner/name or owner/name:version',
    },
    imageModels: {
      env: 'REPLICATE_IMAGE_MODELS',
      default: 'black-forest-labs/flux-schnell,black-forest-labs/flux-dev,stability-ai/sdxl',
      help: 'for pictures, likewise',
    },
  },
  origin: ({ baseUrl }) => apiRoot(baseUrl, '/v1'),
  auth: ({ apiToken }) => (apiToken ? { scheme: 'bearer', token: apiToken } : { scheme: 'none' }),
  discovery: replicateModels,
  forward: { proxy: 'named' },
  imageFormats: ['url'],
  codecs: {
    chat: dialect.chat(),
    images: dialect.images(),
  },
  // Streams are read from hosts of their own.
  hosts: ['.replicate.com'],
  listedModels: ({ textModels, imageModels }) => [...idsIn(textModels), ...idsIn(imageModels)],
  notes:
    'Predictions: created, polled or streamed, and cancelled when the client leaves. Text only, no tools; an object `input` is laid over the model’s input. Pictures by URL only.',
})
