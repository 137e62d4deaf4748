import { isUtf8 } from 'node:buffer'
import { Failure } from '../core/failures.ts'
import { at, isTrue, readString, scanObject, spliceChat, TopLevel, usageWish, validateChat } from '../core/json-scan.ts'
import type { BodyChanges, Call, Surface } from '../core/surface.ts'

/** The last scan. It is read at once and never kept: whoever finds it to be another body's scans again. */
const top = new TopLevel()
let scanned: Uint8Array | null = null

/** https://platform.openai.com/docs/api-reference/chat/create */
export const chat: Surface = {
  id: 'chat',
  methods: ['POST'],
  path: '/v1/chat/completions',
  read(body) {
    if (!isUtf8(body)) return new Failure('invalid_request', { message: 'the request body is not valid UTF-8' })
    scanned = null
    const problem = scanObject(body, 0, body.length, top)
    if (problem !== null)
      return new Failure('invalid_request', { message: `the request body is not valid JSON: ${problem}` })
    const invalid = validateChat(body, top)
    if (invalid !== null) return invalid
    scanned = body
    const model = readString(body, top.start(at.model), top.end(at.model))
    return new ChatCall(model, isTrue(body, top.start(at.stream)), usageWish(body, top), hasTokenLimit())
  },
}

const hasTokenLimit = (): boolean => top.has(at.max_tokens) || top.has(at.max_completion_tokens)

class ChatCall implements Call {
  readonly model: string
  readonly stream: boolean
  readonly usageWish: boolean | null
  readonly #hasTokenLimit: boolean

  constructor(model: string, stream: boolean, usageWish: boolean | null, hasTokenLimit: boolean) {
    this.model = model
    this.stream = stream
    this.usageWish = usageWish
    this.#hasTokenLimit = hasTokenLimit
  }

  splice(body: Uint8Array, { model, askForUsage, tokenLimit }: BodyChanges): Uint8Array | null {
    const rename = this.#hasTokenLimit ? tokenLimit : undefined
    if (model === this.model && !askForUsage && rename === undefined) return null
    if (scanned !== body && scanObject(body, 0, body.length, top) !== null) return null
    return spliceChat(body, 0, body.length, top, {
      model: model === this.model ? undefined : model,
      includeUsage: askForUsage,
      tokenLimit: rename,
    })
  }
}
