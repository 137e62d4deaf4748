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
import { text } from '../chat-request.ts'
import { toUpstreamError } from '../error-body.ts'
import { toSize } from '../image-size.ts'
import { type Drawing, drawnEdits, drawnPictures, pictureAnswer } from '../pictures.ts'

type Root = (target: TargetContext) => string

/** Its names, and the field that each has for pictures to begin with. */
const seedreams: Readonly<Record<string, string>> = {
  'seedream-4.0': 'images',
  'seedream-4.5': 'image',
  'seedream-5.0-lite': 'image',
}

const isSeedream = (model: string): boolean => Object.hasOwn(seedreams, model)

/** https://novita.ai/docs/api-reference/model-apis-seedream-4-0, …-seedream-4.5, …-seedream-5.0-lite */
const seedream: Omit<Drawing, 'root'> = {
  path: ({ model }) => `/${model}`,
  failure: toUpstreamError,
  gives: 'url',
  own: ['watermark', 'optimize_prompt_options'],
  size(size, refusal) {
    const { width, height } = toSize(size, refusal)
    return width === undefined ? {} : { size: `${String(width)}x${String(height)}` }
  },
  body: ({ prompt, options, pictures }, { model }) => ({
    prompt,
    ...options,
    ...(pictures.length > 0 && { [seedreams[model] ?? 'image']: [...pictures] }),
    sequential_image_generation: 'disabled',
  }),
  read: ({ images }) => ({ pictures: (Array.isArray(images) ? images : []).map(text).filter(Boolean) }),
}

/** Checkpoints of Stable Diffusion, by the names of their files. https://novita.ai/docs/api-reference/model-apis-txt2img */
const isCheckpoint = (model: string): boolean => model.endsWith('.safetensors')

const diffusion: Omit<Drawing, 'root'> = {
  path: () => '/async/txt2img',
  failure: toUpstreamError,
  gives: 'url',
  own: ['negative_prompt', 'sampler_name', 'steps', 'guidance_scale', 'seed', 'sd_vae', 'clip_skip'],
  body: ({ prompt, options, request }, { model }) => ({
    request: {
      model_name: model,
      prompt,
      // All of these are demanded of every request.
      width: 1024,
      height: 1024,
      sampler_name: 'Euler a',
      steps: 20,
      guidance_scale: 7.5,
      seed: -1,
      ...options,
      image_num: typeof request.n === 'number' ? request.n : 1,
    },
  }),
}

/** How long until a task is asked after again. */
const pollMs = 1000

const waiting: ReadonlySet<string> = new Set(['TASK_STATUS_QUEUED', 'TASK_STATUS_PROCESSING'])

function begun({ task_id: id }: JsonObject): Again | Failure {
  if (text(id) === '') return new Failure('upstream_error', { cause: 'the answer names no task' })
  return again({ to: `/async/task-result?task_id=${encodeURIComponent(text(id))}`, waitMs: pollMs, decode: settled })
}

/** https://novita.ai/docs/api-reference/model-apis-task-result */
function settled({ task, images }: JsonObject, target: TargetContext): Answer | Again | Failure {
  const { task_id: id, status, reason } = isObject(task) ? task : {}
  if (waiting.has(text(status)) && text(id) !== '') return begun({ task_id: text(id) })
  const urls = (Array.isArray(images) ? images.filter(isObject) : []).map(({ image_url }) => text(image_url))
  if (status !== 'TASK_STATUS_SUCCEED' || urls.length === 0 || urls.includes(''))
    return new Failure('upstream_error', { cause: `the task came to nothing: ${text(reason) || text(status)}` })
  return pictureAnswer({ pictures: urls }, target)
}

export const images = (root: Root): Codec => {
  const drawn = drawnPictures({ ...seedream, root })
  const task: Codec = { ...drawnPictures({ ...diffusion, root }), decode: begun }
  return {
    ...drawn,
    serves: model => isSeedream(model) || isCheckpoint(model),
    forModel: model => (isCheckpoint(model) ? task : drawn),
  }
}

export const imageEdits = (root: Root): Codec<FormRequest> => ({
  ...drawnEdits({ ...seedream, root }),
  serves: isSeedream,
})
