import { Failure } from '../core/failures.ts'
import { isObject, type Json } from '../core/json.ts'
import type { Codec, EventDecoder, StreamEvent, TargetContext } from '../core/provider.ts'
import { usageOf } from '../core/stream-tap.ts'
import { inBandError, statusOf } from '../core/upstream-error.ts'
import { type FrameParser, framings } from '../upstream/framing/index.ts'
import type { Exchange } from './exchange.ts'
import type { AnswerHead, Flow, Reply } from './reply.ts'

/** Longest event; pictures come in one. */
const maxEventBytes = 16 << 20

/**
 * A stream of events that say their type (`response.output_text.delta`, `transcript.text.done`), as OpenAI's newer
 * endpoints send them: each goes on as it came, or as the codec writes it anew. It commits at its first event. Usage is
 * that of the last event that had any. One that ends without an event that ends it (`….done`, `….completed`, `[DONE]`)
 * has broken off.
 */
export class EventRelay implements Reply {
  readonly #exchange: Exchange
  readonly #head: AnswerHead
  readonly #flow: Flow
  /** null: events go on as they came. */
  readonly #decoder: EventDecoder | null
  readonly #parser: FrameParser
  #out = ''
  #ended = false
  #failure: Failure | null = null

  constructor(exchange: Exchange, codec: Codec<never>, context: TargetContext, head: AnswerHead, flow: Flow) {
    this.#exchange = exchange
    this.#head = head
    this.#flow = flow
    this.#decoder = codec.relay === 'verbatim' ? null : codec.events!(context)
    this.#parser = framings[codec.framing]!.create({ maxBytes: maxEventBytes }, event => this.#take(event))
  }

  #take(event: StreamEvent): void {
    if (this.#failure !== null) return
    if (this.#decoder === null) this.#relay(event)
    else this.#translate(event, this.#decoder)
  }

  data(chunk: Uint8Array): Failure | null {
    const failure = this.#parser.push(chunk)
    this.#flush()
    return this.#failure ?? failure
  }

  #relay({ event, data }: StreamEvent): void {
    const text = data.trim()
    if (text === '') return
    if (text !== '[DONE]') {
      const body = parse(text)
      if (!isObject(body)) {
        this.#failure = new Failure('stream_error', { cause: 'an event of the stream is not a JSON object' })
        return
      }
      const type = typeof body.type === 'string' ? body.type : event
      const error = inBandError(event === 'error' && body.error === undefined ? { error: body } : body)
      if (error !== null) {
        this.#failure = new Failure('stream_error', { cause: error.message, upstreamStatus: statusOf(error.code) })
        return
      }
      const usage = usageOf(isObject(body.response) ? body.response : body)
      if (usage !== null) this.#exchange.usage = usage
      this.#ended ||= endings.test(type)
    } else this.#ended = true
    const name = event === '' ? '' : `event: ${event}\n`
    this.#out += `${name}data: ${data.includes('\n') ? data.replaceAll('\n', '\ndata: ') : data}\n\n`
  }

  #translate(event: StreamEvent, decoder: EventDecoder): void {
    const decoded = decoder.decode(event)
    if (decoded.kind === 'failure') this.#failure = decoded.failure
    else if (decoded.kind === 'done') {
      this.#ended = true
      this.#out += 'data: [DONE]\n\n'
    } else {
      if (decoded.usage !== undefined) this.#exchange.usage = decoded.usage
      for (const chunk of decoded.chunks) {
        const type = typeof chunk.type === 'string' && !/[\r\n]/.test(chunk.type) ? chunk.type : ''
        this.#ended ||= endings.test(type)
        this.#out += `${type === '' ? '' : `event: ${type}\n`}data: ${JSON.stringify(chunk)}\n\n`
      }
    }
  }

  /** Everything of one read goes out in one write. */
  #flush(): void {
    if (this.#out === '') return
    if (!this.#exchange.committed) this.#exchange.begin(200, this.#head.fixed, this.#head.forwarded, -1, true)
    const out = this.#out
    this.#out = ''
    if (!this.#exchange.write(out)) this.#flow.hold()
  }

  end(): Failure | null {
    const last = this.#parser.end()
    if (last instanceof Failure) this.#failure ??= last
    else if (last !== null) this.#take(last)
    this.#flush()
    if (this.#failure !== null) return this.#failure
    if (!this.#ended) return new Failure('stream_error', { cause: 'the stream ended without its last event' })
    this.#exchange.end()
    return null
  }
}

/** Types of events after which a stream may end; a `response.failed` is the answer too. */
const endings = /(?:^|\.)(?:done|completed|incomplete|failed|cancelled)$/

const parse = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
