import { parseUsage, type Usage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, Codec, TargetContext } from '../../../src/core/provider.ts'
import { rankedAnswer, readRankings } from '../rerank.ts'
import { inBandFailure, lacks } from './answer.ts'
import { failure, name } from './failure.ts'
import { commonOf, encodeJson, type OpenAiJsonSurface } from './params.ts'

/**
 * Cohere's rerank, as the hosts that took it over speak it. OpenAI has none.
 * https://docs.cohere.com/reference/rerank
 */
export interface CohereShaped extends OpenAiJsonSurface {
  /** The name of the ceiling, where it is not `top_n`. */
  readonly ceiling?: 'top_k'
  /** Where the results are, if neither in `results` nor in `data`. */
  readonly answer?: (body: JsonObject) => JsonObject
}

export function rerank(options: CohereShaped): Codec {
  const { ceiling = 'top_n', answer = body => body } = options
  return {
    ...commonOf(options),
    encode(request, target) {
      const { top_n: most, return_documents: _documents, documents, ...rest } = request
      // Documents are put back from the request, and none at all is a wish that hosts refuse: one is asked for.
      const ceilings: JsonObject = typeof most === 'number' ? { [ceiling]: Math.max(1, most) } : {}
      return encodeJson({ ...rest, documents: texts(documents), ...ceilings }, target, options)
    },
    decode: (body, target) => decode(body, target, answer(body)),
    failure: (status, body) => failure(status, body, options.errorCodes),
  }
}

/** Hosts take texts; Cohere's older clients send objects that have one. */
const texts = (documents: Json | undefined): Json =>
  Array.isArray(documents) ? documents.map(document => textOf(document) ?? document) : (documents ?? null)

const textOf = (document: Json | undefined): string | null =>
  typeof document === 'string'
    ? document
    : isObject(document) && typeof document.text === 'string' && Object.keys(document).length === 1
      ? document.text
      : null

function decode(body: JsonObject, target: TargetContext, answer: JsonObject): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  const list = [answer.results, answer.data].find(Array.isArray)
  const rankings = readRankings(list, 'relevance_score') ?? readRankings(list, 'score')
  if (rankings === null) return lacks(body, 'results')
  return rankedAnswer({ rankings, id: name(body.id) || name(body.request_id), usage: usageOf(body) }, target)
}

/** In `usage`, or where Cohere has it. */
function usageOf({ usage, meta }: JsonObject): Usage {
  const tokens = isObject(usage) ? usage : isObject(meta) && isObject(meta.tokens) ? meta.tokens : {}
  const read = parseUsage(tokens)
  return { ...read, prompt: read.prompt || read.total }
}
