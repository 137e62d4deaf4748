import type { Provider } from '../src/core/provider.ts'

/**
 * The same providers as in `index.ts`, each loaded when it is first asked for. A thread keeps the text of all that it has
 * loaded, and a worker needs only what its targets name.
 */
const loaders: Readonly<Record<string, () => Promise<Provider>>> = {
  ai21: async () => (await import('./ai21.ts')).ai21,
  anthropic: async () => (await import('./anthropic.ts')).anthropic,
  'azure-foundry': async () => (await import('./azure-foundry.ts')).azureFoundry,
  'azure-openai': async () => (await import('./azure-openai.ts')).azureOpenai,
  bedrock: async () => (await import('./bedrock.ts')).bedrock,
  cerebras: async () => (await import('./cerebras.ts')).cerebras,
  cloudflare: async () => (await import('./cloudflare.ts')).cloudflare,
  cohere: async () => (await import('./cohere.ts')).cohere,
  databricks: async () => (await import('./databricks.ts')).databricks,
  deepinfra: async () => (await import('./deepinfra.ts')).deepinfra,
  deepseek: async () => (await import('./deepseek.ts')).deepseek,
  demo: async () => (await import('./demo.ts')).demo,
  fireworks: async () => (await import('./fireworks.ts')).fireworks,
  gemini: async () => (await import('./gemini.ts')).gemini,
  groq: async () => (await import('./groq.ts')).groq,
  'hugging-face': async () => (await import('./hugging-face.ts')).huggingFace,
  mistral: async () => (await import('./mistral.ts')).mistral,
  moonshot: async () => (await import('./moonshot.ts')).moonshot,
  novita: async () => (await import('./novita.ts')).novita,
  'nvidia-nim': async () => (await import('./nvidia-nim.ts')).nvidiaNim,
  ollama: async () => (await import('./ollama.ts')).ollama,
  'ollama-cloud': async () => (await import('./ollama-cloud.ts')).ollamaCloud,
  openai: async () => (await import('./openai.ts')).openai,
  'openai-compatible': async () => (await import('./openai-compatible.ts')).openaiCompatible,
  openrouter: async () => (await import('./openrouter.ts')).openrouter,
  perplexity: async () => (await import('./perplexity.ts')).perplexity,
  qwen: async () => (await import('./qwen.ts')).qwen,
  replicate: async () => (await import('./replicate.ts')).replicate,
  sambanova: async () => (await import('./sambanova.ts')).sambanova,
  together: async () => (await import('./together.ts')).together,
  'vertex-ai': async () => (await import('./vertex-ai.ts')).vertexAi,
  xai: async () => (await import('./xai.ts')).xai,
}

/** Those with these ids, each once. Throws for an id that is none. */
export const loadProviders = (ids: Iterable<string>): Promise<Provider[]> => Promise.all([...new Set(ids)].map(load))

async function load(id: string): Promise<Provider> {
  if (Object.hasOwn(loaders, id)) return loaders[id]()
  const { tableProviders } = await import('./openai-compatible-table.ts')
  const found = tableProviders.find(provider => provider.id === id)
  if (found === undefined) throw new Error(`no provider ${id}`)
  return found
}
