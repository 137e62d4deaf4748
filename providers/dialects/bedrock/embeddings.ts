import type { Usage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { type Again, type Answer, again, type TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted } from '../chat-request.ts'
import { bareId, modelPath } from '../converse/models.ts'
import { embeddingList, embeddingParams, inputUsage, readTexts, readVectors, textCount } from '../embedding.ts'

/** How a vendor's models embed. */
interface Embedder {
  /** Texts in one request. */
  readonly most: number
  /** The vendor's own parameters, as they came. */
  readonly own: readonly string[]
  /** `dimensions` under the vendor's name; '' = the length is fixed. */
  readonly dimensions: string
  body(texts: readonly string[], request: JsonObject): JsonObject
  vectors(body: JsonObject): Json | undefined
}

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html */
const titan: Embedder = {
  most: 1,
  own: [],
  dimensions: '',
  body: ([inputText]) => ({ inputText }),
  vectors: ({ embedding }) => (embedding === undefined ? undefined : [embedding]),
}

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html. Says nothing of tokens in its body. */
const cohere: Embedder = {
  most: 96,
  own: ['truncate'],
  dimensions: '',
  // Stored texts and questions are embedded differently; to store is what is done without a word.
  body: (texts, { input_type }) => ({ texts: [...texts], input_type: input_type ?? 'search_document' }),
  vectors: ({ embeddings }) => (isObject(embeddings) ? embeddings.float : embeddings),
}

const embedders: readonly (readonly [prefix: string, embedder: Embedder])[] = [
  ['amazon.titan-embed-text-v2', { ...titan, own: ['normalize'], dimensions: 'dimensions' }],
  ['amazon.titan-embed-text-', titan],
  ['amazon.titan-embed-g1-text-', titan],
  [
    'cohere.embed-v4',
    {
      ...cohere,
      own: [...cohere.own, 'max_tokens'],
      dimensions: 'output_dimension',
      body: (texts, request) => ({ ...cohere.body(texts, request), embedding_types: ['float'] }),
    },
  ],
  ['cohere.embed-', cohere],
]

const embedderOf = (model: string): Embedder | undefined => {
  const id = bareId(model)
  return embedders.find(([prefix]) => id.startsWith(prefix))?.[1]
}

export const embeds = (model: string): boolean => embedderOf(model) !== undefined

export function toEmbedBody(request: JsonObject, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  const embedder = embedderOf(target.model)
  if (embedder === undefined || modelPath(target.model) === null)
    refusal.invalid('model', 'model must be one that embeds texts')
  const { most, own, dimensions } = embedder ?? titan
  const known = new Set([...embeddingParams, ...own, ...(dimensions === '' ? [] : ['dimensions'])])
  if (embedder !== undefined && bareId(target.model).startsWith('cohere.')) known.add('input_type')
  refuseOmitted(omittedParameters(request, known), target.onUnsupportedParam, refusal)
  const texts = readTexts(request.input, refusal)
  if (texts.some(one => one === '')) refusal.invalid('input', 'input must not have empty texts')
  return refusal.failure ?? bodyOf(embedder ?? titan, texts.slice(0, most), request)
}

function bodyOf(embedder: Embedder, texts: readonly string[], request: JsonObject): JsonObject {
  const body = embedder.body(texts, request)
  if (embedder.dimensions !== '' && typeof request.dimensions === 'number')
    body[embedder.dimensions] = request.dimensions
  for (const name of embedder.own) if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
  return body
}

/** The vectors of the first texts, and of the others by further requests. */
export const fromEmbedAnswer = (body: JsonObject, target: TargetContext): Answer<JsonObject> | Again | Failure =>
  collect([], inputUsage(0), body, target)

function collect(
  before: readonly number[][],
  spent: Usage,
  body: JsonObject,
  target: TargetContext,
): Answer<JsonObject> | Again | Failure {
  const embedder = embedderOf(target.model) ?? titan
  const total = textCount(target)
  const vectors = readVectors(embedder.vectors(body), Math.min(embedder.most, total - before.length))
  if (!Array.isArray(vectors)) return vectors
  const all = [...before, ...vectors]
  const usage = inputUsage(spent.prompt + inputUsage(body.inputTextTokenCount).prompt)
  if (all.length >= total || !isObject(target.request)) return embeddingList(all, usage, target)
  const texts = readTexts(target.request.input, new Refusal()).slice(all.length, all.length + embedder.most)
  return again({
    to: `${modelPath(target.model) ?? '/model/unknown'}/invoke`,
    body: bodyOf(embedder, texts, target.request),
    decode: (next, context) => collect(all, usage, next, context),
  })
}
