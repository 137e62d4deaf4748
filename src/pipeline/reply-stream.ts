import { Failure } from '../core/failures.ts'
import type { JsonObject } from '../core/json.ts'
import { withFunctionCalls } from '../core/legacy-functions.ts'
import type { Answer, Codec, EventDecoder, StreamEvent, TargetContext } from '../core/provider.ts'
import { RawBody } from '../core/provider.ts'
import { carriesContent, givesFinishReason, isUsageOnly, StreamTap } from '../core/stream-tap.ts'
import { type FrameParser, framings } from '../upstream/framing/index.ts'
import type { Exchange } from './exchange.ts'
import type { AnswerHead, Flow, Reply, Step } from './reply.ts'

/**
 * Streams commit at the first event with content: until then another attempt may take over, although the upstream has
 * answered 200. After that an error is an event, and no `[DONE]` follows it.
 */

/** Longest event; image deltas are the long ones. */
const maxEventBytes = 16 << 20
/** Before the first content. */
const maxHeldChars = 1 << 20
const doneEvent = 'data: [DONE]\n\n'

/** An event stream whose bytes go through as they are. */
export class StreamRelay implements Reply {
  readonly #exchange: Exchange
  readonly #head: AnswerHead
  readonly #flow: Flow
  readonly #tap: StreamTap

  constructor(exchange: Exchange, head: AnswerHead, flow: Flow, withholdUsage: boolean) {
    this.#exchange = exchange
    this.#head = head
    this.#flow = flow
    this.#tap = new StreamTap({ withholdUsage, maxEventBytes, forward: bytes => this.#forward(bytes) })
  }

  #forward(bytes: Uint8Array): void {
    const exchange = this.#exchange
    if (!exchange.committed) {
      exchange.begin(200, this.#head.fixed, this.#head.forwarded, -1, true)
      exchange.answeredBy = this.#tap.model
    }
    if (!exchange.write(bytes)) this.#flow.hold()
  }

  data(chunk: Uint8Array): Failure | null {
    const tap = this.#tap
    tap.push(chunk)
    // Also for a client that leaves before the end.
    if (tap.usage !== null) this.#exchange.usage = tap.usage
    return tap.failure
  }

  end(): Failure | null {
    const tap = this.#tap
    const failure = tap.end()
    if (tap.usage !== null) this.#exchange.usage = tap.usage
    if (failure !== null) return failure
    if (!tap.done) this.#forward(Buffer.from(doneEvent))
    this.#exchange.end()
    return null
  }

  get usage() {
    return this.#tap.usage
  }
}

/** An event stream that is understood and written anew. */
export class StreamTranslation implements Reply {
  readonly #exchange: Exchange
  readonly #head: AnswerHead
  readonly #flow: Flow
  readonly #decoder: EventDecoder
  readonly #withholdUsage: boolean
  readonly #usesFunctions: boolean
  readonly #parser: FrameParser
  /** Not yet written: the events of this read, and all before the first with content. */
  #out = ''
  #hasContent = false
  #failure: Failure | null = null
  #finished = false
  #done = false

  constructor(
    exchange: Exchange,
    codec: Codec<never>,
    context: TargetContext,
    head: AnswerHead,
    flow: Flow,
    withholdUsage: boolean,
  ) {
    this.#exchange = exchange
    this.#head = head
    this.#flow = flow
    this.#decoder = codec.events!(context)
    this.#withholdUsage = withholdUsage
    this.#usesFunctions = context.usesFunctions === true
    this.#parser = framings[codec.framing]!.create({ maxBytes: maxEventBytes }, event => this.#event(event))
  }

  data(chunk: Uint8Array): Failure | null {
    const failure = this.#parser.push(chunk)
    this.#flush()
    return this.#failure ?? failure
  }

  #event(event: StreamEvent): void {
    if (this.#done || this.#failure !== null) return
    const decoded = this.#decoder.decode(event)
    if (decoded.kind === 'failure') this.#failure = decoded.failure
    else if (decoded.kind === 'done') this.#done = true
    else {
      if (decoded.usage !== undefined) this.#exchange.usage = decoded.usage
      for (const chunk of decoded.chunks) this.#chunk(chunk)
    }
  }

  #chunk(said: JsonObject): void {
    const chunk = this.#usesFunctions ? withFunctionCalls(said) : said
    if (this.#withholdUsage && isUsageOnly(chunk)) return
    this.#finished ||= givesFinishReason(chunk)
    if (this.#exchange.answeredBy === '' && typeof chunk.model === 'string') this.#exchange.answeredBy = chunk.model
    this.#out += `data: ${JSON.stringify(chunk)}\n\n`
    this.#hasContent ||= carriesContent(chunk)
    if (!this.#hasContent && this.#out.length > maxHeldChars) {
      this.#failure = new Failure('stream_error', { cause: 'the stream sent too much before its first content' })
    }
  }

  /** Everything of one read goes out in one write. */
  #flush(): void {
    if (this.#out === '' || !this.#hasContent) return
    if (!this.#exchange.committed) this.#exchange.begin(200, this.#head.fixed, this.#head.forwarded, -1, true)
    const out = this.#out
    this.#out = ''
    if (!this.#exchange.write(out)) this.#flow.hold()
  }

  end(): Step {
    const last = this.#parser.end()
    if (last instanceof Failure) this.#failure ??= last
    else if (last !== null) this.#event(last)
    this.#flush()
    if (this.#failure !== null) return this.#failure
    if (!this.#done && !this.#finished)
      return new Failure('stream_error', { cause: 'the stream ended without a finish reason' })
    const trip = this.#decoder.last?.() ?? null
    if (trip === null) this.finish(null)
    return trip
  }

  /** Ends the client's stream. `answer`: of the round trip that completed it. */
  finish(answer: Answer | null): void {
    if (answer !== null) {
      this.#exchange.usage = answer.usage
      if (!(answer.body instanceof RawBody) && Object.keys(answer.body).length > 0) this.#chunk(answer.body)
    }
    this.#hasContent = true
    for (const chunk of this.#decoder.end?.() ?? []) this.#chunk(chunk)
    this.#out += doneEvent
    this.#flush()
    this.#exchange.end()
  }
}
