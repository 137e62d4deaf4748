import { defineProvider } from '../src/core/provider.ts'
import { cachedTokensAt, openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://api-docs.deepseek.com/api/create-chat-completion */
export const deepseek = defineProvider({
  id: 'deepseek',
  ...hosted({ root: 'https://api.deepseek.com/v1', env: 'DEEPSEEK' }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      // Taken and without effect, as its reference says.
      unsupported: ['presence_penalty', 'frequency_penalty'],
      rename: { user: 'user_id' },
      usage: cachedTokensAt('prompt_cache_hit_tokens'),
      brokenOff: ['insufficient_system_resource'],
    }),
  },
  modelPrefixes: ['deepseek-'],
  models: ['deepseek-chat', 'deepseek-reasoner'],
})
