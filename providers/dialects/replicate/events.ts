import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import {
  type Again,
  again,
  type Decoded,
  type EventDecoder,
  type StreamEvent,
  type TargetContext,
} from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { type AnswerHead, answerHead, chunk, usageChunk } from '../chat-answer.ts'
import { parseJson, text } from '../chat-request.ts'
import { toUsage } from './usage.ts'

const nothing: Decoded = { kind: 'chunks', chunks: [] }

/**
 * Raw text, event by event, and a last one that says how it ended. What it cost is known to the prediction alone.
 * https://replicate.com/docs/topics/predictions/streaming
 */
export class PredictionEvents implements EventDecoder {
  readonly #head: AnswerHead
  /** Path of the prediction; '' = unknown. */
  readonly #place: string
  #hasRole = false
  #isOver = false

  constructor(target: TargetContext, place: string) {
    this.#place = place
    this.#head = answerHead(target, place.slice(place.lastIndexOf('/') + 1))
  }

  decode({ event, data }: StreamEvent): Decoded {
    if (this.#isOver) return nothing
    switch (event) {
      case 'output':
        return data === '' ? nothing : this.#chunk({ content: data }, null)
      case 'error':
        return failed(messageOf(data))
      case 'done':
        return this.#end(data)
      default:
        return nothing
    }
  }

  last(): Again | null {
    if (this.#place === '') return null
    const head = this.#head
    return again({
      to: this.#place,
      decode({ metrics }) {
        const usage = toUsage(metrics)
        return { body: usage.total > 0 ? usageChunk(head, usage) : {}, usage }
      },
    })
  }

  #end(data: string): Decoded {
    const how = parseJson(data)
    const reason = isObject(how) ? text(how.reason) : ''
    if (reason === 'error' || reason === 'canceled') return failed(`the prediction ended: ${reason}`)
    this.#isOver = true
    return this.#chunk({}, 'stop')
  }

  #chunk(delta: JsonObject, finish: string | null): Decoded {
    const isFirst = !this.#hasRole
    this.#hasRole = true
    return {
      kind: 'chunks',
      chunks: [chunk(this.#head, 0, isFirst ? { role: 'assistant', ...delta } : delta, finish)],
    }
  }
}

const failed = (cause: string): Decoded => ({ kind: 'failure', failure: new Failure('stream_error', { cause }) })

/** A text, or an error body. */
function messageOf(data: string): string {
  const body = parseJson(data)
  return (isObject(body) ? readErrorBody(body)?.message : data.trim()) || 'the prediction failed'
}
