import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { type Again, type Answer, again, type Codec, type TargetContext } from '../../../src/core/provider.ts'
import { count } from '../chat-answer.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { embeddingList, embeddingParams, inputUsage, readTexts, textsOf } from '../embedding.ts'
import { toUpstreamError } from './error.ts'
import { type GeminiHost, methodPath } from './host.ts'

/** One of the ways in which Google embeds texts. */
export interface EmbeddingMethod {
  readonly method: string
  /** Most texts of one call; more are asked for in further ones. */
  readonly most: number
  body(texts: readonly string[], request: JsonObject, model: string): JsonObject
  /** null: not an answer of this method. */
  read(body: JsonObject): Embedded | null
}

export interface Embedded {
  readonly vectors: readonly number[][]
  readonly tokens: number
}

export function embeddings(host: GeminiHost, methodOf: (model: string) => EmbeddingMethod): Codec {
  const path = (model: string): string => methodPath(host, model, methodOf(model).method)

  /** Of the answers so far, and then this one. */
  const collect =
    (before: Embedded) =>
    (body: JsonObject, target: TargetContext): Answer | Again | Failure => {
      const { model, request } = target
      const texts = textsOf(target)
      const method = methodOf(model)
      const asked = texts.slice(before.vectors.length, before.vectors.length + method.most)
      const read = method.read(body)
      if (read === null || read.vectors.length !== asked.length)
        return new Failure('upstream_error', { cause: `the answer has not the ${asked.length} embeddings asked for` })
      const all = { vectors: [...before.vectors, ...read.vectors], tokens: before.tokens + read.tokens }
      const next = texts.slice(all.vectors.length, all.vectors.length + method.most)
      if (next.length === 0) return embeddingList(all.vectors, inputUsage(all.tokens), target)
      return again({
        to: path(model),
        body: method.body(next, request as JsonObject, model),
        decode: collect(all),
      })
    }

  return {
    relay: null,
    framing: 'sse',
    params: { dimensions: 'translate', encoding_format: 'translate', user: 'unsupported' },
    path: ({ model }) => path(model),
    encode(request, { model, onUnsupportedParam }) {
      const refusal = new Refusal()
      if (host.path(model) === null) refusal.invalid('model', 'model must be a name, not a path')
      const texts = readTexts(request.input, refusal)
      refuseOmitted(omittedParameters(request, known), onUnsupportedParam, refusal)
      const method = methodOf(model)
      return refusal.failure ?? method.body(texts.slice(0, method.most), request, model)
    },
    decode: collect({ vectors: [], tokens: 0 }),
    failure: toUpstreamError,
  }
}

const known: ReadonlySet<string> = new Set([
  ...embeddingParams,
  'dimensions',
  'task_type',
  'taskType',
  'title',
  'auto_truncate',
  'autoTruncate',
])

/** null: not a vector of numbers. */
function readVector(value: Json | undefined): number[] | null {
  const isVector = Array.isArray(value) && value.length > 0 && value.every(one => typeof one === 'number')
  return isVector ? value : null
}

/** Google's own, in both spellings it accepts. */
const taskOf = ({ task_type, taskType }: JsonObject): string => text(taskType) || text(task_type)

function content(text: string, { dimensions, title, ...request }: JsonObject): JsonObject {
  const taskType = taskOf(request)
  return {
    content: { parts: [{ text }] },
    ...(taskType !== '' && { taskType }),
    ...(typeof title === 'string' && { title }),
    ...(typeof dimensions === 'number' && { outputDimensionality: dimensions }),
  }
}

const tokensOf = ({ usageMetadata }: JsonObject): number =>
  isObject(usageMetadata) ? count(usageMetadata.promptTokenCount) || count(usageMetadata.totalTokenCount) : 0

const vectorsOf = (list: readonly JsonObject[], read: (one: JsonObject) => Json | undefined) => {
  const vectors = list.map(one => readVector(read(one)))
  return vectors.every(vector => vector !== null) ? vectors : null
}

const objects = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** https://ai.google.dev/api/embeddings#method:-models.batchembedcontents */
export const batchEmbedContents: EmbeddingMethod = {
  method: 'batchEmbedContents',
  most: 100,
  body: (texts, request, model) => ({
    requests: texts.map(one => ({ model: `models/${model.replace(/^models\//, '')}`, ...content(one, request) })),
  }),
  read(body) {
    const vectors = vectorsOf(objects(body.embeddings), ({ values }) => values)
    return vectors && { vectors, tokens: tokensOf(body) }
  },
}

/** https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings */
export const embedContent: EmbeddingMethod = {
  method: 'embedContent',
  most: 1,
  body: ([one], request) => content(one, request),
  read(body) {
    const vectors = vectorsOf(objects([body.embedding ?? null]), ({ values }) => values)
    return vectors && { vectors, tokens: tokensOf(body) }
  },
}

/** https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api */
export const predictEmbeddings = (most: number): EmbeddingMethod => ({
  method: 'predict',
  most,
  body(texts, request) {
    const task = taskOf(request)
    const { dimensions, title } = request
    const autoTruncate = request.autoTruncate ?? request.auto_truncate
    const parameters: JsonObject = {
      ...(typeof dimensions === 'number' && { outputDimensionality: dimensions }),
      ...(typeof autoTruncate === 'boolean' && { autoTruncate }),
    }
    return {
      instances: texts.map(one => ({
        content: one,
        ...(task !== '' && { task_type: task }),
        ...(typeof title === 'string' && { title }),
      })),
      ...(Object.keys(parameters).length > 0 && { parameters }),
    }
  },
  read({ predictions, metadata }) {
    const read = objects(predictions).map(one => ({ one, embeddings: isObject(one.embeddings) ? one.embeddings : {} }))
    const vectors = read.map(({ one, embeddings }) => readVector(embeddings.values ?? one.values ?? one.embedding))
    if (!vectors.every(vector => vector !== null)) return null
    const counted = read.reduce((sum, { embeddings: { statistics } }) => {
      return sum + (isObject(statistics) ? count(statistics.token_count) : 0)
    }, 0)
    return { vectors, tokens: counted || tokensOfMetadata(metadata) }
  },
})

function tokensOfMetadata(metadata: Json | undefined): number {
  const tokens = isObject(metadata) ? metadata.tokenMetadata : undefined
  const input = isObject(tokens) ? tokens.inputTokenCount : undefined
  return isObject(input) ? count(input.totalTokens) : 0
}
