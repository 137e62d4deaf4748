import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { type Codec, type FormRequest, RawBody, type TargetContext } from '../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted } from './chat-request.ts'
import { embeddingList, embeddingParams, readTexts, readVectors, textCount } from './embedding.ts'
import { toUpstreamError } from './error-body.ts'
import { transcript } from './openai/transcriptions.ts'
import { drawnPictures } from './pictures.ts'
import { readSound, soundType } from './sound.ts'

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

function checkModel(refusal: Refusal, { model }: TargetContext): void {
  if (modelPath(model) === null) refusal.invalid('model', 'model must be owner/name')
}

function start(request: JsonObject, known: ReadonlySet<string>, target: TargetContext): Refusal {
  const refusal = new Refusal()
  checkModel(refusal, target)
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

/** https://huggingface.co/docs/inference-providers/tasks/text-to-image */
export const textToImage = ({ root }: Tasks): Codec =>
  drawnPictures({
    root,
    path: pathTo(''),
    check: checkModel,
    own: ['guidance_scale', 'negative_prompt', 'num_inference_steps', 'scheduler', 'seed'],
    body: ({ prompt, options }) => ({
      inputs: prompt,
      ...(Object.keys(options).length > 0 && { parameters: options }),
    }),
  })

/** Json or text; what times there are can't be told from what the models make of them. https://huggingface.co/docs/inference-providers/tasks/automatic-speech-recognition */
export const speechRecognition = ({ root }: Tasks): Codec<FormRequest> => ({
  relay: null,
  framing: 'sse',
  root,
  path: pathTo(''),
  encode(request, target) {
    const refusal = new Refusal()
    checkModel(refusal, target)
    const file = readSound(request, ['json', 'text'], refusal)
    return file === null ? refusal.failure! : new RawBody(soundType(file), file.bytes)
  },
  decode: transcript,
  failure: toUpstreamError,
})
