import { isObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type JsonObject } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { type Rerank, readRankings, rerankCodec, rerankUsage } from './dialects/rerank.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://docs.together.ai/reference/rerank-1 */
const rerank: Rerank = {
  path: () => '/rerank',
  encode: ({ query, documents, most }, { model }) => ({
    model,
    query,
    documents: [...documents],
    // They come back unasked, which for long ones is most of the answer.
    return_documents: false,
    ...(most !== null && most > 0 && { top_n: most }),
  }),
  decode({ results, id, usage }) {
    const rankings = readRankings(results, 'relevance_score')
    const tokens = isObject(usage) ? usage.prompt_tokens : 0
    return rankings && { rankings, id: typeof id === 'string' ? id : '', usage: rerankUsage(tokens) }
  },
}

const formats = ['json', 'verbose_json']

/** https://docs.together.ai/reference/chat-completions-1 */
export const together = defineProvider({
  id: 'together',
  aliases: ['together_ai', 'together-ai', 'togetherai'],
  ...hosted({
    root: 'https://api.together.ai/v1',
    env: 'TOGETHER',
    keyAliases: ['TOGETHERAI_API_KEY', 'TOGETHER_AI_API_KEY'],
  }),
  discovery: openaiModels,
  forward: { proxy: 'any' },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      prepare: countLogprobs,
    }),
    rerank: rerankCodec(rerank),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise', floatsOnly: true }),
    images: openai.images({
      path: '/images/generations',
      relay: 'normalise',
      unsupported: ['quality', 'style', 'user'],
      prepare: sized,
      streams: false,
    }),
    transcriptions: openai.transcriptions({ path: '/audio/transcriptions', relay: 'normalise', formats }),
    translations: openai.translations({ path: '/audio/translations', relay: 'normalise', formats }),
    speech: openai.speech({
      path: '/audio/speech',
      relay: 'normalise',
      unsupported: ['speed', 'instructions', 'stream_format'],
      // Its own default is wav.
      prepare: request => ({ ...request, response_format: request.response_format ?? 'mp3' }),
    }),
  },
  anyModel: true,
  models: [
    'deepseek-ai/DeepSeek-V3.1',
    'meta-llama/Llama-3.3-70B-Instruct-Turbo',
    'openai/gpt-oss-120b',
    'Qwen/Qwen3-235B-A22B-Instruct-2507-tput',
    'black-forest-labs/FLUX.1-schnell',
    'openai/whisper-large-v3',
  ],
  notes: '`logprobs` goes out as the number that `top_logprobs` says.',
})

/** Where OpenAI has a switch and a number, Together has the number alone. */
function countLogprobs({ logprobs, top_logprobs, ...request }: ChatRequest): JsonObject {
  if (typeof logprobs === 'number') return { ...request, logprobs }
  return logprobs === true ? { ...request, logprobs: top_logprobs || 1 } : request
}

/** Width and height are numbers of their own, and base64 has a short name. https://docs.together.ai/reference/post-images-generations */
function sized({ size, response_format: format, ...request }: JsonObject): JsonObject {
  const [, width, height] = typeof size === 'string' ? (/^(\d{1,5})x(\d{1,5})$/.exec(size) ?? []) : []
  return {
    ...(width !== undefined && { width: Number(width), height: Number(height) }),
    ...request,
    ...(format !== undefined && { response_format: format === 'b64_json' ? 'base64' : format }),
  }
}
