import { isObject } from '../src/core/json.ts'
import { type ChatRequest, defineProvider, type JsonObject, type TargetContext } from '../src/core/provider.ts'
import { text } from './dialects/chat-request.ts'
import { toUpstreamError } from './dialects/error-body.ts'
import { toSize } from './dialects/image-size.ts'
import { openai } from './dialects/openai.ts'
import { type Drawing, drawnEdits, drawnPictures } from './dialects/pictures.ts'
import { hosted } from './hosted.ts'
import { openaiModels } from './model-lists.ts'

/** DashScope's own API is beside the compatible one. */
const own = ({ settings }: TargetContext): string => new URL(settings.baseUrl).origin

/** Its pictures are asked for as a chat is. https://www.alibabacloud.com/help/en/model-studio/qwen-image-api, …/qwen-image-edit-api */
const drawing: Drawing = {
  root: own,
  serves: model => model.startsWith('qwen-image'),
  path: () => '/api/v1/services/aigc/multimodal-generation/generation',
  failure: toUpstreamError,
  gives: 'url',
  own: ['negative_prompt', 'prompt_extend', 'watermark', 'seed'],
  size(size, refusal) {
    const { width, height } = toSize(size, refusal)
    return width === undefined ? {} : { size: `${String(width)}*${String(height)}` }
  },
  body: ({ prompt, options, pictures }, { model }) => ({
    model,
    input: { messages: [{ role: 'user', content: [...pictures.map(image => ({ image })), { text: prompt }] }] },
    parameters: options,
  }),
  read({ output }) {
    const choices = isObject(output) && Array.isArray(output.choices) ? output.choices.filter(isObject) : []
    const parts = choices.flatMap(({ message }) =>
      isObject(message) && Array.isArray(message.content) ? message.content.filter(isObject) : [],
    )
    return { pictures: parts.map(({ image }) => text(image)).filter(Boolean) }
  },
}

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
      root: own,
      path: '/api/v1/services/rerank/text-rerank/text-rerank',
      relay: 'normalise',
      prepare: ({ model, query, documents, ...parameters }) => ({ model, input: { query, documents }, parameters }),
      answer: ({ output }) => (isObject(output) ? output : {}),
    }),
    images: drawnPictures(drawing),
    imageEdits: drawnEdits({ ...drawing, serves: model => model.startsWith('qwen-image') && model.includes('edit') }),
  },
  imageFormats: ['url'],
  anyModel: true,
  models: [
    'qwen-max',
    'qwen-plus',
    'qwen-flash',
    'qwen3-coder-plus',
    'qwen-vl-max',
    'text-embedding-v4',
    'qwen3-rerank',
    'qwen-image',
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
