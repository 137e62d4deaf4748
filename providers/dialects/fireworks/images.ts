import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import {
  type Again,
  type Answer,
  again,
  type Codec,
  type FormRequest,
  type TargetContext,
} from '../../../src/core/provider.ts'
import { isPathSegment } from '../../base-url.ts'
import { type Refusal, text } from '../chat-request.ts'
import { toRatio, toSize } from '../image-size.ts'
import { failure } from '../openai/failure.ts'
import { type Drawing, drawnEdits, drawnPictures, pictureAnswer } from '../pictures.ts'

/** `accounts/fireworks/models/…`, escaped; null for what leads elsewhere. */
function escaped(model: string): string | null {
  const segments = model.split('/')
  return segments.every(isPathSegment) ? segments.map(encodeURIComponent).join('/') : null
}

function checkModel(refusal: Refusal, { model }: TargetContext): void {
  if (escaped(model) === null) refusal.invalid('model', 'model must be a name such as accounts/fireworks/models/…')
}

const below = (before: string, after: string) => (target: TargetContext) =>
  `${before}/${escaped(target.model) ?? 'unknown'}${after}`

const base = { check: checkModel, failure, accept: 'image/png' } satisfies Partial<Drawing>
const ratios = ['1:1', '21:9', '16:9', '3:2', '5:4', '4:5', '2:3', '9:16', '9:21', '4:3', '3:4']

function asRatio(size: Parameters<typeof toRatio>[0], refusal: Refusal): JsonObject {
  const ratio = toRatio(size, ratios, refusal)
  return ratio === '' ? {} : { aspect_ratio: ratio }
}

/** In place of a picture, where the host does not look at what is accepted. */
function read({ base64 }: JsonObject) {
  const pictures = (Array.isArray(base64) ? base64 : [base64]).map(text).filter(Boolean)
  return { pictures }
}

/** https://docs.fireworks.ai/api-reference/generate-a-new-image-from-a-text-prompt */
const flux = drawnPictures({
  ...base,
  path: below('/workflows', '/text_to_image'),
  own: ['guidance_scale', 'num_inference_steps', 'seed'],
  size: asRatio,
  body: ({ prompt, options }) => ({ prompt, ...options }),
  read,
})

/** Stable Diffusion and its kin. https://docs.fireworks.ai/api-reference/post-image-generation */
const diffusion = drawnPictures({
  ...base,
  path: below('/image_generation', ''),
  own: ['negative_prompt', 'cfg_scale', 'sampler', 'steps', 'seed', 'safety_check'],
  size: (size, refusal) => toSize(size, refusal),
  body: ({ prompt, options }) => ({ prompt, ...options }),
  read,
})

/** How long until a job is asked after again. */
const pollMs = 500

/** Its jobs end with the address of a picture. https://docs.fireworks.ai/api-reference/generate-or-edit-image-using-flux-kontext */
const kontext: Drawing = {
  check: checkModel,
  failure,
  gives: 'url',
  most: 1,
  path: below('/workflows', ''),
  own: ['seed', 'output_format', 'prompt_upsampling', 'safety_tolerance', 'aspect_ratio'],
  size: asRatio,
  body: ({ prompt, options, pictures: [picture] }) => ({
    prompt,
    ...(picture !== undefined && { input_image: picture }),
    ...options,
  }),
}

function begun({ request_id: id }: JsonObject, target: TargetContext): Again | Failure {
  if (text(id) === '') return new Failure('upstream_error', { cause: 'the answer names no job' })
  const to = below('/workflows', '/get_result')(target)
  return again({ to, body: { id }, isPoll: true, waitMs: pollMs, decode: settled })
}

const waiting: ReadonlySet<string> = new Set(['Pending', 'Queued', 'Processing', 'Task not found'])

function settled({ id, status, result }: JsonObject, target: TargetContext): Answer | Again | Failure {
  if (waiting.has(text(status)) && text(id) !== '') return begun({ request_id: id }, target)
  const url = isObject(result) ? text(result.sample) : ''
  if (status !== 'Ready' || url === '')
    return new Failure('upstream_error', { cause: `the job ended as ${text(status) || 'nothing'}, without a picture` })
  return pictureAnswer({ pictures: [url] }, target)
}

const isKontext = (model: string): boolean => model.includes('/flux-kontext-')
const isDiffusion = (model: string): boolean =>
  /\/(?:stable-diffusion-|japanese-stable-diffusion|playground-v2|SSD-)/.test(model)

const job: Codec = { ...drawnPictures(kontext), decode: begun }

export const images: Codec = {
  ...flux,
  // Other hosts name the same models in their own ways.
  serves: model => model.startsWith('accounts/') && (model.includes('/flux-') || isDiffusion(model)),
  forModel: model => (isKontext(model) ? job : isDiffusion(model) ? diffusion : flux),
}

export const imageEdits: Codec<FormRequest> = { ...drawnEdits(kontext), decode: begun, serves: isKontext }
