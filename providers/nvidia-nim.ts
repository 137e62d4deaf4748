import { isObject } from '../src/core/json.ts'
import { defineProvider, type TargetContext } from '../src/core/provider.ts'
import { apiRoot } from './base-url.ts'
import { text } from './dialects/chat-request.ts'
import { toUpstreamError } from './dialects/error-body.ts'
import { openai } from './dialects/openai.ts'
import { drawnPictures } from './dialects/pictures.ts'
import { type Rerank, readRankings, rerankCodec, rerankUsage } from './dialects/rerank.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

const root = 'https://integrate.api.nvidia.com/v1'

/** The first rerankers have no path of their own. */
const withoutPath: ReadonlySet<string> = new Set(['nvidia/rerank-qa-mistral-4b', 'nv-rerank-qa-mistral-4b:1'])

const isHosted = ({ settings }: TargetContext): boolean => apiRoot(settings.baseUrl, '/v1') === root

/** https://docs.api.nvidia.com/nim/reference/retrieval-apis, https://docs.nvidia.com/nim/nemo-retriever/text-reranking/latest/using-reranking.html */
const rerank: Rerank = {
  root: target => (isHosted(target) ? 'https://ai.api.nvidia.com/v1' : apiRoot(target.settings.baseUrl, '/v1')),
  path(target) {
    if (!isHosted(target)) return '/ranking'
    if (withoutPath.has(target.model)) return '/retrieval/nvidia/reranking'
    return `/retrieval/${target.model.replaceAll('.', '_').split('/').map(encodeURIComponent).join('/')}/reranking`
  },
  isModel: model => !model.includes('\\') && model.split('/').every(segment => segment.trim() !== ''),
  encode: ({ query, documents }, { model }) => ({
    model,
    query: { text: query },
    passages: documents.map(text => ({ text })),
    // What is too long is cut rather than refused, as with the others.
    truncate: 'END',
  }),
  decode({ rankings: ranked, usage }) {
    const rankings = readRankings(ranked, 'logit')
    const tokens = isObject(usage) ? usage.prompt_tokens : 0
    return (
      rankings && {
        rankings: rankings.map(one => ({ ...one, score: logistic(one.score) })),
        usage: rerankUsage(tokens),
      }
    )
  },
}

/** Scores are log-odds there, and between 0 and 1 elsewhere. */
const logistic = (logit: number): number => 1 / (1 + Math.exp(-logit))

const isVisual = (model: string): boolean => /^(?:black-forest-labs|stabilityai)\//.test(model)

/** https://docs.api.nvidia.com/nim/reference/black-forest-labs-flux_1-schnell-infer, https://docs.api.nvidia.com/nim/reference/visual-models-apis */
const images = drawnPictures({
  root: target => (isHosted(target) ? 'https://ai.api.nvidia.com/v1' : apiRoot(target.settings.baseUrl, '/v1')),
  serves: isVisual,
  path: target => (isHosted(target) ? `/genai/${target.model.split('/').map(encodeURIComponent).join('/')}` : '/infer'),
  check(refusal, { model }) {
    if (!/^[\w-]+\/[\w.-]+$/.test(model)) refusal.invalid('model', 'model must be publisher/name')
  },
  failure: toUpstreamError,
  own: ['seed', 'steps', 'cfg_scale', 'mode', 'image', 'negative_prompt'],
  body: ({ prompt, options }) => ({ prompt, ...options }),
  read({ artifacts }) {
    const made = Array.isArray(artifacts) ? artifacts.filter(isObject) : []
    return { pictures: made.map(({ base64 }) => text(base64)).filter(Boolean) }
  },
})

/** https://docs.api.nvidia.com/nim/reference/llm-apis */
export const nvidiaNim = defineProvider({
  id: 'nvidia-nim',
  aliases: ['nvidia', 'nvidia_nim', 'nim'],
  ...hosted({ root, env: 'NVIDIA_NIM', keyAliases: ['NVIDIA_API_KEY'] }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({ path: '/chat/completions', relay: 'normalise', tokenLimit: 'max_tokens' }),
    rerank: rerankCodec(rerank),
    images,
    // Retrieval models want `input_type`, which goes on as it comes.
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise' }),
  },
  anyModel: true,
  models: ['meta/llama-3.3-70b-instruct', 'nvidia/llama-3.1-nemotron-ultra-253b-v1', 'openai/gpt-oss-120b'],
})
