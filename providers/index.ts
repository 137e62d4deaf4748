import type { Provider } from '../src/core/provider.ts'
import { ai21 } from './ai21.ts'
import { anthropic } from './anthropic.ts'
import { azureFoundry } from './azure-foundry.ts'
import { azureOpenai } from './azure-openai.ts'
import { bedrock } from './bedrock.ts'
import { cerebras } from './cerebras.ts'
import { cloudflare } from './cloudflare.ts'
import { cohere } from './cohere.ts'
import { databricks } from './databricks.ts'
import { deepinfra } from './deepinfra.ts'
import { deepseek } from './deepseek.ts'
import { demo } from './demo.ts'
import { fireworks } from './fireworks.ts'
import { gemini } from './gemini.ts'
import { groq } from './groq.ts'
import { huggingFace } from './hugging-face.ts'
import { mistral } from './mistral.ts'
import { moonshot } from './moonshot.ts'
import { novita } from './novita.ts'
import { nvidiaNim } from './nvidia-nim.ts'
import { ollama } from './ollama.ts'
import { ollamaCloud } from './ollama-cloud.ts'
import { openai } from './openai.ts'
import { openaiCompatible } from './openai-compatible.ts'
import { tableProviders } from './openai-compatible-table.ts'
import { openrouter } from './openrouter.ts'
import { perplexity } from './perplexity.ts'
import { qwen } from './qwen.ts'
import { replicate } from './replicate.ts'
import { sambanova } from './sambanova.ts'
import { together } from './together.ts'
import { vertexAi } from './vertex-ai.ts'
import { xai } from './xai.ts'

/** Every provider Ferrite knows. A model that no target lists goes to the first whose prefixes claim it. */
export { demo }

export const providers: readonly Provider[] = [
  // Whoever begins without any key is asked for the first one's.
  openai,
  ai21,
  anthropic,
  azureFoundry,
  azureOpenai,
  bedrock,
  cerebras,
  cloudflare,
  cohere,
  databricks,
  deepinfra,
  deepseek,
  fireworks,
  gemini,
  groq,
  huggingFace,
  mistral,
  moonshot,
  novita,
  nvidiaNim,
  ollama,
  ollamaCloud,
  openrouter,
  perplexity,
  qwen,
  replicate,
  sambanova,
  together,
  vertexAi,
  xai,
  openaiCompatible,
  ...tableProviders,
  demo,
]

const index = new Map(providers.map(provider => [provider.id, provider]))

export const byId = (id: string): Provider | undefined => index.get(id)
