import type { Codec, FormRequest, TargetContext } from '../../../src/core/provider.ts'
import { type Refusal, text } from '../chat-request.ts'
import { toSize } from '../image-size.ts'
import { type Drawing, drawnEdits, drawnPictures } from '../pictures.ts'
import { checkModel, failure, resultOf, runPath } from './run.ts'

/** https://developers.cloudflare.com/workers-ai/models/flux-1-schnell/, …/stable-diffusion-xl-base-1.0/, …/lucid-origin/ */
const drawing = (root: (target: TargetContext) => string): Drawing => ({
  root,
  path: runPath,
  check: checkModel,
  failure,
  own: ['negative_prompt', 'num_steps', 'steps', 'guidance', 'seed', 'strength'],
  size: (size, refusal, model) => (isFixed(model) ? ofFixedSize(size, refusal) : toSize(size, refusal)),
  // Diffusion models answer with the picture itself, which needs no reading.
  read: body => {
    const base64 = text(resultOf(body).image)
    return base64 === '' ? null : { pictures: [base64] }
  },
  body: ({ prompt, options, pictures: [picture] }) => ({
    prompt,
    ...options,
    ...(picture !== undefined && { image_b64: picture.slice(picture.indexOf(',') + 1) }),
  }),
})

/** It knows no sizes. */
const isFixed = (model: string): boolean => model.endsWith('/flux-1-schnell')

function ofFixedSize(size: Parameters<typeof toSize>[0], refusal: Refusal) {
  if (size !== undefined && size !== null && size !== 'auto' && size !== '1024x1024')
    refusal.unsupported('size', 'this model draws 1024x1024 only')
  return {}
}

/** FLUX.2 takes forms instead of JSON and is not among them. */
const draws = (model: string): boolean =>
  /\/(?:flux-1-|stable-diffusion-|dreamshaper-|phoenix-|lucid-origin)/.test(model)

export const images = (root: (target: TargetContext) => string): Codec =>
  drawnPictures({ ...drawing(root), serves: model => draws(model) && !/img2img|inpainting/.test(model) })

/** https://developers.cloudflare.com/workers-ai/models/stable-diffusion-v1-5-img2img/ */
export const imageEdits = (root: (target: TargetContext) => string): Codec<FormRequest> =>
  drawnEdits({ ...drawing(root), serves: model => draws(model) && /img2img/.test(model) })
