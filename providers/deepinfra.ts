import { isObject } from '../src/core/json.ts'
import { defineProvider, type JsonObject } from '../src/core/provider.ts'
import { apiRoot, versionOf } from './base-url.ts'
import { openai } from './dialects/openai.ts'
import { type Ranking, type Rerank, rerankCodec, rerankUsage } from './dialects/rerank.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

const root = 'https://api.deepinfra.com/v1/openai'

const isSegment = (segment: string): boolean =>
  segment.trim() !== '' && !/^\.\.?$/.test(segment) && !segment.includes('\\')

/** One score per document, in their order. https://docs.deepinfra.com/apis/reranker */
const rerank: Rerank = {
  // Next to the OpenAI-compatible API.
  root: ({ settings }) => apiRoot(settings.baseUrl, versionOf(root)).replace(/\/openai$/, ''),
  path: ({ model }) => `/inference/${model.split('/').map(encodeURIComponent).join('/')}`,
  isModel: model => model.split('/').every(isSegment),
  own: ['instruction'],
  encode: ({ query, documents }) => ({ queries: [query], documents: [...documents] }),
  decode({ scores, input_tokens }) {
    if (!Array.isArray(scores) || !scores.every(score => typeof score === 'number')) return null
    const rankings: Ranking[] = scores.map((score, index) => ({ index, score: Number(score) }))
    return { rankings, usage: rerankUsage(input_tokens) }
  },
}

/** https://deepinfra.com/docs/openai_api */
export const deepinfra = defineProvider({
  id: 'deepinfra',
  ...hosted({ root, env: 'DEEPINFRA' }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens', metadata: cost }),
    rerank: rerankCodec(rerank),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise' }),
    images: openai.images({
      path: '/images/generations',
      relay: 'normalise',
      only: () => 'b64_json',
      unsupported: ['quality', 'style'],
      streams: false,
    }),
    transcriptions: openai.transcriptions({ path: '/audio/transcriptions', relay: 'normalise' }),
    translations: openai.translations({ path: '/audio/translations', relay: 'normalise' }),
    speech: openai.speech({
      path: '/audio/speech',
      relay: 'normalise',
      unsupported: ['instructions', 'stream_format'],
    }),
  },
  anyModel: true,
  models: ['meta-llama/Llama-3.3-70B-Instruct-Turbo', 'meta-llama/Meta-Llama-3.1-8B-Instruct', 'openai/gpt-oss-120b'],
  notes: '`usage.estimated_cost` is in `provider_metadata` too.',
})

function cost({ usage }: JsonObject): JsonObject | null {
  return isObject(usage) && typeof usage.estimated_cost === 'number' ? { estimated_cost: usage.estimated_cost } : null
}
