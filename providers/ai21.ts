import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'

/** https://docs.ai21.com/reference/jamba-1-6-api-ref */
export const ai21 = defineProvider({
  id: 'ai21',
  ...hosted({ root: 'https://api.ai21.com/studio/v1', env: 'AI21' }),
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
  },
  // Jurassic models had another wire; Jamba is what AI21 serves.
  modelPrefixes: ['jamba'],
  models: ['jamba-large', 'jamba-mini'],
  notes: 'Jamba models only.',
})
