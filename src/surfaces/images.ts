import type { Json } from '../core/json.ts'
import type { Measured, Surface } from '../core/surface.ts'
import { readForm } from './form-call.ts'
import { readJson } from './json-call.ts'

/** https://platform.openai.com/docs/api-reference/images/create */
export const images: Surface = {
  id: 'images',
  methods: ['POST'],
  path: '/v1/images/generations',
  streams: 'events',
  hasByteAnswers: false,
  read: body =>
    readJson(body, {
      required: ['prompt'],
      isModelOptional: true,
      stream: value => value('stream') === true,
      measure: value => pictures(value('n'), value('size'), value('quality')),
    }),
}

/** As many as no endpoint makes at once. */
const mostPictures = 1000

/** `n` pictures, one without; a number that can't be one is the upstream's to refuse. */
const pictures = (n: Json | undefined, size: Json | undefined, quality: Json | undefined): Measured => ({
  images: countOf(n),
  ...(typeof size === 'string' && { imageSize: size }),
  ...(typeof quality === 'string' && { imageQuality: quality }),
})

/** Fields of forms are texts. */
function countOf(n: Json | undefined): number {
  const count = typeof n === 'string' ? Number(n) : n
  return typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= mostPictures ? count : 1
}

/** Several pictures of some megabytes each; OpenAI takes 16 of up to 50 MB. */
const maxBodyBytes = 100 << 20

/** https://platform.openai.com/docs/api-reference/images/createEdit */
export const imageEdits: Surface = {
  id: 'imageEdits',
  methods: ['POST'],
  path: '/v1/images/edits',
  streams: 'events',
  hasByteAnswers: false,
  maxBodyBytes,
  read: (body, { contentType }) =>
    readForm(body, contentType, {
      files: ['image', 'image[]'],
      fields: ['prompt'],
      isModelOptional: true,
      measure: value => pictures(value('n'), value('size'), value('quality')),
      mayStream: true,
    }),
}

/** https://platform.openai.com/docs/api-reference/images/createVariation */
export const imageVariations: Surface = {
  id: 'imageVariations',
  methods: ['POST'],
  path: '/v1/images/variations',
  streams: null,
  hasByteAnswers: false,
  maxBodyBytes,
  read: (body, { contentType }) =>
    readForm(body, contentType, {
      files: ['image'],
      fields: [],
      isModelOptional: true,
      measure: value => pictures(value('n'), value('size'), undefined),
    }),
}
