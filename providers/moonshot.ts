import { defineProvider } from '../src/core/provider.ts'
import { cachedTokensAt, openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://platform.moonshot.ai/docs/api/chat */
export const moonshot = defineProvider({
  id: 'moonshot',
  aliases: ['kimi', 'moonshotai'],
  ...hosted({ root: 'https://api.moonshot.ai/v1', env: 'MOONSHOT' }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      usage: cachedTokensAt('cached_tokens'),
    }),
  },
  anyModel: true,
  models: ['kimi-k2-turbo-preview', 'kimi-latest', 'moonshot-v1-128k', 'moonshot-v1-32k', 'moonshot-v1-8k'],
  notes: 'It refuses `tool_choice: required` and temperatures above 1. In China: `https://api.moonshot.cn/v1`.',
})
