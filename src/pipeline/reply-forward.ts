import { isObject, type Json } from '../core/json.ts'
import { AnswerTail, type tapUsage, usageOf } from '../core/stream-tap.ts'
import { SseParser } from '../upstream/framing/sse.ts'
import type { ResponseHeaders } from '../upstream/upstream.ts'
import type { Scrub } from './credentials.ts'
import type { Exchange } from './exchange.ts'
import { forwardedHeaders } from './forwarded.ts'
import type { Flow } from './reply.ts'
import { contentTypeLine } from './reply-bytes.ts'

/** What of an answer that is not an error's goes on besides the common headers: downloads, redirects, caches. */
const further = [
  'location',
  'content-disposition',
  'content-range',
  'accept-ranges',
  'etag',
  'last-modified',
  'allow',
  'request-id',
  'anthropic-ratelimit-requests-limit',
  'anthropic-ratelimit-requests-remaining',
  'anthropic-ratelimit-requests-reset',
  'anthropic-ratelimit-tokens-limit',
  'anthropic-ratelimit-tokens-remaining',
  'anthropic-ratelimit-tokens-reset',
] as const
const longestValue = 2048
const isPrintable = (value: string): boolean => /^[\x20-\x7e]+$/.test(value)

/** Answers that are no success are looked through for credentials up to this size. */
const mostErrorBytes = 256 << 10
/** Usage stands at the end; what follows it may have metadata. */
const tailBytes = 32 << 10
/** Longest event whose usage is read: the last one repeats the whole response. */
const mostEventBytes = 16 << 20

const withheld = '{"error":{"message":"upstream request failed","type":"server_error","code":"upstream_error"}}\n'
const eventStream = /^text\/event-stream\s*(?:;|$)/i

export interface ForwardedAnswer {
  readonly exchange: Exchange
  readonly flow: Flow
  readonly scrub: Scrub
  /** Its usage is of interest. */
  readonly isMetered: boolean
}

/**
 * The answer to a forwarded request goes through as it comes, whatever its status and type, with an allow-list of its
 * headers. One that is no success may quote the request it answers: it is held, and credentials are taken out of it.
 */
export class ForwardReply {
  readonly #parts: ForwardedAnswer
  readonly #status: number
  readonly #type: string
  readonly #headers: string
  readonly #contentLength: number
  readonly #isHeld: boolean
  #held: Buffer[] = []
  #heldBytes = 0
  #meter: Meter | null = null

  constructor(parts: ForwardedAnswer, status: number, headers: ResponseHeaders) {
    const { exchange, scrub, isMetered } = parts
    this.#parts = parts
    this.#status = status
    this.#type = headers.get('content-type')
    this.#contentLength = headers.contentLength
    this.#headers = scrub(this.#headerLines(headers))
    this.#isHeld = (status < 200 || status > 299) && status !== 304
    if (isMetered && !this.#isHeld) this.#meter = eventStream.test(this.#type) ? new EventMeter() : new TailMeter()
    exchange.answeredWith(status)
  }

  #headerLines(headers: ResponseHeaders): string {
    let lines = forwardedHeaders(headers)
    for (const name of further) {
      const value = headers.get(name)
      if (value !== '' && value.length <= longestValue && isPrintable(value)) lines += `${name}: ${value}\r\n`
    }
    return this.#type === '' || eventStream.test(this.#type) ? lines : lines + contentTypeLine(this.#type)
  }

  /** The answer came complete. */
  whole(body: Uint8Array): void {
    if (this.#isHeld) {
      this.#hold(body)
      this.end()
      return
    }
    this.#meter?.push(body)
    this.#settle()
    const { exchange } = this.#parts
    exchange.answer(this.#status, this.#fixed, this.#headers, body)
  }

  /** false: enough is known, the rest is not wanted. */
  data(chunk: Uint8Array): boolean {
    if (this.#isHeld) return this.#hold(chunk)
    this.start()
    this.#meter?.push(chunk)
    const { exchange, flow } = this.#parts
    if (!exchange.write(chunk)) flow.hold()
    return true
  }

  /** The head goes out with the first byte, or before it: whoever waits for events wants to know that they will come. */
  start(): void {
    const { exchange } = this.#parts
    if (!this.#isHeld && !exchange.committed)
      exchange.begin(this.#status, this.#fixed, this.#headers, this.#contentLength, false)
  }

  end(): void {
    const { exchange } = this.#parts
    if (!this.#isHeld) {
      this.#settle()
      this.start()
      exchange.end()
      return
    }
    const text = Buffer.concat(this.#held).toString('latin1')
    exchange.answer(this.#status, this.#fixed, this.#headers, Buffer.from(this.#parts.scrub(text), 'latin1'))
  }

  /** An error that can't be looked through is not passed on, only that there was one. */
  withhold(): void {
    const { exchange } = this.#parts
    const lines = this.#headers.replace(/^content-type: .*\r\n/m, '')
    exchange.answer(this.#status, exchange.target!.jsonHeaders, lines, withheld)
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  get #fixed() {
    const target = this.#parts.exchange.target!
    return eventStream.test(this.#type) ? target.eventHeaders : target.plainHeaders
  }

  #hold(chunk: Uint8Array): boolean {
    this.#heldBytes += chunk.length
    if (this.#heldBytes > mostErrorBytes) {
      this.#held = []
      return false
    }
    this.#held.push(Buffer.from(chunk))
    return true
  }

  #settle(): void {
    const usage = this.#meter?.usage() ?? null
    if (usage !== null) this.#parts.exchange.usage = usage
  }
}

interface Meter {
  push(chunk: Uint8Array): void
  usage(): ReturnType<typeof tapUsage>
}

class TailMeter implements Meter {
  readonly #tail = new AnswerTail(tailBytes)
  push(chunk: Uint8Array): void {
    this.#tail.push(chunk)
  }
  usage() {
    return this.#tail.usage()
  }
}

/** Reads along; what it can't read is still relayed. */
class EventMeter implements Meter {
  #usage: ReturnType<typeof tapUsage> = null
  #isLost = false
  readonly #parser = new SseParser({ maxBytes: mostEventBytes }, ({ data }) => {
    if (!data.includes('"usage"')) return
    const body = parse(data)
    if (!isObject(body)) return
    this.#usage = usageOf(isObject(body.response) ? body.response : body) ?? this.#usage
  })

  push(chunk: Uint8Array): void {
    if (!this.#isLost) this.#isLost = this.#parser.push(chunk) !== null
  }
  usage() {
    return this.#usage
  }
}

const parse = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined
    throw error
  }
}
