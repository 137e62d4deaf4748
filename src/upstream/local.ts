import { randomUUID } from 'node:crypto'
import { errorEnvelope, Failure } from '../core/failures.ts'
import { isObject, type Json, type JsonObject } from '../core/json.ts'
import type { ChatRequest } from '../core/provider.ts'
import type {
  Origin,
  PreparedHead,
  ResponseHeaders,
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
} from './upstream.ts'

/**
 * The third transport: an upstream that lives in the process. It speaks OpenAI's chat completions over the same
 * interface as a socket would, around a function that supplies the text. Streams come word by word.
 */
export interface LocalOptions {
  /** Between two words of a stream. */
  readonly intervalMs?: number
}

export function createLocalOrigin(
  id: string,
  answer: (request: ChatRequest) => string,
  { intervalMs = 15 }: LocalOptions = {},
): Origin {
  const url = `local:${id}`
  const ticker = new Ticker(intervalMs)
  let opened = 0

  return {
    url,
    prepare: (method, path) => ({ method, path }),
    send(request, handler) {
      opened++
      const call = new LocalCall(request, handler, ticker)
      call.start(answer)
      return call
    },
    stats: () => ({ open: ticker.size, idle: 0, queued: 0, opened, reused: 0 }),
  }
}

/** One timer for all streams; it runs while there are any. */
class Ticker {
  readonly #intervalMs: number
  readonly #calls = new Set<LocalCall>()
  #timer: NodeJS.Timeout | null = null

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  get size(): number {
    return this.#calls.size
  }

  add(call: LocalCall): void {
    this.#calls.add(call)
    this.#timer ??= setInterval(() => {
      for (const each of this.#calls) each.tick(this.#intervalMs)
    }, this.#intervalMs)
  }

