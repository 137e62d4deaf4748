import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { batchEmbedContents } from './dialects/gemini/embeddings.ts'
import { googleAi } from './dialects/gemini/host.ts'
import { gemini as dialect } from './dialects/gemini.ts'
import { geminiModels } from './model-lists.ts'

const draws = (model: string): boolean => /imagen-|-image/.test(model)

const families = ['gemini-', 'gemma-', 'text-embedding-004', 'embedding-001', 'imagen-']

export const gemini = defineProvider({
  id: 'gemini',
  aliases: ['google', 'google-ai', 'google-ai-studio'],
  settings: {
    apiKey: {
      env: 'GEMINI_API_KEY',
      aliases: ['GOOGLE_API_KEY', 'GOOGLE_GENERATIVE_AI_API_KEY'],
      secret: true,
      help: 'https://aistudio.google.com/apikey',
    },
    baseUrl: { env: 'GEMINI_BASE_URL', default: 'https://generativelanguage.googleapis.com/v1beta' },
  },
  origin: ({ baseUrl }) => apiRoot(baseUrl, '/v1beta'),
  // In a header rather than the query, which proxies log. Without a key a base URL of one's own still works.
  auth: ({ apiKey }) => (apiKey ? { scheme: 'header', name: 'x-goog-api-key', value: apiKey } : { scheme: 'none' }),
  discovery: geminiModels,
  forward: { proxy: 'named' },
  imageFormats: ['b64_json'],
  codecs: {
    chat: dialect.chat(),
    embeddings: {
      ...dialect.embeddings(googleAi, () => batchEmbedContents),
      serves: model => model.includes('embedding'),
    },
    images: { ...dialect.images(googleAi), serves: draws },
    speech: dialect.speech(googleAi),
  },
  modelPrefixes: families.flatMap(family => [family, `models/${family}`]),
  notes:
    'generateContent. Schemas become the subset Gemini knows; `extra_content.google.thought_signature` carries signatures from turn to turn; JSON next to tools from Gemini 3 on.',
  models: [
    'gemini-3.1-pro-preview',
    'gemini-3-pro-preview',
    'gemini-3-flash-preview',
    'gemini-2.5-pro',
    'gemini-2.5-flash',
    'gemini-2.5-flash-lite',
    'gemini-2.0-flash',
    'gemini-2.0-flash-lite',
    'gemini-embedding-001',
    'gemini-embedding-2',
    'gemini-2.5-flash-image',
    'gemini-3-pro-image-preview',
    'imagen-4.0-generate-001',
    'gemini-3.8-flash-tts',
    'gemini-2.5-flash-preview-tts',
  ],
})
