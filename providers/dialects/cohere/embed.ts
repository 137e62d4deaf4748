import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { type Again, type Answer, again, type TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted } from '../chat-request.ts'
import { embeddingList, embeddingParams, inputUsage, readTexts, readVectors, textCount } from '../embedding.ts'

export const embedPath = '/v2/embed'
/** In one request. https://docs.cohere.com/reference/embed */
const mostTexts = 96

/** Cohere's own, as they came. */
const own = ['truncate', 'max_tokens', 'priority'] as const
const known: ReadonlySet<string> = new Set([...embeddingParams, ...own, 'dimensions', 'input_type'])

export function toEmbedRequest(request: JsonObject, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  refuseOmitted(omittedParameters(request, known), target.onUnsupportedParam, refusal)
  const texts = readTexts(request.input, refusal)
  return refusal.failure ?? toBody(request, target.model, texts.slice(0, mostTexts))
}

/** Numbers always: not every model gives base64, and the client's may be made of them. */
function toBody(request: JsonObject, model: string, texts: readonly string[]): JsonObject {
  const body: JsonObject = {
    model,
    texts: [...texts],
    input_type: request.input_type ?? 'search_document',
    embedding_types: ['float'],
  }
  if (typeof request.dimensions === 'number') body.output_dimension = request.dimensions
  for (const name of own) if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
  return body
}

/** The vectors of the first texts, and of the others by further requests. */
export const fromEmbedResponse = (body: JsonObject, target: TargetContext): Answer<JsonObject> | Again | Failure =>
  collect([], inputUsage(0), body, target)

function collect(
  before: readonly number[][],
  spent: Usage,
  body: JsonObject,
  target: TargetContext,
): Answer<JsonObject> | Again | Failure {
  const total = textCount(target)
  const expected = Math.min(mostTexts, total - before.length)
  const vectors = readVectors(isObject(body.embeddings) ? body.embeddings.float : body.embeddings, expected)
  if (vectors instanceof Failure) return vectors
  const all = [...before, ...vectors]
  const usage = inputUsage(spent.prompt + tokensOf(body))
  if (all.length >= total || !isObject(target.request)) return embeddingList(all, usage, target)
  const texts = readTexts(target.request.input, new Refusal()).slice(all.length, all.length + mostTexts)
  return again({
    to: embedPath,
    body: toBody(target.request, target.model, texts),
    decode: (next, context) => collect(all, usage, next, context),
  })
}

function tokensOf({ meta }: JsonObject): number {
  const { tokens, billed_units } = isObject(meta) ? meta : {}
  const told = isObject(tokens) && typeof tokens.input_tokens === 'number' ? tokens : billed_units
  return isObject(told) && typeof told.input_tokens === 'number' ? told.input_tokens : 0
}
