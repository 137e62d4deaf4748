import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://docs.fireworks.ai/api-reference/post-chatcompletions */
export const fireworks = defineProvider({
  id: 'fireworks',
  ...hosted({ root: 'https://api.fireworks.ai/inference/v1', env: 'FIREWORKS' }),
  discovery: openaiModels,
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
  },
  anyModel: true,
  models: [
    'accounts/fireworks/models/deepseek-v3p1',
    'accounts/fireworks/models/gpt-oss-120b',
    'accounts/fireworks/models/llama-v3p3-70b-instruct',
  ],
  notes: 'Models are named `accounts/fireworks/models/…`.',
})
