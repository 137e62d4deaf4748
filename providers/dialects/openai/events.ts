import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json } from '../../../src/core/json.ts'
import type { Decoded, EventDecoder, JsonObject, StreamEvent } from '../../../src/core/provider.ts'
import { usageOf } from '../../../src/core/stream-tap.ts'
import { inBandFailure } from './answer.ts'

/** Events that say their type, each as `translate` makes it; null: it has no place in OpenAI's stream. */
class TypedEvents implements EventDecoder {
  readonly #translate: (event: JsonObject) => JsonObject | null

  constructor(translate: (event: JsonObject) => JsonObject | null) {
    this.#translate = translate
  }

  decode({ event, data }: StreamEvent): Decoded {
    const text = data.trim()
    if (text === '') return { kind: 'chunks', chunks: [] }
    if (text === '[DONE]') return { kind: 'done' }
    const body = parse(text)
    if (!isObject(body)) {
      const cause = 'an event of the stream is not a JSON object'
      return { kind: 'failure', failure: new Failure('stream_error', { cause }) }
    }
    const failure = inBandFailure(
      'stream_error',
      event === 'error' && body.error === undefined ? { error: body } : body,
    )
    if (failure !== null) return { kind: 'failure', failure }
    const out = this.#translate(typeof body.type === 'string' || event === '' ? body : { type: event, ...body })
    const usage = usageOf(body)
    return { kind: 'chunks', chunks: out === null ? [] : [out], ...(usage !== null && { usage }) }
  }
}

const parse = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** For hosts whose events are OpenAI's. */
export const passOn = (): EventDecoder => new TypedEvents(event => event)

export const translated = (translate: (event: JsonObject) => JsonObject | null) => (): EventDecoder =>
  new TypedEvents(translate)
