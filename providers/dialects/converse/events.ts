import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { Decoded, EventDecoder, StreamEvent, TargetContext } from '../../../src/core/provider.ts'
import { citations } from '../anthropic/answer.ts'
import { answerTool } from '../anthropic/request.ts'
import { type AnswerHead, answerHead, chunk, usageChunk } from '../chat-answer.ts'
import { parseJson, text } from '../chat-request.ts'
import { toFinishReason, webSources } from './answer.ts'
import { errorMessage, exceptionStatus } from './error.ts'
import { familyOf } from './models.ts'
import { toUsage } from './usage.ts'

/** A content block under way; a text has no beginning of its own, and needs none. */
interface Block {
  readonly kind: 'text' | 'thinking' | 'call' | 'answer'
  /** The call's place among the calls, or the thought's among the thoughts: what the client's index is. */
  readonly index: number
  /** Some of its arguments have come. */
  hasArguments: boolean
  /** Where its text begins in the answer's. */
  readonly from: number
  readonly cited: JsonObject[]
}

const nothing: Decoded = { kind: 'chunks', chunks: [] }

/**
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. The events' names are the
 * framing's, `exception:…` and `error:…` included. The usage comes after the end, in `metadata`; `p` is padding.
 */
export class ConverseEvents implements EventDecoder {
  readonly #head: AnswerHead
  readonly #signs: boolean
  #hasRole = false
  readonly #blocks = new Map<number, Block>()
  #calls = 0
  #thoughts = 0
  #saidLength = 0
  #usage: JsonObject | null = null
  #isFinished = false

  constructor(target: TargetContext) {
    this.#head = answerHead(target)
    this.#signs = familyOf(target.model).signs
  }

  decode({ event: name, data }: StreamEvent): Decoded {
    const event = parseJson(data)
    const colon = name.indexOf(':')
    if (colon >= 0) return exception(name.slice(colon + 1), isObject(event) ? event : null)
    if (!isObject(event)) return failed('an event of the stream is not a JSON object')
    switch (name) {
      case 'messageStart':
        return this.#chunks(this.#hasRole ? [] : [{}])
      case 'contentBlockStart':
        return this.#chunks(this.#open(event.contentBlockIndex, isObject(event.start) ? event.start : {}))
      case 'contentBlockDelta':
        return this.#chunks(this.#delta(event.contentBlockIndex, isObject(event.delta) ? event.delta : {}))
      case 'contentBlockStop':
        return this.#chunks(this.#close(event.contentBlockIndex))
      case 'messageStop':
        return this.#end(event)
      case 'metadata':
        if (!isObject(event.usage)) return nothing
        this.#usage = event.usage
        return { kind: 'chunks', chunks: [], usage: toUsage(event.usage) }
      default:
        return nothing
    }
  }

  end(): readonly JsonObject[] {
    return this.#usage === null ? [] : [usageChunk(this.#head, toUsage(this.#usage))]
  }

  /** After its finish reason a choice says nothing. */
  #chunks(deltas: readonly JsonObject[]): Decoded {
    if (this.#isFinished) return nothing
    return { kind: 'chunks', chunks: deltas.map(delta => this.#chunk(delta, null)) }
  }

  #chunk(delta: JsonObject, finish: string | null): JsonObject {
    const isFirst = !this.#hasRole
    this.#hasRole = true
    return chunk(this.#head, 0, isFirst ? { role: 'assistant', ...delta } : delta, finish)
  }

  #open(index: Json | undefined, { toolUse }: JsonObject): JsonObject[] {
    if (!isObject(toolUse)) return []
    if (toolUse.name === answerTool) {
      this.#block(index, 'answer')
      return []
    }
    const { index: place } = this.#block(index, 'call')
    const called = { name: text(toolUse.name), arguments: '' }
    return [{ tool_calls: [{ index: place, id: text(toolUse.toolUseId), type: 'function', function: called }] }]
  }

  #block(index: Json | undefined, kind: Block['kind']): Block {
    const place = kind === 'call' ? this.#calls++ : kind === 'thinking' ? this.#thoughts++ : 0
    const block: Block = { kind, index: place, hasArguments: false, from: this.#saidLength, cited: [] }
    this.#blocks.set(Number(index), block)
    return block
  }

  #delta(index: Json | undefined, delta: JsonObject): JsonObject[] {
    const block = this.#blocks.get(Number(index))
    if (typeof delta.text === 'string') {
      if (block === undefined) this.#block(index, 'text')
      return this.#say(delta.text)
    }
    if (isObject(delta.toolUse)) return this.#arguments(block, text(delta.toolUse.input))
    if (isObject(delta.reasoningContent))
      return this.#think(block?.kind === 'thinking' ? block : this.#block(index, 'thinking'), delta.reasoningContent)
    if (isObject(delta.citation)) (block ?? this.#block(index, 'text')).cited.push(delta.citation)
    return []
  }

  #say(said: string): JsonObject[] {
    this.#saidLength += said.length
    return said === '' ? [] : [{ content: said }]
  }

  /** Thoughts go out twice: to be read, and, where they are signed, to be sent back. */
  #think({ index }: Block, { text: thought, signature, redactedContent }: JsonObject): JsonObject[] {
    const deltas: JsonObject[] = []
    const kept = (block: JsonObject): JsonObject => ({ thinking_blocks: [{ index, ...block }] })
    const thinking = text(thought)
    if (thinking !== '')
      deltas.push({ reasoning_content: thinking, ...(this.#signs && kept({ type: 'thinking', thinking })) })
    if (this.#signs && text(signature) !== '') deltas.push(kept({ type: 'thinking', signature: text(signature) }))
    if (this.#signs && text(redactedContent) !== '')
      deltas.push(kept({ type: 'redacted_thinking', data: text(redactedContent) }))
    return deltas
  }

  #arguments(block: Block | undefined, fragment: string): JsonObject[] {
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
    if (!block.hasArguments && (block.kind === 'call' || block.kind === 'answer')) return this.#arguments(block, '{}')
    const annotations = citations(webSources(block.cited), block.from, this.#saidLength)
    return annotations.length === 0 ? [] : [{ annotations }]
  }

  #end({ stopReason }: JsonObject): Decoded {
    if (this.#isFinished) return nothing
    const chunks = [...this.#blocks.keys()].flatMap(index => this.#close(index)).map(left => this.#chunk(left, null))
    chunks.push(this.#chunk({}, toFinishReason(stopReason, this.#calls)))
    this.#isFinished = true
    return { kind: 'chunks', chunks }
  }
}

const failed = (cause: string, upstreamStatus?: number): Decoded => ({
  kind: 'failure',
  failure: new Failure('stream_error', { cause, ...(upstreamStatus !== undefined && { upstreamStatus }) }),
})

const exception = (name: string, body: JsonObject | null): Decoded =>
  failed(errorMessage(body) || name || 'the stream reports an error', exceptionStatus(name))
