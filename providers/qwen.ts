import { isObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type JsonObject, type TargetContext } from '../src/core/provider.ts'
import { openai } from './dialects/openai.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api */
export const qwen = defineProvider({
  id: 'qwen',
  aliases: ['dashscope', 'alibaba'],
  ...hosted({
    root: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    env: 'QWEN',
    keyAliases: ['DASHSCOPE_API_KEY', 'ALIBABA_API_KEY'],
  }),
  discovery: openaiModels,
  forward: { proxy: 'any', files: true },
  codecs: {
    chat: openai.chat({
      path: '/chat/completions',
      relay: 'normalise',
      tokenLimit: 'max_tokens',
      prepare: withoutThinking,
    }),
    embeddings: openai.embeddings({ path: '/embeddings', relay: 'normalise', floatsOnly: true }),
    // Its only rerank is DashScope's own. https://www.alibabacloud.com/help/en/model-studio/text-rerank-api
    rerank: openai.rerank({
      root: ({ settings }) => new URL(settings.baseUrl).origin,
      path: '/api/v1/services/rerank/text-rerank/text-rerank',
      relay: 'normalise',
      prepare: ({ model, query, documents, ...parameters }) => ({ model, input: { query, documents }, parameters }),
      answer: ({ output }) => (isObject(output) ? output : {}),
    }),
  },
  anyModel: true,
  models: [
    'qwen-max',
    'qwen-plus',
    'qwen-flash',
    'qwen3-coder-plus',
    'qwen-vl-max',
    'text-embedding-v4',
    'qwen3-rerank',
  ],
  notes: 'In China: `https://dashscope.aliyuncs.com/compatible-mode/v1`.',
})

/** The open Qwen3 models that think unless told not to: `qwen3-32b`, `qwen3-235b-a22b`; their dated successors do one or the other. */
const hybrid = /^qwen3-\d+(?:\.\d+)?b(?:-a\d+b)?$/

/** Those answer only streams while they think. */
function withoutThinking(request: ChatRequest, { model, stream }: TargetContext): JsonObject {
  return stream || request.enable_thinking !== undefined || !hybrid.test(model)
    ? request
    : { ...request, enable_thinking: false }
}
