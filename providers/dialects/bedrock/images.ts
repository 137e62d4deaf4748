import { noUsage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, TargetContext } from '../../../src/core/provider.ts'
import { omittedParameters, Refusal, refuseOmitted, text } from '../chat-request.ts'
import { bareId, modelPath } from '../converse/models.ts'
import { toSize } from '../image-size.ts'

/** How a vendor's models make pictures. */
interface Painter {
  /** Parameters it has a place for, next to those of every painter. */
  readonly own: readonly string[]
  body(request: JsonObject, size: JsonObject): JsonObject
  /** Pictures in base64, and why there are fewer than asked for. */
  read(body: JsonObject): { readonly images: readonly string[]; readonly reason: string }
}

/** The client's words for a quality; Amazon has two. */
const qualities: Readonly<Record<string, string>> = {
  standard: 'standard',
  low: 'standard',
  medium: 'standard',
  hd: 'premium',
  high: 'premium',
  premium: 'premium',
}

/** https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html */
const amazon: Painter = {
  own: ['n', 'size', 'quality', 'seed', 'negative_prompt', 'cfg_scale'],
  body({ prompt, negative_prompt, n, quality, seed, cfg_scale }, size) {
    const how = text(quality)
    const imageGenerationConfig: JsonObject = {
      ...(typeof n === 'number' && { numberOfImages: n }),
      ...size,
      ...(Object.hasOwn(qualities, how) && { quality: qualities[how] }),
      ...(typeof seed === 'number' && { seed }),
      ...(typeof cfg_scale === 'number' && { cfgScale: cfg_scale }),
    }
    const textToImageParams: JsonObject = { text: text(prompt) }
    if (text(negative_prompt) !== '') textToImageParams.negativeText = text(negative_prompt)
    const body: JsonObject = { taskType: 'TEXT_IMAGE', textToImageParams }
    if (Object.keys(imageGenerationConfig).length > 0) body.imageGenerationConfig = imageGenerationConfig
    return body
  },
  read: ({ images, error }) => ({ images: texts(images), reason: text(error) }),
}

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-1-0-text-image.html */
const diffusion: Painter = {
  own: ['n', 'size', 'seed', 'negative_prompt', 'cfg_scale', 'steps', 'style_preset'],
  body({ prompt, negative_prompt, n, ...request }, size) {
    const text_prompts: JsonObject[] = [{ text: text(prompt) }]
    if (text(negative_prompt) !== '') text_prompts.push({ text: text(negative_prompt), weight: -1 })
    const body: JsonObject = { text_prompts, ...(typeof n === 'number' && { samples: n }), ...size }
    for (const name of ['seed', 'cfg_scale', 'steps', 'style_preset'])
      if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
    return body
  },
  read({ artifacts }) {
    const list = (Array.isArray(artifacts) ? artifacts : []).filter(isObject)
    const isGood = ({ finishReason }: JsonObject): boolean =>
      finishReason !== 'CONTENT_FILTERED' && finishReason !== 'ERROR'
    return {
      images: list
        .filter(isGood)
        .map(({ base64 }) => text(base64))
        .filter(Boolean),
      reason: list.map(({ finishReason }) => text(finishReason)).find(reason => reason !== 'SUCCESS') ?? '',
    }
  },
}

/** https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html. One picture at a time. */
const stability: Painter = {
  own: ['seed', 'negative_prompt', 'aspect_ratio', 'output_format'],
  body({ prompt, ...request }) {
    const body: JsonObject = { prompt: text(prompt) }
    for (const name of ['seed', 'negative_prompt', 'aspect_ratio', 'output_format'])
      if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
    return body
  },
  read: ({ images, finish_reasons }) => ({ images: texts(images), reason: texts(finish_reasons).join('; ') }),
}

const texts = (value: Json | undefined): string[] => (Array.isArray(value) ? value.map(text).filter(Boolean) : [])

const painters: readonly (readonly [prefix: string, painter: Painter])[] = [
  ['amazon.nova-canvas', amazon],
  ['amazon.titan-image-generator', amazon],
  ['stability.stable-diffusion-xl', diffusion],
  ['stability.sd3', stability],
  ['stability.stable-image-core', stability],
  ['stability.stable-image-ultra', stability],
]

const painterOf = (model: string): Painter | undefined => {
  const id = bareId(model)
  return painters.find(([prefix]) => id.startsWith(prefix))?.[1]
}

export const draws = (model: string): boolean => painterOf(model) !== undefined

export function toImageBody(request: JsonObject, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  const painter = painterOf(target.model)
  if (painter === undefined || modelPath(target.model) === null)
    refusal.invalid('model', 'model must be one that makes pictures')
  const { own, body } = painter ?? amazon
  const omitted = omittedParameters(request, new Set([...own, 'model', 'prompt', 'response_format', 'stream']))
  const { response_format, quality } = request
  if (
    own.includes('quality') &&
    typeof quality === 'string' &&
    quality !== 'auto' &&
    !Object.hasOwn(qualities, quality)
  )
    omitted.push('quality')
  if (response_format !== undefined && response_format !== null && response_format !== 'b64_json')
    refusal.unsupported('response_format', 'this model gives the pictures themselves: response_format must be b64_json')
  if (request.stream === true) refusal.unsupported('stream', 'this model does not stream its pictures')
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  const size = own.includes('size') ? toSize(request.size, refusal) : {}
  return refusal.failure ?? body(request, size)
}

export function fromImageAnswer(body: JsonObject, target: TargetContext): Answer<JsonObject> | Failure {
  const { images, reason } = (painterOf(target.model) ?? amazon).read(body)
  if (images.length === 0 && reason === '')
    return new Failure('upstream_error', { cause: 'the answer has no pictures' })
  if (images.length === 0) {
    const message = 'the content filter of this model let no picture through'
    return new Failure('upstream_rejected', { message, cause: reason })
  }
  const created = Math.floor((target.nowMs ?? 0) / 1000)
  return {
    body: { created, data: images.map(b64_json => ({ b64_json })) },
    usage: { ...noUsage, images: images.length },
  }
}
