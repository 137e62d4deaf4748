import { noUsage, parseUsage, type Usage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json } from '../../src/core/json.ts'
import type {
  ChatCodec,
  ChatRequest,
  Decoded,
  EventDecoder,
  JsonObject,
  StreamEvent,
  TargetContext,
} from '../../src/core/provider.ts'
import { readErrorBody, statusOf } from '../../src/core/upstream-error.ts'
import { refuseUnsupported } from '../unsupported.ts'
import { createdBy, finishReason, inBandFailure, lacks, seconds } from './openai/answer.ts'
import { completions } from './openai/completions.ts'
import { embeddings } from './openai/embeddings.ts'
import { passOn, translated } from './openai/events.ts'
import { failure, name } from './openai/failure.ts'
import { imageEdits, images, imageVariations } from './openai/images.ts'
import { moderations } from './openai/moderations.ts'
import { paramsOf } from './openai/params.ts'
import { rerank } from './openai/rerank.ts'
import { speech } from './openai/speech.ts'
import { transcriptions } from './openai/transcriptions.ts'

/**
 * OpenAI's wire formats, and what the many hosts that speak nearly the same must be brought to. The chat is here, the
 * other surfaces have files of their own.
 * https://platform.openai.com/docs/api-reference/chat
 */
export interface OpenAiChat {
  /** Below the provider's root. */
  readonly path: string | ((target: TargetContext) => string)
  readonly relay: 'verbatim' | 'normalise'
  /** What the host names the completion ceiling. */
  readonly tokenLimit?: 'max_tokens' | 'max_completion_tokens'
  readonly headers?: Readonly<Record<string, string>>
  /** Parameters that the host refuses or ignores: left out, or refused here where the operator wants that. */
  readonly unsupported?: readonly string[]
  /** OpenAI's name → the host's. */
  readonly rename?: Readonly<Record<string, string>>
  /** false: the host refuses `stream_options`, and sends usage unasked. */
  readonly streamOptions?: false
  /** Further changes of this host. Without any change requests go out as they came. */
  readonly prepare?: (request: ChatRequest, target: TargetContext) => JsonObject | Failure
  /** Brings the host's usage object to OpenAI's. */
  readonly usage?: (usage: JsonObject) => JsonObject
  /** What of an answer, or of the last event of a stream, goes to `provider_metadata`; null for nothing. */
  readonly metadata?: (body: JsonObject) => JsonObject | null
  /** Finish reasons that mean the host gave up. */
  readonly brokenOff?: readonly string[]
  /** Error code → the status it means, whatever the status it came with. */
  readonly errorCodes?: Readonly<Record<string, number>>
}

type Reading = Pick<OpenAiChat, 'usage' | 'metadata' | 'brokenOff'>

export const openai = {
  chat(options: OpenAiChat): ChatCodec {
    const { path, relay, tokenLimit, headers, unsupported = [], rename = {}, streamOptions, prepare } = options
    const hasParams = unsupported.length > 0 || Object.keys(rename).length > 0
    const isChanged = hasParams || prepare !== undefined || streamOptions === false
    return {
      relay,
      framing: 'sse',
      tokenLimit,
      headers,
      ...(hasParams && { params: paramsOf(unsupported, rename) }),
      path: typeof path === 'string' ? () => path : path,
      encode: isChanged ? (request, target) => encode(request, target, options) : null,
      decode: (body, target) => decode(body, target, options),
      events: target => new ChunkNormaliser(target, options),
      failure: (status, body) => failure(status, body, options.errorCodes),
    }
  },
  completions,
  embeddings,
  images,
  imageEdits,
  imageVariations,
  moderations,
  rerank,
  speech,
  transcriptions,
  /** The same request and answers, less `language`. */
  translations: transcriptions,
  /** For hosts whose typed events are OpenAI's, and those that name them otherwise. */
  typedEvents: passOn,
  translatedEvents: translated,
}

