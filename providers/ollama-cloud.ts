import { defineProvider } from '../src/core/provider.ts'
import { idsIn, ollamaChat } from './dialects/ollama.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

const prefix = 'ollama-cloud/'
const host = hosted({ root: 'https://ollama.com/v1', env: 'OLLAMA', baseUrlEnv: 'OLLAMA_CLOUD_BASE_URL' })

/** https://docs.ollama.com/cloud */
export const ollamaCloud = defineProvider({
  id: 'ollama-cloud',
  aliases: ['ollama_cloud'],
  ...host,
  settings: {
    ...host.settings,
    modelList: { env: 'OLLAMA_CLOUD_MODELS', required: false, help: 'ids it serves, separated by commas' },
  },
  discovery: openaiModels,
  forward: { proxy: 'none', responses: true },
  codecs: {
    chat: ollamaChat('/chat/completions', bare),
    embeddings: openai.embeddings({
      path: '/embeddings',
      relay: 'normalise',
      floatsOnly: true,
      prepare: (request, { model }) => ({ ...request, model: bare(model) }),
    }),
  },
  modelPrefixes: [prefix],
  models: ['gpt-oss:120b', 'gpt-oss:20b', 'qwen3-coder:480b', 'deepseek-v3.1:671b'],
  listedModels: ({ modelList }) => idsIn(modelList),
  notes: `Images must be data URLs. \`${prefix}\` before a model is left out.`,
})

function bare(model: string): string {
  return model.startsWith(prefix) ? model.slice(prefix.length) : model
}
