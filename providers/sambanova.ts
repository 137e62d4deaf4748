import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

const formats = ['json', 'text', 'verbose_json']

/** https://docs.sambanova.ai/cloud/api-reference/endpoints/chat */
export const sambanova = defineProvider({
  id: 'sambanova',
  ...hosted({ root: 'https://api.sambanova.ai/v1', env: 'SAMBANOVA' }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise', floatsOnly: true }),
    // https://docs.sambanova.ai/docs/en/features/audio
    transcriptions: openai.transcriptions({ path: '/audio/transcriptions', relay: 'normalise', formats }),
    translations: openai.translations({ path: '/audio/translations', relay: 'normalise', formats }),
  },
  anyModel: true,
  models: [
    'DeepSeek-V3.1',
    'gpt-oss-120b',
    'Meta-Llama-3.1-8B-Instruct',
    'Meta-Llama-3.3-70B-Instruct',
    'E5-Mistral-7B-Instruct',
    'Whisper-Large-v3',
  ],
})
