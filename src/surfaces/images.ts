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

/** `n` pictures, one without. */
const pictures = (n: Json | undefined, size: Json | undefined, quality: Json | undefined): Measured => ({
  images: Math.max(1, Math.floor(Number(n ?? 1)) || 1),
  ...(typeof size === 'string' && { imageSize: size }),
  ...(typeof quality === 'string' && { imageQuality: quality }),
})

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
