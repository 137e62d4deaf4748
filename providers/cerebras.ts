import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://inference-docs.cerebras.ai/api-reference/chat-completions */
export const cerebras = defineProvider({
  id: 'cerebras',
  ...hosted({ root: 'https://api.cerebras.ai/v1', env: 'CEREBRAS' }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_completion_tokens' }),
  },
  anyModel: true,
  models: ['gpt-oss-120b', 'llama3.1-8b'],
})
