import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { Answer, Codec, RawBody, TargetContext } from '../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from './chat-request.ts'
import { embeddingList, embeddingParams, readTexts, readVectors, textCount } from './embedding.ts'
import { toUpstreamError } from './error-body.ts'
import { toSize } from './image-size.ts'

/** Tasks on Hugging Face's own machines. https://huggingface.co/docs/inference-providers/tasks/index */
export interface Tasks {
  /** Where `/models/{model}` is. */
  root(target: TargetContext): string
}

/** Ids are `owner/name`, or a bare name; null for what leads elsewhere. */
function modelPath(model: string): string | null {
  const segments = model.split('/')
  const isGood =
    segments.length <= 2 && segments.every(one => one.trim() !== '' && !/^\.\.?$/.test(one) && !one.includes('\\'))
  return isGood ? `/models/${segments.map(encodeURIComponent).join('/')}` : null
}

const pathTo =
  (task: string) =>
  ({ model }: TargetContext): string =>
    `${modelPath(model) ?? '/models/unknown'}${task}`

function start(request: JsonObject, known: ReadonlySet<string>, target: TargetContext): Refusal {
  const refusal = new Refusal()
  if (modelPath(target.model) === null) refusal.invalid('model', 'model must be owner/name')
  refuseOmitted(omittedParameters(request, known), target.onUnsupportedParam, refusal)
  return refusal
}

/** Its own, as they came. */
const options = ['normalize', 'prompt_name', 'truncate', 'truncation_direction'] as const
const embeddingKnown: ReadonlySet<string> = new Set([...embeddingParams, ...options])

/** https://huggingface.co/docs/inference-providers/tasks/feature-extraction */
export const featureExtraction = ({ root }: Tasks): Codec => ({
  relay: null,
  framing: 'sse',
  root,
  path: pathTo('/pipeline/feature-extraction'),
  encode(request: JsonObject, target) {
    const refusal = start(request, embeddingKnown, target)
    const body: JsonObject = { inputs: readTexts(request.input, refusal) }
    for (const name of options) if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
    return refusal.failure ?? body
  },
  // A vector for each token, as models without pooling give, is no embedding: which to take is theirs to say.
  decode({ data }, target) {
    const vectors = readVectors(data, textCount(target))
    return vectors instanceof Failure ? vectors : embeddingList(vectors, noUsage, target)
  },
  failure: toUpstreamError,
})

const pictureOptions = ['guidance_scale', 'negative_prompt', 'num_inference_steps', 'scheduler', 'seed'] as const
const pictureKnown: ReadonlySet<string> = new Set([
  'model',
  'prompt',
  'n',
  'size',
  'response_format',
  ...pictureOptions,
])

/** https://huggingface.co/docs/inference-providers/tasks/text-to-image */
export const textToImage = ({ root }: Tasks): Codec => ({
  relay: null,
  framing: 'sse',
  root,
  path: pathTo(''),
  encode(request: JsonObject, target) {
    const refusal = start(request, pictureKnown, target)
    const { n, response_format: format } = request
    if (n !== undefined && n !== null && n !== 1)
      refusal.unsupported('n', 'this model draws one picture at a time: n must be 1')
    if (format !== undefined && format !== null && format !== 'b64_json')
      refusal.unsupported(
        'response_format',
        'this model gives pictures, no addresses: response_format must be b64_json',
      )
    if (request.stream === true) refusal.unsupported('stream', 'this model does not stream its pictures')
    const parameters = toSize(request.size, refusal)
    for (const name of pictureOptions)
      if (request[name] !== undefined && request[name] !== null) parameters[name] = request[name]
    const body: JsonObject = { inputs: text(request.prompt) }
    if (Object.keys(parameters).length > 0) body.parameters = parameters
    return refusal.failure ?? body
  },
  decode: body =>
    new Failure('upstream_error', { cause: toUpstreamError(200, body).message || 'the answer is no picture' }),
  decodeBytes: toPictures,
  failure: toUpstreamError,
})

function toPictures({ contentType, bytes }: RawBody, { nowMs = 0 }: TargetContext): Answer<JsonObject> | Failure {
  if (!contentType.toLowerCase().startsWith('image/') || bytes.length === 0)
    return new Failure('upstream_error', { cause: `the answer is ${contentType}, no picture` })
  const picture = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return {
    body: { created: Math.floor(nowMs / 1000), data: [{ b64_json: picture }] },
    usage: { ...noUsage, images: 1 },
  }
}
