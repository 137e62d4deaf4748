import { defineProvider } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion */
export const novita = defineProvider({
  id: 'novita',
  aliases: ['novita-ai'],
  ...hosted({ root: 'https://api.novita.ai/openai/v1', env: 'NOVITA' }),
  discovery: openaiModels,
  forward: { proxy: 'any', files: true },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise' }),
    // https://novita.ai/docs/api-reference/model-apis-llm-create-rerank
    rerank: openai.rerank({ path: '/rerank', relay: 'normalise' }),
  },
  anyModel: true,
  models: ['deepseek/deepseek-v3.1', 'meta-llama/llama-3.3-70b-instruct', 'openai/gpt-oss-120b', 'baai/bge-m3'],
})
