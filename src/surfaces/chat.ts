import { at, isTrue, validateChat } from '../core/json-scan.ts'
import type { Surface } from '../core/surface.ts'
import { callOf, checkModel, readModel, scanBody, top } from './json-call.ts'

/** https://platform.openai.com/docs/api-reference/chat/create */
export const chat: Surface = {
  id: 'chat',
  methods: ['POST'],
  path: '/v1/chat/completions',
  streams: 'chunks',
  hasByteAnswers: false,
  forgetsRequest: true,
  read(body) {
    const invalid = scanBody(body) ?? validateChat(body, top)
    if (invalid !== null) return invalid
    const model = readModel(body, top.start(at.model), top.end(at.model))
    return checkModel(model) ?? callOf(body, model, isTrue(body, top.start(at.stream)))
  },
}
