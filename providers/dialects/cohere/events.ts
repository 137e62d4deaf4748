import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Decoded, EventDecoder, StreamEvent, TargetContext, Usage } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { type AnswerHead, answerHead, chunk, usageChunk } from '../chat-answer.ts'
import { parseJson, text } from '../chat-request.ts'
import { breakdownOf, callId, toAnnotations, toFinishReason, toLogprobs, toMetadata } from './answer.ts'
import { toUsage } from './usage.ts'

/** A call under way. */
interface Call {
  /** Its place among the calls: what the client's index is. */
  readonly place: number
  hasArguments: boolean
}

const nothing: Decoded = { kind: 'chunks', chunks: [] }

/**
 * https://docs.cohere.com/docs/streaming. Content blocks and calls are counted apart. The last event is `message-end`;
 * nothing follows it.
 */
export class ChatEvents implements EventDecoder {
  readonly #target: TargetContext
  #head: AnswerHead
  #hasRole = false
  /** By the index of their events. */
  readonly #open = new Map<Json | undefined, Call>()
  #calls = 0
  #saidLength = 0
  /** Where the text of each content block begins in the answer's. */
  readonly #starts: number[] = []
  readonly #cited: JsonObject[] = []
  #usage: Usage | null = null
  #isFinished = false

  constructor(target: TargetContext) {
    this.#target = target
    this.#head = answerHead(target)
  }

  decode({ data }: StreamEvent): Decoded {
    const source = data.trim()
    if (source === '') return nothing
    // Not Cohere's, but what some who speak its format add.
    if (source === '[DONE]') return { kind: 'done' }
    if (this.#isFinished) return nothing
    const event = parseJson(source)
    if (!isObject(event)) return failed('an event of the stream is not a JSON object')
    const delta = isObject(event.delta) ? event.delta : {}
    const message = isObject(delta.message) ? delta.message : {}
    switch (event.type) {
      case 'message-start':
        if (!this.#hasRole) this.#head = answerHead(this.#target, text(event.id))
        return nothing
      case 'content-start':
        this.#begin(event.index)
        return this.#content(message, event)
      case 'content-delta':
        return this.#content(message, event)
      case 'tool-plan-delta':
        return this.#chunks(this.#say(text(message.tool_plan)))
      case 'tool-call-start':
        return this.#chunks(this.#call(event.index, isObject(message.tool_calls) ? message.tool_calls : {}))
      case 'tool-call-delta':
        return this.#chunks(this.#arguments(event.index, isObject(message.tool_calls) ? message.tool_calls : {}))
      case 'tool-call-end':
        return this.#chunks(this.#close(event.index))
      case 'citation-start':
        return this.#chunks(this.#cite(message.citations))
      case 'message-end':
        return this.#end(delta)
      default:
        return event.type === undefined ? unnamed(event) : nothing
    }
  }

  end(): readonly JsonObject[] {
    return this.#usage === null ? [] : [usageChunk(this.#head, this.#usage)]
  }

  #chunks(deltas: readonly JsonObject[]): Decoded {
    return { kind: 'chunks', chunks: deltas.map(delta => this.#chunk(delta, null)) }
  }

  #chunk(delta: JsonObject, finish: string | null): JsonObject {
    const isFirst = !this.#hasRole
    this.#hasRole = true
    return chunk(this.#head, 0, isFirst ? { role: 'assistant', ...delta } : delta, finish)
  }

  #begin(index: Json | undefined): void {
    // An index is a small number from outside; what it says of far places is not worth the memory.
    if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < 1024)
      this.#starts[index] = this.#saidLength
  }

  #content(message: JsonObject, { logprobs }: JsonObject): Decoded {
    const content = isObject(message.content) ? message.content : {}
    const thought = text(content.thinking)
    const deltas = [...(thought === '' ? [] : [{ reasoning_content: thought }]), ...this.#say(text(content.text))]
    const chunks = deltas.map(delta => this.#chunk(delta, null))
    const likely = isObject(logprobs) ? toLogprobs([logprobs]) : Array.isArray(logprobs) ? toLogprobs(logprobs) : null
    const last = chunks.at(-1)
    if (likely !== null && Array.isArray(last?.choices) && isObject(last.choices[0])) last.choices[0].logprobs = likely
    return { kind: 'chunks', chunks }
  }

  #say(said: string): JsonObject[] {
    this.#saidLength += said.length
    return said === '' ? [] : [{ content: said }]
  }

  #call(index: Json | undefined, call: JsonObject): JsonObject[] {
    const before = this.#close(index)
    const place = this.#calls++
    const called = isObject(call.function) ? call.function : {}
    const begun = text(called.arguments)
    this.#open.set(index, { place, hasArguments: begun !== '' })
    const id = callId(call, place, this.#target)
    const opening = { index: place, id, type: 'function', function: { name: text(called.name), arguments: begun } }
    return [...before, { tool_calls: [opening] }]
  }

  #arguments(index: Json | undefined, { function: called }: JsonObject): JsonObject[] {
    const call = this.#open.get(index)
    const fragment = isObject(called) ? text(called.arguments) : ''
    if (call === undefined || fragment === '') return []
    call.hasArguments = true
    return [{ tool_calls: [{ index: call.place, function: { arguments: fragment } }] }]
  }

  #close(index: Json | undefined): JsonObject[] {
    const call = this.#open.get(index)
    this.#open.delete(index)
    // A call without arguments streams none; clients parse what they got.
    if (call === undefined || call.hasArguments) return []
    return [{ tool_calls: [{ index: call.place, function: { arguments: '{}' } }] }]
  }

  /** One at a time, as documented, or several. */
  #cite(citations: Json | undefined): JsonObject[] {
    const cited = (Array.isArray(citations) ? citations : [citations]).filter(isObject)
    this.#cited.push(...cited)
    const annotations = cited.flatMap(citation => toAnnotations(citation, this.#starts))
    return annotations.length === 0 ? [] : [{ annotations }]
  }

  #end(delta: JsonObject): Decoded {
    const breakdown = breakdownOf(delta)
    if (breakdown !== null) return failed(breakdown.cause, breakdown.status)
    this.#isFinished = true
    this.#usage = isObject(delta.usage) ? toUsage(delta.usage) : null
    const chunks = [...this.#open.keys()].flatMap(index => this.#close(index)).map(left => this.#chunk(left, null))
    const last = this.#chunk({}, toFinishReason(delta.finish_reason, this.#calls))
    const metadata = toMetadata(delta.usage, this.#cited)
    if (metadata !== null) last.provider_metadata = metadata
    chunks.push(last)
    return this.#usage === null ? { kind: 'chunks', chunks } : { kind: 'chunks', chunks, usage: this.#usage }
  }
}

const failed = (cause: string, upstreamStatus?: number): Decoded => ({
  kind: 'failure',
  failure: new Failure('stream_error', { cause, upstreamStatus }),
})

/** An event without a type is an error body, or nobody's. */
function unnamed(event: JsonObject): Decoded {
  const error = readErrorBody(event)
  return error === null ? nothing : failed(error.message)
}
