import { noUsage, parseUsage } from '../../../src/core/chat.ts'
import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Answer, Codec, Decoded, EventDecoder, StreamEvent, TargetContext } from '../../../src/core/provider.ts'
import { createdBy, finishReason, inBandFailure, lacks, seconds } from './answer.ts'
import { passOn } from './events.ts'
import { failure, name } from './failure.ts'
import { changes, commonOf, encodeJson, type OpenAiJsonSurface } from './params.ts'

/**
 * Legacy completions, for hosts that complete a raw prompt: no chat template comes between.
 * https://platform.openai.com/docs/api-reference/completions
 */
export function completions(options: OpenAiJsonSurface): Codec {
  return {
    ...commonOf(options),
    encode: changes(options)
      ? (request, target) => {
          const body = encodeJson(request, target, options)
          return isObject(body) && target.stream ? withUsage(body) : body
        }
      : null,
    decode,
    events: target => new TextChunks(target),
    failure: (status, body) => failure(status, body, options.errorCodes),
  }
}

const withUsage = (body: JsonObject): JsonObject => ({
  ...body,
  stream_options: { ...(isObject(body.stream_options) && body.stream_options), include_usage: true },
})

function decode(body: JsonObject, target: TargetContext): Answer | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  if (!Array.isArray(body.choices)) return lacks(body, 'choices')
  const choices = body.choices.filter(isObject).map((choice, place) => textChoice(choice, place, 'stop'))
  return { body: named(body, choices, target), usage: isObject(body.usage) ? parseUsage(body.usage) : noUsage }
}

const named = (body: JsonObject, choices: Json[], target: TargetContext): JsonObject => ({
  ...body,
  id: name(body.id) || `cmpl-${target.requestId || 'unnamed'}`,
  object: 'text_completion',
  created: seconds(body.created) || createdBy(target),
  model: name(body.model) || target.model,
  choices,
})

const textChoice = (choice: JsonObject, place: number, implied: string | null): JsonObject => ({
  ...choice,
  text: typeof choice.text === 'string' ? choice.text : '',
  index: typeof choice.index === 'number' ? choice.index : place,
  logprobs: choice.logprobs ?? null,
  finish_reason: finishReason(choice.finish_reason) ?? implied,
})

/** Each event has all that names a stream, taken from the first that says it. */
class TextChunks implements EventDecoder {
  readonly #target: TargetContext
  readonly #events = passOn()
  #first: JsonObject = {}

  constructor(target: TargetContext) {
    this.#target = target
  }

  decode(event: StreamEvent): Decoded {
    const decoded = this.#events.decode(event)
    if (decoded.kind !== 'chunks') return decoded
    return { ...decoded, chunks: decoded.chunks.map(chunk => this.#chunk(chunk)) }
  }

  #chunk(chunk: JsonObject): JsonObject {
    const choices = Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : []
    const { type: _type, ...rest } = chunk
    const out = named(
      { ...rest, ...this.#first },
      choices.map((choice, place) => textChoice(choice, place, null)),
      this.#target,
    )
    this.#first = { id: out.id, created: out.created, model: out.model }
    return out
  }
}
