import { noUsage, type Usage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import type { Answer, Codec, TargetContext } from '../../src/core/provider.ts'
import { count } from './chat-answer.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from './chat-request.ts'
import { toUpstreamError } from './error-body.ts'

/** The surface is Cohere's contract; what other vendors make of it. https://docs.cohere.com/reference/rerank */

export interface RerankRequest {
  readonly query: string
  readonly documents: readonly string[]
  /** null = all. 0 is a wish that no vendor takes: nothing is kept of what comes. */
  readonly most: number | null
}

export interface Ranking {
  /** Among the documents that were sent. */
  readonly index: number
  readonly score: number
}

export interface Rankings {
  readonly rankings: readonly Ranking[]
  readonly usage?: Usage
  readonly id?: string
  readonly meta?: JsonObject
}

export interface Rerank {
  root?(target: TargetContext): string
  path(target: TargetContext): string
  /** Parameters of the vendor's that may ride along. */
  readonly own?: readonly string[]
  encode(request: RerankRequest, target: TargetContext): JsonObject
  /** null: the answer is none. */
  decode(body: JsonObject): Rankings | null
  /** Search units are billed by the query: one for every so many documents. */
  readonly documentsPerSearch?: number
  /** What is wrong with the model's name, if it becomes part of a path. */
  readonly isModel?: (model: string) => boolean
}

export function rerankCodec({ root, path, own = [], isModel = () => true, ...vendor }: Rerank): Codec {
  const known: ReadonlySet<string> = new Set(['model', 'query', 'documents', 'top_n', 'return_documents', ...own])
  return {
    relay: null,
    framing: 'sse',
    ...(root !== undefined && { root }),
    path,
    encode(request: JsonObject, target) {
      const refusal = new Refusal()
      if (!isModel(target.model)) refusal.invalid('model', 'model must be a name, not a path')
      refuseOmitted(omittedParameters(request, known), target.onUnsupportedParam, refusal)
      const body = vendor.encode(readRequest(request, refusal), target)
      for (const name of own) if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
      return refusal.failure ?? body
    },
    decode(body, target) {
      const read = vendor.decode(body)
      return read === null
        ? new Failure('upstream_error', { cause: 'the answer has no ranking' })
        : rankedAnswer(withSearches(read, target, vendor.documentsPerSearch), target)
    },
    failure: toUpstreamError,
  }
}

function readRequest({ query, documents, top_n }: JsonObject, refusal: Refusal): RerankRequest {
  const list = Array.isArray(documents) ? documents : []
  const texts = list.map((document, i) => {
    const said = textOf(document)
    if (said === null) refusal.invalid(`documents[${i}]`, `documents[${i}] must be a string or have a text`)
    return said ?? ''
  })
  return { query: text(query), documents: texts, most: typeof top_n === 'number' ? top_n : null }
}

function textOf(document: Json): string | null {
  if (typeof document === 'string') return document
  return isObject(document) && typeof document.text === 'string' ? document.text : null
}

function withSearches(read: Rankings, { request }: TargetContext, perSearch: number | undefined): Rankings {
  if (perSearch === undefined) return read
  const documents = isObject(request) && Array.isArray(request.documents) ? request.documents.length : 0
  const searchUnits = Math.ceil(documents / perSearch)
  return {
    ...read,
    usage: { ...(read.usage ?? noUsage), searchUnits },
    meta: { billed_units: { search_units: searchUnits } },
  }
}

/** Best first, no more than asked for, with the documents where the client wants them back. */
export function rankedAnswer(
  { rankings, usage = noUsage, id = '', meta }: Rankings,
  target: TargetContext,
): Answer<JsonObject> {
  const request = isObject(target.request) ? target.request : {}
  const documents = Array.isArray(request.documents) ? request.documents : []
  const most = typeof request.top_n === 'number' ? request.top_n : rankings.length
  const sorted = rankings.toSorted((one, other) => other.score - one.score).slice(0, most)
  const results = sorted.map(({ index, score }): JsonObject => {
    const said = request.return_documents === true ? textOf(documents[index] ?? null) : null
    return { index, relevance_score: score, ...(said !== null && { document: { text: said } }) }
  })
  const body: JsonObject = { id: id || `rerank-${target.requestId || 'unnamed'}`, results, model: target.model }
  body.meta = meta ?? (usage.total > 0 ? { tokens: { input_tokens: usage.prompt } } : {})
  return { body, usage }
}

/** A list of `{ index, <score> }`; null for anything else. */
export function readRankings(value: Json | undefined, score: string): Ranking[] | null {
  if (!Array.isArray(value)) return null
  const rankings: Ranking[] = []
  for (const item of value) {
    if (!isObject(item) || typeof item.index !== 'number' || typeof item[score] !== 'number') return null
    rankings.push({ index: item.index, score: item[score] })
  }
  return rankings
}

/** `prompt_tokens` and the like. */
export function rerankUsage(tokens: Json | undefined): Usage {
  return { ...noUsage, prompt: count(tokens), total: count(tokens) }
}
