import { noUsage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Again, Answer, TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { toSize } from '../image-size.ts'
import { settled } from './prediction.ts'
import { toPrediction } from './request.ts'

/** What several models have besides. */
const inputs = ['aspect_ratio', 'guidance', 'negative_prompt', 'num_inference_steps', 'output_format', 'seed'] as const

const known: ReadonlySet<string> = new Set([...inputs, 'model', 'prompt', 'n', 'size', 'response_format', 'input'])

/** Of pictures there are addresses only. */
export function toImageRequest(request: JsonObject, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  const omitted = omittedParameters(request, known)
  const input: JsonObject = { prompt: text(request.prompt), num_outputs: typeof request.n === 'number' ? request.n : 1 }
  Object.assign(input, toSize(request.size, refusal))
  for (const name of inputs) if (request[name] !== undefined && request[name] !== null) input[name] = request[name]
  const format = request.response_format
  if (format !== undefined && format !== null && format !== 'url')
    refusal.unsupported('response_format', 'this model gives addresses of pictures: response_format must be url')
  if (request.stream === true) refusal.unsupported('stream', 'this model does not stream its pictures')
  const body = toPrediction(target.model, { ...input, ...(isObject(request.input) && request.input) }, refusal)
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  return refusal.failure ?? body
}

export function fromImagePrediction(
  prediction: JsonObject,
  { nowMs = 0 }: TargetContext,
): Answer<JsonObject> | Again | Failure {
  const state = settled(prediction, ({ output }) => {
    const urls = (Array.isArray(output) ? output : [output]).map(text).filter(Boolean)
    const body: JsonObject = { created: Math.floor(nowMs / 1000), data: urls.map(url => ({ url })) }
    return { body, usage: { ...noUsage, images: urls.length } }
  })
  if (!('body' in state)) return state
  const { data } = state.body
  return Array.isArray(data) && data.length > 0
    ? state
    : new Failure('upstream_error', { cause: 'the prediction has no pictures' })
}
