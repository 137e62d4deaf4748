import { Failure } from '../core/failures.ts'
import { GatheredBytes } from '../core/gathered-bytes.ts'
import { isObject, type Json, type JsonObject } from '../core/json.ts'
import { findEarlyKey, findKey, isString, readString } from '../core/json-scan.ts'
import { withFunctionCalls } from '../core/legacy-functions.ts'
import { Again, type Answer, type Codec, RawBody, type RoundTrip, type TargetContext } from '../core/provider.ts'
import { AnswerTail, tapUsage } from '../core/stream-tap.ts'
import { inBandError, statusOf } from '../core/upstream-error.ts'
import { upstreamFailure } from '../core/upstream-failure.ts'
import type { Exchange } from './exchange.ts'
import type { AnswerHead, Flow, Reply, Step } from './reply.ts'
import { contentTypeLine } from './reply-bytes.ts'

/** Answers up to this are sent when they are complete: until then another attempt is possible. Longer ones go through as they come. */
const holdBytes = 64 << 10
/** Usage stands at the end of an answer. */
const tailBytes = 8 << 10
/** What is held when the last piece of it came. */
const mostHeldBytes = 2 * holdBytes
const nothing = new Uint8Array(0)

/** A JSON answer whose bytes go through as they are; usage is read from its end. */
export class JsonRelay implements Reply {
  readonly #exchange: Exchange
  readonly #head: AnswerHead
  readonly #flow: Flow
  /** What came before the answer was complete. */
  #held: GatheredBytes | null = null
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
    const held = (this.#held ??= new GatheredBytes())
    held.push(chunk, Math.min(this.#head.contentLength, mostHeldBytes))
    if (held.length <= holdBytes) return null
    const start = held.all().bytes
    const failure = checkStart(start)
    if (failure !== null) return failure
    this.#tail = new AnswerTail(tailBytes)
    this.#tail.push(start)
    if (this.#exchange.target?.provider.answersWithModel === true)
      this.#exchange.answeredBy = stringAt(start, findEarlyKey(start, 0, start.length, 'model'))
    this.#exchange.begin(200, this.#head.fixed, this.#head.forwarded, this.#head.contentLength, false)
    if (!this.#exchange.write(start)) this.#flow.hold()
    held.release()
    return null
  }

  end(): Failure | null {
    if (this.#tail === null) {
      const failure = this.whole(this.#held?.all().bytes ?? nothing)
      this.#held?.release()
      return failure
    }
    // Without a length, an answer that breaks off ends like any other.
    if (!this.#tail.endsObject) return new Failure('upstream_error', { cause: 'the answer breaks off' })
    this.#exchange.usage = this.#tail.usage() ?? this.#exchange.usage
    this.#exchange.end()
    return null
  }

  /** The complete answer, in memory that is good for this turn only. */
  whole(body: Uint8Array): Failure | null {
    const failure = checkStart(body)
    if (failure !== null) return failure
    const usage = tapUsage(body)
    if (this.#exchange.target?.provider.answersWithModel === true)
      this.#exchange.answeredBy = stringAt(body, findKey(body, 0, body.length, 'model'))
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

export interface TranslationParts {
  readonly exchange: Exchange
  readonly codec: Pick<Codec<never>, 'decode' | 'decodeBytes'>
  readonly context: TargetContext
  readonly head: AnswerHead
  /** For answers that say their type themselves. */
  readonly bytesHead: AnswerHead
  /** Content type of the upstream's answer where it is not JSON; ''. */
  readonly contentType: string
}

/** An answer that is understood and written anew: another dialect's, or one that has to be brought to the contract. */
export class Translation implements Reply {
  readonly #parts: TranslationParts
  readonly #held = new GatheredBytes()

  constructor(parts: TranslationParts) {
    this.#parts = parts
  }

  data(chunk: Uint8Array): Failure | null {
    this.#held.push(chunk, this.#parts.head.contentLength)
    return null
  }

  end(): Step {
    const step = this.whole(this.#held.all().bytes)
    this.#held.release()
    return step
  }

  whole(body: Uint8Array): Step {
    const decoded = this.#decode(body)
    if (decoded instanceof Failure || decoded instanceof Again) return decoded
    const { exchange, head, bytesHead } = this.#parts
    exchange.usage = decoded.usage
    if (!(decoded.body instanceof RawBody) && typeof decoded.body.model === 'string')
      exchange.answeredBy = decoded.body.model
    if (decoded.body instanceof RawBody) {
      const { contentType, bytes } = decoded.body
      exchange.answer(200, bytesHead.fixed, bytesHead.forwarded + contentTypeLine(contentType), bytes)
    } else exchange.answer(200, head.fixed, head.forwarded, JSON.stringify(this.#inItsWords(decoded.body)))
    return null
  }

  #inItsWords(body: JsonObject): JsonObject {
    return this.#parts.context.usesFunctions === true ? withFunctionCalls(body) : body
  }

  #decode(body: Uint8Array): Answer | Again | Failure {
    const { codec, context, contentType, exchange } = this.#parts
    if (contentType !== '') return codec.decodeBytes!(new RawBody(contentType, Buffer.from(body)), context)
    const parsed = parseAnswer(body)
    if (parsed === null) return new Failure('upstream_error', { cause: 'the answer is not a JSON object' })
    return inBandFailure(parsed, exchange) ?? codec.decode(parsed, context)
  }
}

/** The answer to the round trip that completes a stream; whatever comes of it, the stream then ends. */
export class LastWord implements Reply {
  readonly #finish: (answer: Answer | null) => void
  readonly #trip: RoundTrip
  readonly #context: TargetContext
  readonly #held = new GatheredBytes()

  constructor(trip: RoundTrip, context: TargetContext, finish: (answer: Answer | null) => void) {
    this.#trip = trip
    this.#context = context
    this.#finish = finish
  }

  data(chunk: Uint8Array): Failure | null {
    this.#held.push(chunk)
    return null
  }

  end(): null {
    const parsed = parseObject(this.#held.all().bytes)
    this.#held.release()
    const decoded = parsed === null ? undefined : this.#trip.decode?.(parsed, this.#context)
    this.#finish(decoded === undefined || decoded instanceof Failure || decoded instanceof Again ? null : decoded)
    return null
  }

  giveUp(): void {
    this.#finish(null)
  }
}

/** '' for what is no string. */
const stringAt = (body: Uint8Array, range: readonly [number, number] | null): string =>
  range !== null && isString(body, range[0]) ? readString(body, range[0], range[1]) : ''

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

/** Some APIs answer with a bare list; codecs see it as OpenAI's lists look. */
function parseAnswer(body: Uint8Array): JsonObject | null {
  const value = parse(body)
  return Array.isArray(value) ? { data: value as Json[] } : isObject(value) ? value : null
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
  if (error === null) return null
  return upstreamFailure(statusOf(error.code) ?? 502, { message: error.message }, -1, exchange.snapshot.redact)
}