function encode(
  request: ChatRequest,
  target: TargetContext,
  { tokenLimit, unsupported = [], rename = {}, streamOptions, prepare }: OpenAiChat,
): JsonObject | Failure {
  const { model, stream } = target
  if (target.onUnsupportedParam === 'reject') {
    const refused = refuseUnsupported(request, unsupported)
    if (refused !== null) return refused
  }
  const body: ChatRequest = { ...request, model }
  if (tokenLimit !== undefined) {
    const limit = request.max_completion_tokens ?? request.max_tokens
    delete body.max_tokens
    delete body.max_completion_tokens
    if (limit !== undefined) body[tokenLimit] = limit
  }
  for (const [param, renamed] of Object.entries(rename)) {
    if (body[param] === undefined) continue
    body[renamed] = body[param]
    delete body[param]
  }
  const prepared = prepare === undefined ? body : prepare(body, target)
  if (prepared instanceof Failure) return prepared
  for (const param of unsupported) delete prepared[param]
  if (streamOptions === false) delete prepared.stream_options
  else if (stream)
    prepared.stream_options = {
      ...(isObject(prepared.stream_options) ? prepared.stream_options : {}),
      include_usage: true,
    }
  return prepared
}

const nameFor = ({ requestId }: TargetContext): string => `chatcmpl-${requestId || 'unnamed'}`

/** The usage object of a body, also where Groq puts it. */
function usageObject(body: JsonObject, { usage }: Reading): JsonObject | null {
  const found = isObject(body.usage) ? body.usage : isObject(body.x_groq) ? body.x_groq.usage : undefined
  if (!isObject(found)) return null
  return usage === undefined ? found : usage(found)
}

/** For hosts that count cached prompt tokens in a field of their own, at the top of `usage`. */
export const cachedTokensAt =
  (field: string) =>
  (usage: JsonObject): JsonObject => {
    const { [field]: cached, prompt_tokens_details: known } = usage
    if (typeof cached !== 'number' || isObject(known)) return usage
    return { ...usage, prompt_tokens_details: { cached_tokens: cached } }
  }

function readUsage(usage: JsonObject): Usage {
  const read = parseUsage(usage)
  const hits = usage.prompt_cache_hit_tokens // DeepSeek
  return read.cacheRead === 0 && typeof hits === 'number' && hits > 0 ? { ...read, cacheRead: Math.floor(hits) } : read
}

/**
 * OpenAI's three counts are required; hosts leave out a sum, or what is 0.
 * https://platform.openai.com/docs/api-reference/chat/object
 */
function withAllCounts(usage: JsonObject, { completion, total }: Usage): JsonObject {
  const { prompt_tokens, completion_tokens, total_tokens } = usage
  const isWhole =
    typeof prompt_tokens === 'number' && typeof completion_tokens === 'number' && typeof total_tokens === 'number'
  if (isWhole || total === 0) return usage
  return {
    ...usage,
    prompt_tokens: prompt_tokens ?? Math.max(0, total - completion),
    completion_tokens: completion_tokens ?? completion,
    total_tokens: total_tokens ?? total,
  }
}

function brokenOffFailure(
  kind: 'upstream_error' | 'stream_error',
  choices: readonly JsonObject[],
  { brokenOff }: Reading,
): Failure | null {
  if (brokenOff === undefined) return null
  const broken = choices.find(choice => brokenOff.includes(name(choice.finish_reason).toLowerCase()))
  return broken === undefined
    ? null
    : new Failure(kind, { cause: `the answer broke off: ${name(broken.finish_reason).slice(0, 128)}` })
}

function addMetadata(out: JsonObject, body: JsonObject, { metadata }: Reading): void {
  const found = metadata?.(body) ?? null
  if (found !== null)
    out.provider_metadata = { ...(isObject(body.provider_metadata) && body.provider_metadata), ...found }
}

function decode(
  body: JsonObject,
  target: TargetContext,
  reading: Reading,
): { body: JsonObject; usage: Usage } | Failure {
  const error = inBandFailure('upstream_error', body)
  if (error !== null) return error
  if (!Array.isArray(body.choices)) return lacks(body, 'choices')
  const choices = body.choices.filter(isObject)
  const broken = brokenOffFailure('upstream_error', choices, reading)
  if (broken !== null) return broken
  const usage = usageObject(body, reading)
  const out: JsonObject = {
    ...body,
    id: name(body.id) || nameFor(target),
    object: 'chat.completion',
    created: seconds(body.created) || createdBy(target),
    model: name(body.model) || target.model,
    choices: choices.map(answerChoice),
  }
  addMetadata(out, body, reading)
  if (usage === null) return { body: out, usage: noUsage }
  const used = readUsage(usage)
  out.usage = withAllCounts(usage, used)
  return { body: out, usage: used }
}