  remove(call: LocalCall): void {
    this.#calls.delete(call)
    if (this.#calls.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}

interface Choice {
  readonly tokens: readonly string[]
  readonly finishReason: 'stop' | 'length'
}

interface Answer {
  readonly id: string
  readonly created: number
  readonly model: string
  readonly choices: readonly Choice[]
  readonly usage: JsonObject
  readonly includeUsage: boolean
}

const jsonHeaders: Readonly<Record<string, string>> = { 'content-type': 'application/json' }
const streamHeaders: Readonly<Record<string, string>> = { 'content-type': 'text/event-stream; charset=utf-8' }

const headers = (fields: Readonly<Record<string, string>>, contentLength: number): ResponseHeaders => ({
  get: name => fields[name] ?? '',
  contentLength,
})

class LocalCall implements UpstreamCall {
  readonly #head: PreparedHead
  readonly #request: UpstreamRequest
  readonly #handler: UpstreamHandler
  readonly #ticker: Ticker
  #answer: Answer | null = null
  #position = 0
  #sentBytes = 0
  #elapsedMs = 0
  #paused = false
  #over = false

  constructor(request: UpstreamRequest, handler: UpstreamHandler, ticker: Ticker) {
    this.#head = request.head
    this.#request = request
    this.#handler = handler
    this.#ticker = ticker
  }

  start(answer: (request: ChatRequest) => string): void {
    // The body is valid only now, so it is understood now.
    const request = this.#understand()
    this.#handler.onSent()
    if (this.#over) return
    if (request instanceof Failure) {
      this.#whole(request.status, errorEnvelope(request))
      return
    }
    const made = compose(request, answer(request))
    if (request.stream === true) this.#stream(made)
    else this.#whole(200, completion(made))
  }

  #stream(made: Answer): void {
    this.#answer = made
    this.#handler.onHead(200, headers(streamHeaders, -1), null)
    if (this.#over) return
    this.#emit(made.choices.map((_, index) => chunk(made, index, { role: 'assistant', content: '' }, null)))
    if (!this.#over) this.#ticker.add(this)
  }

  #understand(): ChatRequest | Failure {
    const { method, path } = this.#head
    if (!/\/chat\/completions(?:\?|$)/.test(path)) return new Failure('not_found')
    if (method !== 'POST') return new Failure('method_not_supported')
    let body: Json
    try {
      body = JSON.parse(Buffer.from(this.#request.body ?? []).toString('utf8')) as Json
    } catch {
      return new Failure('invalid_request', { message: 'the body is not valid JSON' })
    }
    return isObject(body)
      ? checked(body)
      : new Failure('invalid_request', { message: 'the body must be a JSON object' })
  }

  #whole(status: number, text: string): void {
    const body = Buffer.from(text)
    if (body.length > this.#request.maxBodyBytes) {
      this.#fail(tooLarge())
      return
    }
    // `cancel` within onHead must silence onEnd.
    this.#handler.onHead(status, headers(jsonHeaders, body.length), body)
    if (this.#over) return
    this.#over = true
    this.#handler.onEnd()
  }

  tick(passedMs: number): void {
    const { totalTimeoutMs } = this.#request
    this.#elapsedMs += passedMs
    if (totalTimeoutMs > 0 && this.#elapsedMs >= totalTimeoutMs) {
      this.#fail(new Failure('upstream_timeout'))
      return
    }
    if (this.#paused || this.#answer === null) return
    const made = this.#answer
    const position = this.#position++
    const events: string[] = []
    let open = false
    made.choices.forEach(({ tokens, finishReason }, index) => {
      if (position < tokens.length) events.push(chunk(made, index, { content: tokens[position] }, null))
      else if (position === tokens.length) events.push(chunk(made, index, {}, finishReason))
      open ||= position < tokens.length
    })
    if (!open) {
      if (made.includeUsage) events.push(event({ ...common(made), choices: [], usage: made.usage }))
      events.push('data: [DONE]\n\n')
    }
    this.#emit(events)
    if (open || this.#over) return
    this.#finish()
    this.#handler.onEnd()
  }

  #emit(events: readonly string[]): void {
    if (events.length === 0) return
    const bytes = Buffer.from(events.join(''))
    this.#sentBytes += bytes.length
    if (this.#sentBytes > this.#request.maxBodyBytes) this.#fail(tooLarge())
    else this.#handler.onData(bytes)
  }

  #fail(failure: Failure): void {
    this.#finish()
    this.#handler.onFailure(failure)
  }

  #finish(): void {
    this.#over = true
    this.#ticker.remove(this)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
  }

  /** Whoever answers here takes no uploads: they get their refusal at once. */
  write(): boolean {
    return true
  }

  end(): void {}

  cancel(): void {
    this.#finish()
  }
}

const tooLarge = (): Failure => new Failure('upstream_error', { cause: 'the answer is larger than allowed' })

const refuse = (param: string, message: string): Failure => new Failure('invalid_request', { message, param })

const mostChoices = 16

function checked(body: JsonObject): ChatRequest | Failure {
  const { model, messages, n, stop, max_tokens, max_completion_tokens } = body
  if (typeof model !== 'string' || model === '') return refuse('model', 'model is required')
  if (!Array.isArray(messages) || messages.length === 0) return refuse('messages', 'at least one message is required')
  const odd = messages.findIndex(message => !isObject(message) || typeof message.role !== 'string')
  if (odd >= 0) return refuse(`messages[${odd}]`, `messages[${odd}] must be an object with a role`)
  for (const [name, value] of Object.entries({ n, max_tokens, max_completion_tokens }))
    if (value !== undefined && value !== null && !(Number.isInteger(value) && (value as number) > 0))
      return refuse(name, `${name} must be a positive integer`)
  if (typeof n === 'number' && n > mostChoices) return refuse('n', `n must be at most ${mostChoices}`)
  const stops = Array.isArray(stop) ? stop : [stop]
  if (!stops.every(each => each === undefined || each === null || typeof each === 'string'))
    return refuse('stop', 'stop must be a string or a list of strings')
  return body as ChatRequest
}

/**
 * An estimate that behaves like a tokenizer's count: up to eight letters or digits, or one other character, each with
 * the white space before it. English comes out at about 1.2 tokens a word.
 */
const token = /\s*(?:[\p{L}\p{N}\p{M}]{1,8}|[^\s\p{L}\p{N}\p{M}])|\s+$/gu
const tokensOf = (text: string): string[] => text.match(token) ?? []

/** Texts beyond this many characters are counted at four characters a token. */
const exactLength = 65_536
const perMessage = 4
const perImage = 85

function countTokens(value: Json | undefined): number {
  if (typeof value === 'string')
    return value.length > exactLength ? Math.ceil(value.length / 4) : tokensOf(value).length
  if (!Array.isArray(value)) return 0
  let sum = 0
  for (const part of value) if (isObject(part)) sum += typeof part.text === 'string' ? countTokens(part.text) : perImage
  return sum
}

function compose(request: ChatRequest, text: string): Answer {
  const { n, stop, stream_options: options } = request
  let cut = text.length
  for (const each of Array.isArray(stop) ? stop : [stop])
    if (typeof each === 'string' && each !== '' && text.includes(each)) cut = Math.min(cut, text.indexOf(each))
  const all = tokensOf(text.slice(0, cut))
  const limit = (request.max_completion_tokens ?? request.max_tokens ?? Number.POSITIVE_INFINITY) as number
  const choice: Choice = { tokens: all.slice(0, limit), finishReason: all.length > limit ? 'length' : 'stop' }
  const choices = Array.from({ length: typeof n === 'number' ? n : 1 }, () => choice)
  const prompt = request.messages.reduce<number>(
    (sum, each) => sum + perMessage + (isObject(each) ? countTokens(each.content) : 0),
    0,
  )
  const completed = choices.length * choice.tokens.length
  return {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    choices,
    usage: { prompt_tokens: prompt, completion_tokens: completed, total_tokens: prompt + completed },
    includeUsage: isObject(options) && options.include_usage === true,
  }
}

function completion({ id, created, model, choices, usage }: Answer): string {
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created,
    model,
    choices: choices.map(({ tokens, finishReason }, index) => ({
      index,
      message: { role: 'assistant', content: tokens.join(''), refusal: null },
      logprobs: null,
      finish_reason: finishReason,
    })),
    usage,
  })
}

const common = ({ id, created, model }: Answer): JsonObject => ({ id, object: 'chat.completion.chunk', created, model })

const event = (body: JsonObject): string => `data: ${JSON.stringify(body)}\n\n`

const chunk = (answer: Answer, index: number, delta: JsonObject, finish: string | null): string =>
  event({
    ...common(answer),
    choices: [{ index, delta, logprobs: null, finish_reason: finish }],
    ...(answer.includeUsage && { usage: null }),
  })
