import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://docs.api.nvidia.com/nim/reference/llm-apis */
export const nvidiaNim = defineProvider({
  id: 'nvidia-nim',
  ...hosted({ root: 'https://integrate.api.nvidia.com/v1', env: 'NVIDIA_NIM' }),
  discovery: openaiModels,
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
  },
  anyModel: true,
  models: ['meta/llama-3.3-70b-instruct', 'nvidia/llama-3.1-nemotron-ultra-253b-v1', 'openai/gpt-oss-120b'],
})
