import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import {
  callArguments,
  list,
  type Part,
  partText,
  type Refusal,
  readMedia,
  readParts,
  systemTexts,
  text,
} from '../chat-request.ts'
import { thinks } from './models.ts'

/**
 * OpenAI's list of messages as Cohere's, which has the same roles but for `developer`. What tools said are documents, so
 * that it can be cited. https://docs.cohere.com/docs/tool-use-overview
 */
export function toMessages(messages: readonly Json[], model: string, refusal: Refusal): JsonObject[] {
  return new Translation(model, refusal).translate(messages)
}

class Translation {
  readonly #thinks: boolean
  readonly #refusal: Refusal
  /** Ids given to the calls of the form before tools, by function name. */
  readonly #functionCalls = new Map<string, string>()
  #calls = 0

  constructor(model: string, refusal: Refusal) {
    this.#thinks = thinks(model)
    this.#refusal = refusal
  }

  translate(messages: readonly Json[]): JsonObject[] {
    return messages
      .map((message, i) => {
        const param = `messages[${i}]`
        if (isObject(message)) return this.#message(message, param)
        this.#refusal.invalid(param, `${param} must be an object`)
        return null
      })
      .filter(message => message !== null)
  }

  /** null: it says nothing. */
  #message(message: JsonObject, param: string): JsonObject | null {
    switch (message.role) {
      case 'system':
      case 'developer':
        return this.#system(message, `${param}.content`)
      case 'user':
        return this.#user(message, `${param}.content`)
      case 'assistant':
        return this.#assistant(message, param)
      case 'tool':
        return this.#result(message, text(message.tool_call_id), param)
      case 'function':
        return this.#result(message, this.#functionCalls.get(text(message.name)) ?? '', param)
      default:
        this.#refusal.invalid(
          `${param}.role`,
          `${param}.role must be system, developer, user, assistant, tool or function`,
        )
        return null
    }
  }

  #system({ content }: JsonObject, param: string): JsonObject | null {
    const said = systemTexts(content, param, this.#refusal).map(part => partText(part) ?? '')
    if (said.length === 0) return null
    return { role: 'system', content: said.length === 1 ? said[0] : said.map(toText) }
  }

  #user({ content }: JsonObject, param: string): JsonObject | null {
    if (typeof content === 'string') return { role: 'user', content }
    if (content === undefined || content === null) this.#refusal.invalid(param, `${param} is required`)
    return { role: 'user', content: readParts(content, param, this.#refusal).map(part => this.#part(part)) }
  }

  #part(part: Part): JsonObject {
    const said = partText(part)
    if (said !== null) return toText(said)
    const media = readMedia(part, this.#refusal)
    const detail = isObject(part.part.image_url) ? part.part.image_url.detail : undefined
    if (media?.kind === 'bytes' && media.mimeType.startsWith('image/'))
      return toImage(`data:${media.mimeType};base64,${media.base64}`, detail)
    if (media?.kind === 'url' && part.type === 'image_url' && /^https?:/i.test(media.url))
      return toImage(media.url, detail)
    const what = media?.kind === 'bytes' ? `${media.mimeType} content` : `a part of type "${part.type}"`
    this.#refusal.unsupported(part.param, `${part.param}: this model cannot take ${what}`)
    return {}
  }

  #assistant(message: JsonObject, param: string): JsonObject | null {
    const said = this.#said(message, param)
    const calls = list(message.tool_calls, `${param}.tool_calls`, this.#refusal).map((call, i) =>
      this.#call(call, `${param}.tool_calls[${i}]`),
    )
    if (isObject(message.function_call)) calls.push(this.#functionCall(message.function_call))
    const thought = this.#thinks ? text(message.reasoning_content) || text(message.reasoning) : ''
    const out: JsonObject = { role: 'assistant' }
    // Words next to calls are the plan that led to them, where thoughts have no place of their own.
    if (calls.length > 0 && !this.#thinks && said !== '') out.tool_plan = said
    else if (thought !== '')
      out.content = [{ type: 'thinking', thinking: thought }, ...(said === '' ? [] : [toText(said)])]
    else if (said !== '') out.content = said
    if (calls.length > 0) out.tool_calls = calls
    // An empty turn is refused; one that says nothing says nothing.
    return Object.keys(out).length > 1 ? out : null
  }

  #said(message: JsonObject, param: string): string {
    let said = ''
    for (const part of readParts(message.content, `${param}.content`, this.#refusal)) {
      const words = partText(part)
      if (words === null)
        this.#refusal.unsupported(part.param, `${part.param}: this model takes text only from the assistant`)
      said += words ?? ''
    }
    if (said === '' && isObject(message.audio))
      this.#refusal.unsupported(`${param}.audio`, `${param}.audio: this model cannot take up spoken answers`)
    return said || text(message.refusal)
  }

  #call(call: Json, param: string): JsonObject {
    const called = isObject(call) && isObject(call.function) ? call.function : null
    if (!isObject(call) || called === null) {
      this.#refusal.unsupported(param, `${param}: this model knows calls of functions only`)
      return {}
    }
    if (text(call.id) === '') this.#refusal.invalid(`${param}.id`, `${param}.id is required`)
    if (text(called.name) === '') this.#refusal.invalid(`${param}.function.name`, `${param}.function.name is required`)
    return toCall(text(call.id), text(called.name), called.arguments)
  }

  #functionCall(called: JsonObject): JsonObject {
    const name = text(called.name)
    const id = `call_${this.#calls++}_${name}`
    this.#functionCalls.set(name, id)
    return toCall(id, name, called.arguments)
  }

  #result(message: JsonObject, id: string, param: string): JsonObject {
    const field = message.role === 'tool' ? 'tool_call_id' : 'name'
    if (id === '')
      this.#refusal.invalid(`${param}.${field}`, `${param}.${field} must name the call that the message answers`)
    const documents = readParts(message.content, `${param}.content`, this.#refusal).map(part => this.#document(part))
    return { role: 'tool', tool_call_id: id, content: documents.length > 0 ? documents : [toDocument('')] }
  }

  #document(part: Part): JsonObject {
    // What already is one, with the fields that the client wants cited.
    if (part.type === 'document' && isObject(part.part.document))
      return { type: 'document', document: part.part.document }
    const said = partText(part)
    if (said === null) this.#refusal.unsupported(part.param, `${part.param}: this model takes text only from a tool`)
    return toDocument(said ?? '')
  }
}

const toText = (said: string): JsonObject => ({ type: 'text', text: said })

const toDocument = (data: string): JsonObject => ({ type: 'document', document: { data } })

const toImage = (url: string, detail: Json | undefined): JsonObject => ({
  type: 'image_url',
  image_url: { url, ...(typeof detail === 'string' && { detail }) },
})

/** Arguments stay as they were written, if they are an object at all. */
function toCall(id: string, name: string, args: Json | undefined): JsonObject {
  const parsed = callArguments(args)
  const written = typeof args === 'string' && Object.keys(parsed).length > 0 ? args : JSON.stringify(parsed)
  return { id, type: 'function', function: { name, arguments: written } }
}
