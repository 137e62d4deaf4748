import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import {
  callArguments,
  list,
  type Media,
  mimeTypeOf,
  type Part,
  parseJson,
  partText,
  type Refusal,
  readMedia,
  readParts,
  systemTexts,
  text,
} from '../chat-request.ts'
import { generationOf } from './models.ts'

/** OpenAI's list of messages as Gemini's contents: instructions apart, neighbours of one role merged. */
export interface Contents {
  /** null = none. */
  readonly systemInstruction: JsonObject | null
  readonly contents: JsonObject[]
}

interface Turn {
  readonly role: 'user' | 'model'
  readonly parts: JsonObject[]
}

export function toContents(messages: readonly Json[], model: string, hasCallIds: boolean, refusal: Refusal): Contents {
  return new Translation(generationOf(model), hasCallIds, refusal).translate(messages)
}

/**
 * What stands in for the signature of a call that this model did not make, or whose signature the client lost: without
 * one a request is refused. https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
 */
const noSignature = 'skip_thought_signature_validator'
/** From here on calls must come with their signatures, and results of tools may hold media. */
const signing = 300

class Translation {
  readonly #generation: number
  readonly #hasCallIds: boolean
  readonly #refusal: Refusal
  readonly #system: string[] = []
  readonly #turns: Turn[] = []
  /** Functions by the id of their last call. */
  readonly #called = new Map<string, string>()

  constructor(generation: number, hasCallIds: boolean, refusal: Refusal) {
    this.#generation = generation
    this.#hasCallIds = hasCallIds
    this.#refusal = refusal
  }

  translate(messages: readonly Json[]): Contents {
    messages.forEach((message, i) => {
      const param = `messages[${i}]`
      if (isObject(message)) this.#message(message, param)
      else this.#refusal.invalid(param, `${param} must be an object`)
    })
    const instructions = { parts: [{ text: this.#system.join('\n') }] }
    // Instructions alone are still something to answer.
    if (this.#turns.length === 0) return { systemInstruction: null, contents: [{ role: 'user', ...instructions }] }
    return {
      systemInstruction: this.#system.length === 0 ? null : instructions,
      contents: this.#turns.map(({ role, parts }) => ({ role, parts })),
    }
  }

  #message(message: JsonObject, param: string): void {
    const content = `${param}.content`
    switch (message.role) {
      case 'system':
      case 'developer':
        for (const part of systemTexts(message.content, content, this.#refusal)) this.#system.push(partText(part) ?? '')
        return
      case 'user': {
        if (message.content === undefined || message.content === null)
          return this.#refusal.invalid(content, `${content} is required`)
        const parts = readParts(message.content, content, this.#refusal).map(part => this.#part(part))
        return this.#add('user', parts.length === 0 ? [{ text: '' }] : parts)
      }
      case 'assistant':
        return this.#assistant(message, param)
      case 'tool':
      case 'function':
        return this.#result(message, param)
      default:
        this.#refusal.invalid(
          `${param}.role`,
          `${param}.role must be system, developer, user, assistant, tool or function`,
        )
    }
  }

  #assistant(message: JsonObject, param: string): void {
    const parts: JsonObject[] = []
    for (const part of readParts(message.content, `${param}.content`, this.#refusal))
      if (partText(part) !== '') parts.push(this.#part(part))
    if (text(message.refusal) !== '' && parts.length === 0) parts.push({ text: text(message.refusal) })
    const signature = signatureOf(message)
    if (signature !== '') {
      if (parts.length === 0) parts.push({ text: '' })
      parts[parts.length - 1].thoughtSignature = signature
    }
    const calls = list(message.tool_calls, `${param}.tool_calls`, this.#refusal).map((call, i) =>
      this.#call(call, `${param}.tool_calls[${i}]`),
    )
    if (isObject(message.function_call)) calls.push(toCall(message.function_call, ''))
    // Of calls made in parallel only the first is signed.
    if (calls.length > 0 && this.#generation >= signing) calls[0].thoughtSignature ??= noSignature
    if (isObject(message.audio) && parts.length + calls.length === 0)
      this.#refusal.unsupported(`${param}.audio`, `${param}.audio: this model cannot take up spoken answers`)
    parts.push(...calls)
    if (parts.length > 0) this.#add('model', parts)
  }

  #call(call: Json, param: string): JsonObject {
    const called = isObject(call) && isObject(call.function) ? call.function : null
    if (!isObject(call) || called === null) {
      this.#refusal.unsupported(param, `${param}: this model knows calls of functions only`)
      return {}
    }
    const id = text(call.id)
    const name = text(called.name)
    if (name === '') this.#refusal.invalid(`${param}.function.name`, `${param}.function.name is required`)
    this.#called.set(id, name)
    const signature = signatureOf(call) || text(called.thought_signature)
    return { ...toCall(called, this.#hasCallIds ? id : ''), ...(signature !== '' && { thoughtSignature: signature }) }
  }

  #result(message: JsonObject, param: string): void {
    const id = message.role === 'tool' ? text(message.tool_call_id) : ''
    const name = this.#called.get(id) ?? text(message.name)
    if (name === '') {
      const field = message.role === 'tool' ? 'tool_call_id' : 'name'
      this.#refusal.invalid(`${param}.${field}`, `${param}.${field} must name the call that the message answers`)
    }
    const texts: string[] = []
    const media: JsonObject[] = []
    for (const part of readParts(message.content, `${param}.content`, this.#refusal)) {
      const said = partText(part)
      if (said !== null) texts.push(said)
      else if (this.#generation >= signing) media.push(this.#part(part))
      else this.#refusal.unsupported(part.param, `${part.param}: this model takes text only from a tool`)
    }
    const response = toResponse(texts.join(''))
    const answer: JsonObject = { ...(this.#hasCallIds && id !== '' && { id }), name, response }
    if (media.length > 0) answer.parts = media
    this.#add('user', [{ functionResponse: answer }])
  }

  #part(part: Part): JsonObject {
    const said = partText(part)
    if (said !== null) return { text: said }
    // What already is one of Gemini's own parts, which OpenAI has no name for.
    if (part.type === '' && ownParts.some(own => isObject(part.part[own]))) return part.part
    const media = readMedia(part, this.#refusal)
    if (media !== null) return toPart(media)
    this.#refusal.unsupported(part.param, `${part.param}: this model cannot take a part of type "${part.type}"`)
    return {}
  }

  #add(role: Turn['role'], parts: JsonObject[]): void {
    const last = this.#turns.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else this.#turns.push({ role, parts })
  }
}

const ownParts = ['inlineData', 'fileData', 'inline_data', 'file_data']

const toCall = (called: JsonObject, id: string): JsonObject => ({
  functionCall: { ...(id !== '' && { id }), name: text(called.name), args: callArguments(called.arguments) },
})

/** Where Google's own OpenAI-compatible endpoint puts it. */
function signatureOf({ extra_content }: JsonObject): string {
  const google = isObject(extra_content) ? extra_content.google : undefined
  return isObject(google) ? text(google.thought_signature) : ''
}

/** It has to be an object. */
function toResponse(said: string): JsonObject {
  const parsed = parseJson(said)
  return isObject(parsed) ? parsed : { result: parsed ?? said }
}

function toPart(media: Media): JsonObject {
  if (media.kind === 'bytes') return { inlineData: { mimeType: media.mimeType, data: media.base64 } }
  const fileUri = media.kind === 'url' ? media.url : media.id
  const mimeType = mimeTypeOf(media.name) || mimeTypeOf(fileUri)
  return { fileData: { ...(mimeType !== '' && { mimeType }), fileUri } }
}
