import type { Surface } from '../core/surface.ts'
import { readJson, refuse } from './json-call.ts'

/** Cohere's contract, which the other vendors follow. https://docs.cohere.com/reference/rerank */
export const rerank: Surface = {
  id: 'rerank',
  methods: ['POST'],
  path: '/v1/rerank',
  streams: null,
  hasByteAnswers: false,
  read: body =>
    readJson(body, {
      required: ['query', 'documents'],
      check(value) {
        const query = value('query')
        if (typeof query !== 'string' || query === '') return refuse('query', 'query is required')
        const documents = value('documents')
        if (!Array.isArray(documents)) return refuse('documents', 'documents must be an array')
        if (documents.length === 0) return refuse('documents', 'documents is required')
        const most = value('top_n')
        return most === undefined || most === null || (typeof most === 'number' && Number.isInteger(most) && most >= 0)
          ? null
          : refuse('top_n', 'top_n must be a whole number, 0 or more')
      },
    }),
}
