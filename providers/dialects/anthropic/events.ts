import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Decoded, EventDecoder, StreamEvent, TargetContext } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { type AnswerHead, answerHead, chunk, usageChunk } from '../chat-answer.ts'
import { parseJson, text } from '../chat-request.ts'
import { citations, refusalOf, toFinishReason } from './answer.ts'
import { errorStatuses } from './error.ts'
import { answerTool } from './request.ts'
import { newest, toUsage } from './usage.ts'

/** A content block under way. */
interface Block {
  readonly kind: 'text' | 'thinking' | 'call' | 'answer' | 'other'
  /** The call's place among the calls, or the thought's among the thoughts: what the client's index is. */
  readonly index: number
  /** Some of its arguments have come. */
  hasArguments: boolean
  readonly input: Json | undefined
  /** Where its text begins in the answer's. */
  readonly from: number
  cited: JsonObject[]
}

const nothing: Decoded = { kind: 'chunks', chunks: [] }

/**
 * https://platform.claude.com/docs/en/build-with-claude/streaming. Blocks are told apart by their index there, which
 * counts thoughts and server tools too and never reaches the client.
 */
export class MessageEvents implements EventDecoder {
  readonly #target: TargetContext
  #head: AnswerHead
  #hasRole = false
  readonly #blocks = new Map<number, Block>()
  #calls = 0
  #thoughts = 0
  #saidLength = 0
  #usage: JsonObject = {}
  #isFinished = false

  constructor(target: TargetContext) {
    this.#target = target
    this.#head = answerHead(target)
  }

  decode({ data }: StreamEvent): Decoded {
    const source = data.trim()
    if (source === '') return nothing
    // Not Anthropic's, but what some who speak its format add.
    if (source === '[DONE]') return { kind: 'done' }
    const event = parseJson(source)
    if (!isObject(event)) return failed('an event of the stream is not a JSON object')
    switch (event.type) {
      case 'message_start':
        return this.#start(isObject(event.message) ? event.message : {})
      case 'content_block_start':
        return this.#chunks(this.#open(event.index, isObject(event.content_block) ? event.content_block : {}))
      case 'content_block_delta':
        return this.#chunks(this.#delta(event.index, isObject(event.delta) ? event.delta : {}))
      case 'content_block_stop':
        return this.#chunks(this.#close(event.index))
      case 'message_delta':
        return this.#end(event)
      case 'message_stop':
        // Without a reason for its end the answer is not whole.
        return this.#isFinished ? { kind: 'done' } : nothing
      case 'error':
        return errorEvent(event)
      default:
        return event.error === undefined || event.error === null ? nothing : errorEvent(event)
    }
  }

  end(): readonly JsonObject[] {
    return Object.keys(this.#usage).length === 0 ? [] : [usageChunk(this.#head, toUsage(this.#usage))]
  }

  #start(message: JsonObject): Decoded {
    this.#head = answerHead(this.#target, text(message.id), text(message.model))
    // A turn that goes on after code of the server's ran begins with blocks that are already there.
    const deltas = (Array.isArray(message.content) ? message.content : [])
      .filter(isObject)
      .flatMap((block, i) => [...this.#open(i, block), ...this.#close(i)])
    return this.#chunks(deltas, this.#count(message.usage))
  }

  #count(report: Json | undefined): Usage | undefined {
    if (!isObject(report)) return undefined
    this.#usage = newest(this.#usage, report)
    return toUsage(this.#usage)
  }

  #chunks(deltas: readonly JsonObject[], usage?: Usage): Decoded {
    const chunks = deltas.map(delta => chunk(this.#head, 0, this.#withRole(delta), null))
    return usage === undefined ? { kind: 'chunks', chunks } : { kind: 'chunks', chunks, usage }
  }

  #withRole(delta: JsonObject): JsonObject {
    if (this.#hasRole) return delta
    this.#hasRole = true
    return { role: 'assistant', ...delta }
  }

  #open(index: Json | undefined, content: JsonObject): JsonObject[] {
    const block = this.#block(content)
    this.#blocks.set(Number(index), block)
    switch (block.kind) {
      case 'text':
        return this.#say(text(content.text))
      case 'thinking':
        return this.#think(block, content)
      case 'call': {
        const called = { name: text(content.name), arguments: '' }
        return [{ tool_calls: [{ index: block.index, id: text(content.id), type: 'function', function: called }] }]
      }
      default:
        return []
    }
  }

  #block({ type, name, input }: JsonObject): Block {
    const kind = type === 'tool_use' ? (name === answerTool ? 'answer' : 'call') : (kinds[text(type)] ?? 'other')
    const index = kind === 'call' ? this.#calls++ : kind === 'thinking' ? this.#thoughts++ : 0
    return { kind, index, hasArguments: false, input, from: this.#saidLength, cited: [] }
  }

  #say(said: string): JsonObject[] {
    this.#saidLength += said.length
    return said === '' ? [] : [{ content: said }]
  }

  /** Thoughts go out twice: to be read, and to be sent back with their signature. */
  #think({ index }: Block, { thinking, signature, data }: JsonObject): JsonObject[] {
    const deltas: JsonObject[] = []
    if (text(thinking) !== '')
      deltas.push({
        reasoning_content: text(thinking),
        thinking_blocks: [{ index, type: 'thinking', thinking: text(thinking) }],
      })
    if (text(signature) !== '')
      deltas.push({ thinking_blocks: [{ index, type: 'thinking', signature: text(signature) }] })
    if (text(data) !== '') deltas.push({ thinking_blocks: [{ index, type: 'redacted_thinking', data: text(data) }] })
    return deltas
  }

