import { Failure } from '../core/failures.ts'
import { isObject, type Json, type JsonObject } from '../core/json.ts'
import {
  Again,
  type Answer,
  again,
  type ChatCodec,
  type ChatRequest,
  type Codec,
  type Codecs,
  type Decoded,
  type EventDecoder,
  RawBody,
  type StreamEvent,
  type TargetContext,
} from '../core/provider.ts'
import type { Surface } from '../core/surface.ts'
import { readJson } from './json-call.ts'

/**
 * Legacy completions. Models that only chat serve them too: the prompt is what the user says.
 * https://platform.openai.com/docs/api-reference/completions
 */
export const completions: Surface = {
  id: 'completions',
  methods: ['POST'],
  path: '/v1/completions',
  streams: 'chunks',
  hasByteAnswers: false,
  read: body => readJson(body, { required: [], stream: value => value('stream') === true }),
  derive: ({ chat }: Codecs) => (chat === undefined ? undefined : throughChat(chat)),
}

function throughChat(chat: ChatCodec): Codec {
  /** What the chat codec is to know of the target: the request is a chat to it. */
  const asChat = (target: TargetContext): TargetContext => {
    const request = chatOf(requestOf(target), target)
    return request instanceof Failure ? target : { ...target, request }
  }
  const asText = (answer: Answer | Again | Failure, target: TargetContext): Answer | Again | Failure => {
    if (answer instanceof Failure) return answer
    if (!(answer instanceof Again)) return textAnswer(answer, target)
    const { trip } = answer
    const decode = trip.decode ?? chat.decode
    return again({ ...trip, decode: (body, context) => asText(decode(body, asChat(context)), context) })
  }
  const { framing, headers, isJob, defaultModel, serves } = chat
  return {
    relay: null,
    framing,
    headers,
    isJob,
    defaultModel,
    serves,
    ...(chat.root !== undefined && { root: target => chat.root!(target) }),
    path: target => chat.path(target),
    encode(request, target) {
      const asked = chatOf(request, target)
      if (asked instanceof Failure) return asked
      return chat.encode === null
        ? relayed(asked, target, chat.tokenLimit)
        : chat.encode(asked, { ...target, request: asked })
    },
    decode: (body, target) => asText(chat.decode(body, asChat(target)), target),
    events: target => new TextDecoder(chat.events(asChat(target)), echoOf(requestOf(target))),
    failure: (status, body) => chat.failure(status, body),
  }
}

const requestOf = ({ request }: TargetContext): JsonObject => (request ?? {}) as JsonObject

/** The one text to complete, or null for batches and token ids. */
function promptOf({ prompt }: JsonObject): string | null {
  const one = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt
  return one === undefined || one === null ? '' : typeof one === 'string' ? one : null
}

const echoOf = (request: JsonObject): string => (request.echo === true ? (promptOf(request) ?? '') : '')

function chatOf(request: JsonObject, { model }: TargetContext): ChatRequest | Failure {
  const content = promptOf(request)
  if (content === null) {
    const message = 'this model takes one prompt at a time, as text: neither several nor token ids'
    return new Failure('unsupported_parameter', { message, param: 'prompt' })
  }
  // Accepted and without effect: a chat can't continue in the middle, nor be asked for the likeliest of several.
  const { prompt: _prompt, echo: _echo, suffix: _suffix, best_of: _best, logprobs: _logprobs, ...rest } = request
  return { ...rest, model, messages: [{ role: 'user', content }] }
}

/** What is otherwise done to the bytes of a chat that is relayed. */
function relayed(request: ChatRequest, { stream }: TargetContext, tokenLimit: ChatCodec['tokenLimit']): JsonObject {
  const { max_tokens, max_completion_tokens, ...rest } = request
  const limit = max_completion_tokens ?? max_tokens
  const { stream_options: options } = request
  return {
    ...rest,
    ...(limit !== undefined && { [tokenLimit ?? 'max_tokens']: limit }),
    ...(stream && { stream_options: { ...(isObject(options) && options), include_usage: true } }),
  }
}

const choicesOf = (body: JsonObject): JsonObject[] => (Array.isArray(body.choices) ? body.choices.filter(isObject) : [])

/** What a message says, be it a refusal. */
const textOf = (said: Json | undefined): string =>
  !isObject(said)
    ? ''
    : typeof said.content === 'string'
      ? said.content
      : typeof said.refusal === 'string'
        ? said.refusal
        : ''

const textChoice = (choice: JsonObject, text: string): JsonObject => ({
  text,
  index: choice.index ?? 0,
  logprobs: null,
  finish_reason: choice.finish_reason ?? null,
})

const textBody = (body: JsonObject, choices: JsonObject[]): JsonObject => ({
  ...body,
  id: typeof body.id === 'string' ? body.id.replace(/^chatcmpl-/, 'cmpl-') : 'cmpl-unnamed',
  object: 'text_completion',
  choices,
})

function textAnswer({ body, usage }: Answer, target: TargetContext): Answer | Failure {
  if (body instanceof RawBody) return new Failure('upstream_error', { cause: 'the answer is not a JSON object' })
  const echo = echoOf(requestOf(target))
  const choices = choicesOf(body).map(choice => textChoice(choice, echo + textOf(choice.message)))
  return { body: textBody(body, choices), usage }
}

/** A chat's stream as one of text. What a completion has no place for (roles, calls, thoughts) is left out. */
class TextDecoder implements EventDecoder {
  readonly #chat: EventDecoder
  readonly #echo: string
  /** Choices whose text has begun. */
  readonly #begun = new Set<Json>()

  constructor(chat: EventDecoder, echo: string) {
    this.#chat = chat
    this.#echo = echo
  }

  decode(event: StreamEvent): Decoded {
    const decoded = this.#chat.decode(event)
    return decoded.kind === 'chunks' ? { ...decoded, chunks: this.#chunks(decoded.chunks) } : decoded
  }

  end(): readonly JsonObject[] {
    return this.#chunks(this.#chat.end?.() ?? [])
  }

  last(): Again | null {
    const more = this.#chat.last?.() ?? null
    const decode = more?.trip.decode
    if (more === null || decode === undefined) return more
    return again({
      ...more.trip,
      decode: (body, target) => {
        const answer = decode(body, target)
        if (answer instanceof Failure || answer instanceof Again || answer.body instanceof RawBody) return answer
        return { ...answer, body: this.#chunks([answer.body])[0] ?? {} }
      },
    })
  }

  #chunks(chunks: readonly JsonObject[]): JsonObject[] {
    return chunks.flatMap(chunk => {
      const choices = choicesOf(chunk).flatMap(choice => {
        const index = choice.index ?? 0
        const said = textOf(choice.delta)
        if (said === '' && (choice.finish_reason ?? null) === null) return []
        const text = this.#begun.has(index) ? said : this.#echo + said
        this.#begun.add(index)
        return [textChoice(choice, text)]
      })
      return choices.length > 0 || isObject(chunk.usage) ? [textBody(chunk, choices)] : []
    })
  }
}
