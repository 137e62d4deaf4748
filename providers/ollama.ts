import { defineProvider } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { idsIn, ollamaChat, ollamaEmbeddings } from './dialects/ollama.ts'
import { ollamaTags } from './model-lists.ts'

/** https://docs.ollama.com/api/openai-compatibility */
export const ollama = defineProvider({
  id: 'ollama',
  settings: {
    host: { env: 'OLLAMA_HOST', required: true, help: 'where it listens, conventionally http://localhost:11434' },
    modelList: { env: 'FERRO_OLLAMA_MODELS', required: false, help: 'ids it serves, separated by commas' },
    // Ollama itself reads this variable as its model directory.
    modelsVariable: { env: 'OLLAMA_MODELS', required: false, help: 'the same, read where `model_list` is not set' },
  },
  origin: ({ host }) => rootOf(host),
  auth: () => ({ scheme: 'none' }),
  discovery: ollamaTags,
  forward: { proxy: 'any', responses: true, root: ({ host }) => `${rootOf(host)}/v1` },
  codecs: { chat: ollamaChat('/v1/chat/completions'), embeddings: ollamaEmbeddings('/api/embed') },
  anyModel: true,
  models: ['llama3.2'],
  listedModels: ({ modelList, modelsVariable }) => idsIn(modelList || (isPath(modelsVariable) ? '' : modelsVariable)),
  notes: 'Images must be data URLs.',
})

const rootOf = (host: string): string => apiRoot(withScheme(host), '').replace(/\/v1$/, '')

/** Ollama takes its own variable without a scheme, and listens on 11434 then. */
function withScheme(host: string): string {
  if (host.includes('://')) return host
  return /:\d+(?:\/|$)/.test(host) ? `http://${host}` : `http://${host.replace(/\/*$/, '')}:11434`
}

const isPath = (text: string): boolean => /^(?:[./~\\]|[A-Za-z]:[/\\])/.test(text)
