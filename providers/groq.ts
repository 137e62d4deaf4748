import { isObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://console.groq.com/docs/openai */
export const groq = defineProvider({
  id: 'groq',
  ...hosted({ root: 'https://api.groq.com/openai/v1', env: 'GROQ', help: 'https://console.groq.com/keys' }),
  discovery: openaiModels,
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_completion_tokens',
      // The penalties have no effect, the others are a 400.
      unsupported: ['presence_penalty', 'frequency_penalty', 'logprobs', 'top_logprobs', 'logit_bias'],
      prepare: withoutNames,
    }),
  },
  anyModel: true,
  models: ['llama-3.3-70b-versatile', 'llama-3.1-8b-instant', 'openai/gpt-oss-120b', 'openai/gpt-oss-20b'],
  notes: '`name` of messages is left out; `n` must be 1.',
})

/** Groq answers `messages[].name` with a 400. */
function withoutNames({ messages, ...request }: ChatRequest): JsonObject {
  return {
    ...request,
    messages: messages.map(message => {
      if (!isObject(message) || message.name === undefined) return message
      const { name: _name, ...rest } = message
      return rest
    }),
  }
}
