import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { openaiModels } from './model-lists.ts'
import { everySurface, surfacesOf } from './openai-surfaces.ts'

/** Any server that speaks OpenAI's API, or the part of it that is needed: vLLM, llama.cpp, LM Studio, another gateway. */
export const openaiCompatible = defineProvider({
  id: 'openai-compatible',
  settings: {
    baseUrl: {
      env: 'OPENAI_COMPATIBLE_BASE_URL',
      required: true,
      help: 'with its version segment; a bare origin gets /v1',
    },
    apiKey: { env: 'OPENAI_COMPATIBLE_API_KEY', secret: true, required: false },
  },
  origin: ({ baseUrl }) => apiRoot(baseUrl, '/v1'),
  auth: ({ apiKey }) => (apiKey ? { scheme: 'bearer', token: apiKey } : { scheme: 'none' }),
  discovery: openaiModels,
  forward: { proxy: 'any', responses: true, files: true },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    ...surfacesOf(everySurface),
  },
  anyModel: true,
})
