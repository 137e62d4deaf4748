import { Failure } from '../core/failures.ts'
import { isObject, type JsonObject } from '../core/json.ts'
import type { ChatCodec, TargetContext } from '../core/provider.ts'
import { AnswerTail, tapUsage } from '../core/stream-tap.ts'
import { inBandError } from '../core/upstream-error.ts'
import { upstreamFailure } from '../core/upstream-failure.ts'
import type { Exchange } from './exchange.ts'
import type { AnswerHead, Flow, Reply } from './reply.ts'

/** Answers up to this are sent when they are complete: until then another attempt is possible. Longer ones go through as they come. */
const holdBytes = 64 << 10
/** Usage stands at the end of an answer. */
const tailBytes = 8 << 10

/** A JSON answer whose bytes go through as they are; usage is read from its end. */
export class JsonRelay implements Reply {
  readonly #exchange: Exchange
  readonly #head: AnswerHead
  readonly #flow: Flow
  #held: Buffer[] = []
  #heldBytes = 0
  #tail: AnswerTail | null = null

  constructor(exchange: Exchange, head: AnswerHead, flow: Flow) {
    this.#exchange = exchange
    this.#head = head
    this.#flow = flow
  }

  data(chunk: Uint8Array): Failure | null {
    if (this.#tail !== null) {
      this.#tail.push(chunk)
      if (!this.#exchange.write(chunk)) this.#flow.hold()
      return null
    }
    this.#held.push(Buffer.from(chunk))
    this.#heldBytes += chunk.length
    if (this.#heldBytes <= holdBytes) return null
    const start = Buffer.concat(this.#held)
    const failure = checkStart(start)
    if (failure !== null) return failure
    this.#held = []
    this.#tail = new AnswerTail(tailBytes)
    this.#tail.push(start)
    this.#exchange.begin(200, this.#head.fixed, this.#head.forwarded, this.#head.contentLength, false)
    if (!this.#exchange.write(start)) this.#flow.hold()
    return null
  }

  end(): Failure | null {
    if (this.#tail === null) return this.whole(this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held))
    this.#exchange.usage = this.#tail.usage() ?? this.#exchange.usage
    this.#exchange.end()
    return null
  }

  /** The complete answer, perhaps still in the socket's read buffer. */
  whole(body: Uint8Array): Failure | null {
    const failure = checkStart(body)
    if (failure !== null) return failure
    const usage = tapUsage(body)
    if (usage !== null) this.#exchange.usage = usage
    else {
      // Every good answer has usage, so this is rare: look closer.
      const parsed = parseObject(body)
      if (parsed === null) return new Failure('upstream_error', { cause: 'the answer is not a JSON object' })
      const error = inBandFailure(parsed, this.#exchange)
      if (error !== null) return error
    }
    this.#exchange.answer(200, this.#head.fixed, this.#head.forwarded, body)
    return null
  }
}

/** A JSON answer that is understood and written anew: another dialect's, or one that has to be brought to the contract. */
export class JsonTranslation implements Reply {
  readonly #exchange: Exchange
  readonly #codec: ChatCodec
  readonly #context: TargetContext
  readonly #head: AnswerHead
  readonly #held: Buffer[] = []

  constructor(exchange: Exchange, codec: ChatCodec, context: TargetContext, head: AnswerHead) {
    this.#exchange = exchange
    this.#codec = codec
    this.#context = context
    this.#head = head
  }

  data(chunk: Uint8Array): Failure | null {
    this.#held.push(Buffer.from(chunk))
    return null
  }

  end(): Failure | null {
    return this.whole(Buffer.concat(this.#held))
  }

  whole(body: Uint8Array): Failure | null {
    const parsed = parseObject(body)
    if (parsed === null) return new Failure('upstream_error', { cause: 'the answer is not a JSON object' })
    const error = inBandFailure(parsed, this.#exchange)
    if (error !== null) return error
    const decoded = this.#codec.decode(parsed, this.#context)
    if (decoded instanceof Failure) return decoded
    this.#exchange.usage = decoded.usage
    this.#exchange.answer(200, this.#head.fixed, this.#head.forwarded, JSON.stringify(decoded.body))
    return null
  }
}

/** Nothing at all, or a page, is no answer, whatever its status says. */
function checkStart(body: Uint8Array): Failure | null {
  for (const byte of body) {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue
    return byte === 0x7b ? null : new Failure('upstream_error', { cause: 'the answer is not a JSON object' })
  }
  return new Failure('upstream_error', { cause: 'the answer is empty' })
}

export function parseObject(body: Uint8Array): JsonObject | null {
  const value = parse(body)
  return isObject(value) ? value : null
}

/** Some APIs wrap what goes wrong with a stream in a list of one. */
export function parseError(body: Uint8Array): JsonObject | null {
  const value = parse(body)
  const error: unknown = Array.isArray(value) ? value[0] : value
  return isObject(error) ? error : null
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** A 200 that carries an error. */
function inBandFailure(body: JsonObject, exchange: Exchange): Failure | null {
  if (body.choices !== undefined) return null
  const error = inBandError(body)
  return error === null ? null : upstreamFailure(502, { message: error.message }, -1, exchange.snapshot.redact)
}
