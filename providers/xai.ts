import { isObject } from '../src/core/json.ts'
import { defineProvider, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://docs.x.ai/docs/api-reference */
export const xai = defineProvider({
  id: 'xai',
  ...hosted({ root: 'https://api.x.ai/v1', env: 'XAI', help: 'https://console.x.ai' }),
  discovery: openaiModels,
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      usage: withReasoning,
    }),
  },
  modelPrefixes: ['grok', 'Grok', 'GROK', 'xai', 'xAI', 'XAI'],
  models: ['grok-4', 'grok-3', 'grok-3-mini', 'grok-code-fast-1'],
  notes: 'Reasoning models refuse `stop` and the penalties.',
})

/** Some models count reasoning beside the completion; the total gives them away. */
function withReasoning(usage: JsonObject): JsonObject {
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage
  const details = usage.completion_tokens_details
  const reasoning = isObject(details) ? details.reasoning_tokens : undefined
  if (typeof prompt !== 'number' || typeof completion !== 'number' || typeof reasoning !== 'number') return usage
  return reasoning > 0 && total === prompt + completion + reasoning
    ? { ...usage, completion_tokens: completion + reasoning }
    : usage
}
