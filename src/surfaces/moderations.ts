import type { Surface } from '../core/surface.ts'
import { readJson } from './json-call.ts'

/** https://platform.openai.com/docs/api-reference/moderations/create */
export const moderations: Surface = {
  id: 'moderations',
  methods: ['POST'],
  path: '/v1/moderations',
  streams: null,
  hasByteAnswers: false,
  read: body => readJson(body, { required: ['input'], isModelOptional: true }),
}
