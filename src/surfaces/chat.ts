import { isUtf8 } from 'node:buffer'
import { Failure } from '../core/failures.ts'
import { at, isTrue, readString, scanObject, spliceChat, TopLevel, usageWish, validateChat } from '../core/json-scan.ts'
import type { Call, Surface } from '../core/surface.ts'

/** Reused: a scan is read at once and never kept. */
const top = new TopLevel()

/** https://platform.openai.com/docs/api-reference/chat/create */
export const chat: Surface = {
  id: 'chat',
  methods: ['POST'],
  path: '/v1/chat/completions',
  read(body) {
    if (!isUtf8(body)) return new Failure('invalid_request', { message: 'the request body is not valid UTF-8' })
    const problem = scanObject(body, 0, body.length, top)
    if (problem !== null) return new Failure('invalid_request', { message: `the request body is not valid JSON: ${problem}` })
    const invalid = validateChat(body, top)
    if (invalid !== null) return invalid
    return {
      model: readString(body, top.start(at.model), top.end(at.model)),
      stream: isTrue(body, top.start(at.stream)),
      usageWish: usageWish(body, top),
      splice: spliceChatBody,
    } satisfies Call
  },
}

function spliceChatBody(body: Uint8Array, model: string, askForUsage: boolean): Uint8Array | null {
  // The ranges of `read` may be another request's by now (a retry, after a wait).
  if (scanObject(body, 0, body.length, top) !== null) return null
  return spliceChat(body, 0, body.length, top, { model, includeUsage: askForUsage })
}
