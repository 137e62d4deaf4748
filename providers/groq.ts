import { isObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** Subtitles are made here, from what `verbose_json` says. */
const formats = ['json', 'text', 'verbose_json']

/** https://console.groq.com/docs/openai */
export const groq = defineProvider({
  id: 'groq',
  ...hosted({ root: 'https://api.groq.com/openai/v1', env: 'GROQ', help: 'https://console.groq.com/keys' }),
  discovery: openaiModels,
  forward: { proxy: 'any', responses: true, files: true },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_completion_tokens',
      // The penalties have no effect, the others are a 400.
      unsupported: ['presence_penalty', 'frequency_penalty', 'logprobs', 'top_logprobs', 'logit_bias'],
      prepare: withoutNames,
    }),
    // https://console.groq.com/docs/speech-to-text
    transcriptions: openai.transcriptions({ path: '/audio/transcriptions', relay: 'normalise', formats }),
    translations: openai.translations({ path: '/audio/translations', relay: 'normalise', formats }),
    // https://console.groq.com/docs/text-to-speech
    speech: openai.speech({
      path: '/audio/speech',
      relay: 'normalise',
      unsupported: ['instructions', 'stream_format'],
    }),
  },
  anyModel: true,
  models: [
    'llama-3.3-70b-versatile',
    'llama-3.1-8b-instant',
    'openai/gpt-oss-120b',
    'openai/gpt-oss-20b',
    'whisper-large-v3',
    'whisper-large-v3-turbo',
  ],
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
