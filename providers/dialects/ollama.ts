import { Failure } from '../../src/core/failures.ts'
import { isObject } from '../../src/core/json.ts'
import type { ChatCodec, ChatRequest, Codec, JsonObject, TargetContext } from '../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted } from './chat-request.ts'
import { embeddingList, embeddingParams, inputUsage, readTexts, readVectors, textCount } from './embedding.ts'
import { toUpstreamError } from './error-body.ts'
import { openai } from './openai.ts'

/** What Ollama makes of OpenAI's chat. https://docs.ollama.com/api/openai-compatibility */
export const ollamaChat = (path: string, modelOf: (model: string) => string = model => model): ChatCodec =>
  openai.chat({
    path,
    relay: 'normalise',
    tokenLimit: 'max_tokens',
    unsupported: ['n', 'tool_choice', 'logprobs', 'top_logprobs', 'user', 'logit_bias'],
    prepare: (request, target) => prepare(request, target, modelOf),
  })

function prepare(
  request: ChatRequest,
  { model }: TargetContext,
  modelOf: (model: string) => string,
): JsonObject | Failure {
  // It would have to be fetched, and an address that a client names is not fetched on its behalf.
  if (request.messages.some(hasRemoteImage))
    return new Failure('unsupported_parameter', { message: 'image must be a data URL', param: 'messages' })
  const { tools, ...rest } = request
  // It knows no `tool_choice`; without tools none is called.
  const offered = tools === undefined || request.tool_choice === 'none' ? {} : { tools }
  return { ...rest, ...offered, model: modelOf(model) }
}

function hasRemoteImage(message: ChatRequest['messages'][number]): boolean {
  if (!isObject(message) || !Array.isArray(message.content)) return false
  return message.content.some(part => {
    if (!isObject(part) || part.type !== 'image_url') return false
    const url = isObject(part.image_url) ? part.image_url.url : part.image_url
    return typeof url === 'string' && /^https?:/i.test(url)
  })
}

/** Its own, as they came. */
const embedOptions = ['dimensions', 'keep_alive', 'options', 'truncate'] as const
const embedKnown: ReadonlySet<string> = new Set([...embeddingParams, ...embedOptions])

/** https://docs.ollama.com/api/embed */
export const ollamaEmbeddings = (path: string): Codec => ({
  relay: null,
  framing: 'sse',
  path: () => path,
  encode(request: JsonObject, target) {
    const refusal = new Refusal()
    refuseOmitted(omittedParameters(request, embedKnown), target.onUnsupportedParam, refusal)
    const body: JsonObject = { model: target.model, input: readTexts(request.input, refusal) }
    for (const name of embedOptions)
      if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
    return refusal.failure ?? body
  },
  decode({ embeddings, prompt_eval_count }, target) {
    const vectors = readVectors(embeddings, textCount(target))
    return vectors instanceof Failure ? vectors : embeddingList(vectors, inputUsage(prompt_eval_count), target)
  },
  failure: toUpstreamError,
})

/** A variable that lists model ids. */
export const idsIn = (list: string): string[] =>
  list
    .split(',')
    .map(id => id.trim())
    .filter(Boolean)
