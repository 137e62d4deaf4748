import { isObject } from '../src/core/json.ts'
import { defineProvider, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://deepinfra.com/docs/openai_api */
export const deepinfra = defineProvider({
  id: 'deepinfra',
  ...hosted({ root: 'https://api.deepinfra.com/v1/openai', env: 'DEEPINFRA' }),
  discovery: openaiModels,
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens', metadata: cost }),
  },
  anyModel: true,
  models: ['meta-llama/Llama-3.3-70B-Instruct-Turbo', 'meta-llama/Meta-Llama-3.1-8B-Instruct', 'openai/gpt-oss-120b'],
  notes: '`usage.estimated_cost` is in `provider_metadata` too.',
})

function cost({ usage }: JsonObject): JsonObject | null {
  return isObject(usage) && typeof usage.estimated_cost === 'number' ? { estimated_cost: usage.estimated_cost } : null
}
