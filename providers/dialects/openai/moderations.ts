import { noUsage, parseUsage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, Codec, TargetContext } from '../../../src/core/provider.ts'
import { inBandFailure, lacks } from './answer.ts'
import { failure, name } from './failure.ts'
import { changes, commonOf, encodeJson, type OpenAiJsonSurface } from './params.ts'

/** https://platform.openai.com/docs/api-reference/moderations */
export function moderations(options: OpenAiJsonSurface): Codec {
  return {
    ...commonOf(options),
    encode: changes(options) ? (request, target) => encodeJson(request, target, options) : null,
    decode,
    failure: (status, body) => failure(status, body, options.errorCodes),
  }
}

function decode(body: JsonObject, target: TargetContext): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  if (!Array.isArray(body.results)) return lacks(body, 'results')
  const out: JsonObject = {
    ...body,
    id: name(body.id) || `modr-${target.requestId || 'unnamed'}`,
    model: name(body.model) || target.model,
    results: body.results.filter(isObject).map(withVerdict),
  }
  return { body: out, usage: isObject(body.usage) ? parseUsage(body.usage) : noUsage }
}

/** Hosts that leave the verdict out have found something where any category says so. */
function withVerdict(result: JsonObject): JsonObject {
  if (typeof result.flagged === 'boolean') return result
  const { flagged: _none, categories, ...rest } = result
  return { flagged: isObject(categories) && Object.values(categories).includes(true), categories, ...rest }
}