function answerChoice(choice: JsonObject, place: number): JsonObject {
  const message: JsonObject = isObject(choice.message) ? { ...choice.message } : {}
  if (typeof message.role !== 'string' || message.role === '') message.role = 'assistant'
  message.content ??= null
  message.refusal ??= null
  flattenParts(message)
  nameReasoning(message)
  if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0)
    message.tool_calls = message.tool_calls.filter(isObject).map(completeCall)
  else delete message.tool_calls
  const implied = message.tool_calls === undefined ? 'stop' : 'tool_calls'
  return {
    ...choice,
    index: typeof choice.index === 'number' ? choice.index : place,
    message,
    logprobs: choice.logprobs ?? null,
    finish_reason: finishReason(choice.finish_reason) ?? implied,
  }
}

function completeCall(call: JsonObject, place: number): JsonObject {
  // `custom` calls and whatever comes after them are not ours to complete.
  if (!isObject(call.function)) return call
  const { function: called } = call
  return {
    ...call,
    id: name(call.id) || `call_${place}`,
    type: typeof call.type === 'string' && call.type !== '' ? call.type : 'function',
    function: { ...called, arguments: argumentsText(called.arguments) || '{}' },
  }
}

const argumentsText = (value: Json | undefined): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)

/** `reasoning` is what some hosts call `reasoning_content`; clients find it under both names. */
function nameReasoning(message: JsonObject): void {
  if (message.reasoning_content === undefined && typeof message.reasoning === 'string' && message.reasoning !== '')
    message.reasoning_content = message.reasoning
}

/**
 * Reasoning models of some hosts answer in parts. Text becomes the content, thoughts become `reasoning_content`, and
 * what is neither stays readable as `content_parts`.
 * https://docs.mistral.ai/capabilities/reasoning, https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models
 */
function flattenParts(message: JsonObject): void {
  if (!Array.isArray(message.content)) return
  let content = ''
  let thoughts = ''
  const others: Json[] = []
  for (const part of message.content) {
    if (typeof part === 'string') content += part
    else if (!isObject(part)) continue
    else if (part.type === 'text') content += textOf(part.text)
    else if (part.type === 'thinking') thoughts += textOf(part.thinking)
    else if (part.type === 'reasoning') thoughts += textOf(part.summary ?? part.text)
    else others.push(part)
  }
  message.content = content === '' ? null : content
  if (thoughts !== '') message.reasoning_content ??= thoughts
  if (others.length > 0) message.content_parts = others
}

/** A text, or parts that have one. */
const textOf = (value: Json | undefined): string =>
  typeof value === 'string'
    ? value
    : Array.isArray(value)
      ? value.map(part => (isObject(part) && typeof part.text === 'string' ? part.text : '')).join('')
      : ''

interface ChoiceState {
  /** By the upstream's index, in the order of their appearance: the place is the client's index. */
  readonly calls: { readonly upstream: Json | undefined; readonly id: string; readonly name: string }[]
}

/** Brings each event of a stream to the contract. One per stream. */
class ChunkNormaliser implements EventDecoder {
  readonly #target: TargetContext
  readonly #reading: Reading
  #id = ''
  #created = 0
  #model = ''
  /** By choice index; a choice is here once its role went out. */
  readonly #choices = new Map<number, ChoiceState>()
  /** Events before the first that has an id: Azure sends its prompt filter's results nameless. */
  #nameless: JsonObject[] = []

  constructor(target: TargetContext, reading: Reading) {
    this.#target = target
    this.#reading = reading
  }

