import type { Surface } from '../core/surface.ts'
import { readJson, refuse } from './json-call.ts'

/** https://platform.openai.com/docs/api-reference/embeddings/create */
export const embeddings: Surface = {
  id: 'embeddings',
  methods: ['POST'],
  path: '/v1/embeddings',
  streams: null,
  hasByteAnswers: false,
  read: body =>
    readJson(body, {
      required: ['input'],
      check(value) {
        const format = value('encoding_format') ?? 'float'
        return format === 'float' || format === 'base64'
          ? null
          : refuse('encoding_format', 'encoding_format must be float or base64')
      },
    }),
}
