import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://huggingface.co/docs/inference-providers/tasks/chat-completion */
export const huggingFace = defineProvider({
  id: 'hugging-face',
  ...hosted({
    root: 'https://router.huggingface.co/v1',
    env: 'HUGGING_FACE',
    baseUrlEnv: 'HUGGING_FACE_ENDPOINT',
    help: 'a token that may call Inference Providers',
  }),
  discovery: openaiModels,
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
  },
  anyModel: true,
  models: ['meta-llama/Llama-3.3-70B-Instruct', 'openai/gpt-oss-120b', 'Qwen/Qwen3-32B'],
  notes: 'A model may end in `:PROVIDER`, `:fastest` or `:cheapest`.',
})