  decode({ event, data }: StreamEvent): Decoded {
    const text = data.trim()
    if (text === '') return { kind: 'chunks', chunks: [] }
    if (text === '[DONE]') return { kind: 'done' }
    const chunk = parse(text)
    if (!isObject(chunk)) return broken('an event of the stream is not a JSON object', chunk)
    const failure = inBandFailure(
      'stream_error',
      event === 'error' && chunk.error === undefined ? { error: chunk } : chunk,
    )
    if (failure !== null) return { kind: 'failure', failure }
    const usage = usageObject(chunk, this.#reading)
    const choices = Array.isArray(chunk.choices) ? chunk.choices.filter(isObject) : []
    const gaveUp = brokenOffFailure('stream_error', choices, this.#reading)
    if (gaveUp !== null) return { kind: 'failure', failure: gaveUp }
    const out: JsonObject = {
      ...chunk,
      object: 'chat.completion.chunk',
      choices: choices.map((choice, place) => this.#choice(choice, place)),
    }
    const used = usage === null ? null : readUsage(usage)
    if (usage !== null && used !== null) out.usage = withAllCounts(usage, used)
    if (choices.some(choice => finishReason(choice.finish_reason) !== null)) addMetadata(out, chunk, this.#reading)
    if (
      this.#id === '' &&
      name(chunk.id) === '' &&
      choices.length === 0 &&
      usage === null &&
      this.#nameless.length < 8
    ) {
      this.#nameless.push(out)
      return { kind: 'chunks', chunks: [] }
    }
    const chunks = [...this.#nameless, out]
    this.#nameless = []
    for (const each of chunks) this.#stamp(each, chunk)
    return used === null ? { kind: 'chunks', chunks } : { kind: 'chunks', chunks, usage: used }
  }

  /** All chunks of a stream share id, time and model: those of the first. */
  #stamp(out: JsonObject, from: JsonObject): void {
    this.#id ||= name(from.id) || nameFor(this.#target)
    this.#created ||= seconds(from.created) || createdBy(this.#target)
    this.#model ||= name(from.model) || this.#target.model
    out.id = this.#id
    out.created = this.#created
    out.model = this.#model
  }

  #choice(choice: JsonObject, place: number): JsonObject {
    const index = typeof choice.index === 'number' ? choice.index : place
    const { message, ...rest } = choice
    // A whole message in place of a delta is one; next to a delta it repeats what was sent.
    const source = isObject(choice.delta) ? choice.delta : message
    const delta: JsonObject = isObject(source) ? { ...source } : {}
    let state = this.#choices.get(index)
    if (state === undefined) {
      state = { calls: [] }
      this.#choices.set(index, state)
      if (typeof delta.role !== 'string' || delta.role === '') delta.role = 'assistant'
    } else delete delta.role
    flattenParts(delta)
    nameReasoning(delta)
    if (Array.isArray(delta.tool_calls) && delta.tool_calls.length > 0)
      delta.tool_calls = delta.tool_calls.filter(isObject).map(call => this.#call(call, index, state.calls))
    else delete delta.tool_calls
    return { ...rest, index, delta, finish_reason: finishReason(choice.finish_reason) }
  }

  #call(call: JsonObject, choice: number, calls: ChoiceState['calls']): JsonObject {
    const called: JsonObject = isObject(call.function) ? { ...call.function } : {}
    const id = name(call.id)
    const title = name(called.name)
    let index = calls.findLastIndex(known =>
      call.index === undefined ? id === '' || known.id === id : known.upstream === call.index,
    )
    // Some hosts send every call under index 0: a new id with a name begins a new one.
    if (index >= 0 && id !== '' && title !== '' && calls[index].id !== id)
      index = calls.findLastIndex(known => known.id === id)
    if (index < 0) {
      index = calls.length
      // Without an id of its own a call gets one that no other call of this answer has.
      const own = id || `call_${choice}_${index}`
      calls.push({ upstream: call.index, id: own, name: title })
      if (!isObject(call.function) && typeof call.type === 'string' && call.type !== 'function')
        return { ...call, index, id: own }
      return {
        ...call,
        index,
        id: own,
        type: 'function',
        function: { ...called, name: title, arguments: argumentsText(called.arguments) },
      }
    }
    // What accumulating clients would append a second time is left out.
    const { id: _id, type: _type, function: _function, ...rest } = call
    if (!isObject(call.function)) return { ...rest, index }
    if (called.name === null || title === '' || title === calls[index].name) delete called.name
    return { ...rest, index, function: { ...called, arguments: argumentsText(called.arguments) } }
  }
}

const parse = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function broken(cause: string, body: Json | undefined): Decoded {
  // Gemini's shim wraps its error in an array.
  const error = Array.isArray(body) ? readErrorBody(body) : null
  const details = error === null ? { cause } : { cause: error.message, upstreamStatus: statusOf(error.code) }
  return { kind: 'failure', failure: new Failure('stream_error', details) }
}
