import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { imageEdits, images } from './dialects/openrouter.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

const host = hosted({ root: 'https://openrouter.ai/api/v1', env: 'OPENROUTER', help: 'https://openrouter.ai/keys' })

/** https://openrouter.ai/docs/api-reference/chat-completion */
export const openrouter = defineProvider({
  id: 'openrouter',
  ...host,
  settings: {
    ...host.settings,
    siteUrl: { required: false, help: 'sent as HTTP-Referer, names your app in their rankings' },
    appName: { required: false, help: 'sent as X-Title' },
  },
  headers: ({ siteUrl, appName }) => ({
    ...(siteUrl && { 'http-referer': siteUrl }),
    ...(appName && { 'x-title': appName }),
  }),
  discovery: openaiModels,
  forward: { proxy: 'any', responses: true },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      brokenOff: ['error'],
    }),
    // https://openrouter.ai/docs/api-reference/embeddings
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise' }),
    rerank: openai.rerank({ path: '/rerank', relay: 'normalise' }),
    images,
    imageEdits,
  },
  imageFormats: ['b64_json'],
  anyModel: true,
  models: ['openrouter/auto', 'anthropic/claude-sonnet-4', 'google/gemini-2.5-pro', 'openai/gpt-4o'],
})
