import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Decoded, EventDecoder, StreamEvent, TargetContext } from '../../../src/core/provider.ts'
import { inBandError, statusOf } from '../../../src/core/upstream-error.ts'
import { type AnswerHead, answerHead, chunk, usageChunk } from '../chat-answer.ts'
import { parseJson, text } from '../chat-request.ts'
import { blockReason, fill, readSaid, toFinishReason, toLogprobs } from './candidate.ts'
import { toUsage } from './usage.ts'

interface Candidate {
  calls: number
  isFinished: boolean
}

/**
 * Each event is a whole response with the parts that are new; usage is cumulative, and the last word on it may come
 * after the finish reason. There is no closing event: the stream just ends.
 */
export class GenerateEvents implements EventDecoder {
  readonly #target: TargetContext
  #head: AnswerHead | null = null
  /** By index; a candidate is here once its role went out. */
  readonly #candidates = new Map<number, Candidate>()
  #usage: Usage | null = null

  constructor(target: TargetContext) {
    this.#target = target
  }

  decode({ data }: StreamEvent): Decoded {
    const source = data.trim()
    if (source === '') return { kind: 'chunks', chunks: [] }
    if (source === '[DONE]') return { kind: 'done' }
    const parsed = parseJson(source)
    // What goes wrong may come in a list of one.
    const event = Array.isArray(parsed) ? parsed[0] : parsed
    if (!isObject(event)) return failed('an event of the stream is not a JSON object')
    const error = inBandError(event)
    if (error !== null) return failed(error.message, statusOf(error.code))
    this.#head ??= answerHead(this.#target, text(event.responseId), text(event.modelVersion))
    const chunks = this.#chunks(event, this.#head)
    if (!isObject(event.usageMetadata)) return { kind: 'chunks', chunks }
    this.#usage = toUsage(event.usageMetadata)
    return { kind: 'chunks', chunks, usage: this.#usage }
  }

  end(): readonly JsonObject[] {
    return this.#usage === null || this.#head === null ? [] : [usageChunk(this.#head, this.#usage)]
  }

  #chunks(event: JsonObject, head: AnswerHead): JsonObject[] {
    const candidates = Array.isArray(event.candidates) ? event.candidates.filter(isObject) : []
    const blocked = blockReason(event)
    if (candidates.length === 0) return blocked === '' ? [] : this.#refuse(blocked, head)
    const chunks = candidates.flatMap((candidate, place) => this.#candidate(candidate, place, head))
    const grounding = candidates.map(({ groundingMetadata }) => groundingMetadata).find(isObject)
    if (grounding !== undefined && chunks.length > 0)
      chunks[chunks.length - 1].provider_metadata = { google: { groundingMetadata: grounding } }
    return chunks
  }

  #candidate(candidate: JsonObject, place: number, head: AnswerHead): JsonObject[] {
    const index = typeof candidate.index === 'number' ? candidate.index : place
    let state = this.#candidates.get(index)
    const delta: JsonObject = {}
    if (state === undefined) {
      state = { calls: 0, isFinished: false }
      this.#candidates.set(index, state)
      delta.role = 'assistant'
    }
    const said = readSaid(candidate, index, state.calls, this.#target)
    if (said.text !== '') delta.content = said.text
    fill(delta, said)
    if (said.calls.length > 0) {
      const first = state.calls
      delta.tool_calls = said.calls.map((call, i) => ({ index: first + i, ...call }))
      state.calls += said.calls.length
    }
    const chunks: JsonObject[] = []
    const logprobs = toLogprobs(candidate.logprobsResult)
    if (Object.keys(delta).length > 0 || logprobs !== null)
      chunks.push(withLogprobs(chunk(head, index, delta, null), logprobs))
    const finish = toFinishReason(candidate.finishReason, state.calls)
    if (finish !== '' && !state.isFinished) {
      state.isFinished = true
      chunks.push(chunk(head, index, {}, finish))
    }
    return chunks
  }

  #refuse(reason: string, head: AnswerHead): JsonObject[] {
    if (this.#candidates.size > 0) return []
    this.#candidates.set(0, { calls: 0, isFinished: true })
    return [chunk(head, 0, { role: 'assistant', refusal: reason }, null), chunk(head, 0, {}, 'content_filter')]
  }
}

function withLogprobs(out: JsonObject, logprobs: JsonObject | null): JsonObject {
  if (logprobs !== null && Array.isArray(out.choices) && isObject(out.choices[0])) out.choices[0].logprobs = logprobs
  return out
}

const failed = (cause: string, upstreamStatus?: number): Decoded => ({
  kind: 'failure',
  failure: new Failure('stream_error', { cause, upstreamStatus }),
})