  #delta(index: Json | undefined, delta: JsonObject): JsonObject[] {
    const block = this.#blocks.get(Number(index))
    switch (delta.type) {
      case 'text_delta':
        return this.#say(text(delta.text))
      case 'thinking_delta':
      case 'signature_delta':
        return block?.kind === 'thinking' ? this.#think(block, delta) : []
      case 'citations_delta':
        if (isObject(delta.citation)) block?.cited.push(delta.citation)
        return []
      case 'input_json_delta':
        return this.#arguments(block, text(delta.partial_json))
      default:
        return []
    }
  }

  #arguments(block: Block | undefined, fragment: string): JsonObject[] {
    // A server tool's arguments are nobody's call.
    if (block === undefined || fragment === '') return []
    if (block.kind !== 'call' && block.kind !== 'answer') return []
    block.hasArguments = true
    if (block.kind === 'answer') return this.#say(fragment)
    return [{ tool_calls: [{ index: block.index, function: { arguments: fragment } }] }]
  }

  #close(index: Json | undefined): JsonObject[] {
    const block = this.#blocks.get(Number(index))
    if (block === undefined) return []
    this.#blocks.delete(Number(index))
    // A call without arguments streams none; clients parse what they got.
    if ((block.kind === 'call' || block.kind === 'answer') && !block.hasArguments)
      return this.#arguments(block, JSON.stringify(block.input ?? {}))
    const annotations = citations(block.cited, block.from, this.#saidLength)
    return annotations.length === 0 ? [] : [{ annotations }]
  }

  #end(event: JsonObject): Decoded {
    const delta = isObject(event.delta) ? event.delta : {}
    const usage = this.#count(event.usage)
    const reason = text(delta.stop_reason)
    if (reason === '' || this.#isFinished) return this.#chunks([], usage)
    this.#isFinished = true
    const refusal = refusalOf({ stop_details: event.stop_details, ...delta })
    const chunks = [...this.#blocks.keys()].flatMap(index => this.#close(index)).map(left => this.#last(left, null))
    if (refusal !== null) chunks.push(this.#last({ refusal }, null))
    chunks.push(this.#last({}, toFinishReason(reason, this.#calls)))
    return usage === undefined ? { kind: 'chunks', chunks } : { kind: 'chunks', chunks, usage }
  }

  #last(delta: JsonObject, finish: string | null): JsonObject {
    return chunk(this.#head, 0, this.#withRole(delta), finish)
  }
}

const kinds: Readonly<Record<string, Block['kind']>> = Object.assign(Object.create(null), {
  text: 'text',
  thinking: 'thinking',
  redacted_thinking: 'thinking',
})

const failed = (cause: string, upstreamStatus?: number): Decoded => ({
  kind: 'failure',
  failure: new Failure('stream_error', { cause, upstreamStatus }),
})

function errorEvent(event: JsonObject): Decoded {
  const error = readErrorBody(event)
  const type = isObject(event.error) ? text(event.error.type) : ''
  return failed(error?.message ?? (type || 'the stream reports an error'), errorStatuses.get(type))
}
