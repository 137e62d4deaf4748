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
import { Media } from './media.ts'
import type { Family } from './models.ts'
import { ToolIds } from './tool-ids.ts'

/**
 * OpenAI's list of messages as Converse's: instructions apart; turns that alternate and begin with the user's; results
 * of tools at the beginning of the user's turn that follows their calls; no blank text, which is refused.
 */
export interface Conversation {
  readonly system: JsonObject[]
  readonly messages: JsonObject[]
  /** Tools that were called. */
  readonly called: ReadonlySet<string>
  /** The last word is a tool's, and the call it answers came without the thoughts that led to it. */
  readonly resumesWithoutThoughts: boolean
}

interface Turn {
  readonly role: 'user' | 'assistant'
  readonly results: JsonObject[]
  content: JsonObject[]
}

/** Before an assistant that speaks first, as greetings do. */
const opening: JsonObject = { text: '(The assistant begins.)' }
/** In place of a tool's result that says nothing. */
const noOutput: JsonObject = { text: '(no output)' }

export function toConversation(messages: readonly Json[], family: Family, refusal: Refusal): Conversation {
  return new Translation(family, refusal).translate(messages)
}

class Translation {
  readonly #family: Family
  readonly #refusal: Refusal
  readonly #media: Media
  readonly #ids = new ToolIds()
  readonly #system: JsonObject[] = []
  readonly #turns: Turn[] = []
  readonly #called = new Set<string>()
  /** What each call was answered, by its id on the wire. */
  readonly #answers = new Map<string, JsonObject[]>()

  constructor(family: Family, refusal: Refusal) {
    this.#family = family
    this.#refusal = refusal
    this.#media = new Media(refusal)
  }

  translate(messages: readonly Json[]): Conversation {
    messages.forEach((message, i) => {
      const param = `messages[${i}]`
      if (isObject(message)) this.#message(message, param)
      else this.#refusal.invalid(param, `${param} must be an object`)
    })
    // Instructions alone are still something to answer.
    if (!this.#family.system || this.#turns.length === 0) this.#instructUser()
    if (this.#turns.length === 0) this.#refusal.invalid('messages', 'messages must have something to answer')
    if (this.#turns[0]?.role === 'assistant') this.#turns.unshift({ role: 'user', results: [], content: [opening] })
    this.#trimEnd()
    return {
      system: this.#system,
      messages: this.#turns.map(({ role, results, content }) => ({ role, content: [...results, ...content] })),
      called: this.#called,
      resumesWithoutThoughts: resumesWithoutThoughts(this.#turns),
    }
  }

  #instructUser(): void {
    if (this.#system.length === 0) return
    if (this.#turns[0]?.role !== 'user') this.#turns.unshift({ role: 'user', results: [], content: [] })
    this.#turns[0].content = [...this.#system.splice(0), ...this.#turns[0].content]
  }

  #message(message: JsonObject, param: string): void {
    const content = `${param}.content`
    switch (message.role) {
      case 'system':
      case 'developer': {
        const blocks = systemTexts(message.content, content, this.#refusal).flatMap(part =>
          this.#marked(this.#text(partText(part) ?? ''), part.part),
        )
        append(this.#system, this.#marked(blocks, message))
        return
      }
      case 'user':
        if (message.content === undefined || message.content === null)
          return this.#refusal.invalid(content, `${content} is required`)
        return this.#add(
          'user',
          this.#marked(this.#blocks(readParts(message.content, content, this.#refusal)), message),
        )
      case 'assistant':
        return this.#assistant(message, param)
      case 'tool':
        return this.#result(message, text(message.tool_call_id), param)
      case 'function':
        return this.#result(message, functionId(text(message.name)), param)
      default:
        this.#refusal.invalid(
          `${param}.role`,
          `${param}.role must be system, developer, user, assistant, tool or function`,
        )
    }
  }

  #assistant(message: JsonObject, param: string): void {
    const blocks: JsonObject[] = []
    for (const part of readParts(message.content, `${param}.content`, this.#refusal)) {
      const said = partText(part)
      if (said === null)
        this.#refusal.unsupported(part.param, `${part.param}: this model takes text only from the assistant`)
      else blocks.push(...this.#marked(this.#text(said), part.part))
    }
    const isSilent = blocks.length === 0
    if (isSilent) blocks.push(...this.#text(text(message.refusal)))
    if (isSilent && blocks.length === 0 && isObject(message.audio))
      this.#refusal.unsupported(`${param}.audio`, `${param}.audio: this model cannot take up spoken answers`)
    list(message.tool_calls, `${param}.tool_calls`, this.#refusal).forEach((call, i) => {
      blocks.push(...this.#call(call, `${param}.tool_calls[${i}]`))
    })
    if (isObject(message.function_call)) {
      const name = text(message.function_call.name)
      blocks.push(this.#toolUse(functionId(name), name, message.function_call.arguments))
    }
    // Thoughts are nothing without what they led to.
    const before = blocks.length > 0 && this.#family.signs ? thoughts(message) : []
    this.#add('assistant', this.#marked([...before, ...blocks], message))
  }

  #call(call: Json, param: string): JsonObject[] {
    const called = isObject(call) && isObject(call.function) ? call.function : null
    if (!isObject(call) || called === null) {
      this.#refusal.unsupported(param, `${param}: this model knows calls of functions only`)
      return []
    }
    if (text(call.id) === '') this.#refusal.invalid(`${param}.id`, `${param}.id is required`)
    if (text(called.name) === '') this.#refusal.invalid(`${param}.function.name`, `${param}.function.name is required`)
    return this.#marked([this.#toolUse(text(call.id), text(called.name), called.arguments)], call)
  }

  #toolUse(id: string, name: string, args: Json | undefined): JsonObject {
    this.#called.add(name)
    return { toolUse: { toolUseId: this.#ids.call(id), name, input: callArguments(args) } }
  }

  #result(message: JsonObject, id: string, param: string): void {
    const content = this.#blocks(readParts(message.content, `${param}.content`, this.#refusal))
    const answered = this.#ids.answer(id)
    if (answered === null) {
      const field = message.role === 'tool' ? 'tool_call_id' : 'name'
      return this.#refusal.invalid(`${param}.${field}`, `${param}.${field} must name the call that the message answers`)
    }
    const before = this.#answers.get(answered)
    // A second answer to the same call: one result is all there may be.
    if (before !== undefined) return append(before, content)
    if (content.length === 0) content.push(noOutput)
    this.#answers.set(answered, content)
    const toolResult: JsonObject = { toolUseId: answered, content }
    if (message.is_error === true && this.#family.status) toolResult.status = 'error'
    append(this.#turn('user').results, this.#marked([{ toolResult }], message))
  }

  #blocks(parts: readonly Part[]): JsonObject[] {
    return parts.flatMap(part => {
      const said = partText(part)
      return this.#marked(
        said === null ? this.#media.blocks(part, readMedia(part, this.#refusal)) : this.#text(said),
        part.part,
      )
    })
  }

  #text(said: string): JsonObject[] {
    return said.trim() === '' ? [] : [{ text: said }]
  }

  /** A mark on what was said last becomes a block of its own after it. */
  #marked(blocks: JsonObject[], { cache_control }: JsonObject): JsonObject[] {
    if (blocks.length === 0 || this.#family.caches === 'nowhere' || blocks.at(-1)?.cachePoint !== undefined)
      return blocks
    const cachePoint = toCachePoint(cache_control, this.#family)
    return cachePoint === null ? blocks : [...blocks, cachePoint]
  }

  #turn(role: Turn['role']): Turn {
    const last = this.#turns.at(-1)
    if (last?.role === role) return last
    const turn: Turn = { role, results: [], content: [] }
    this.#turns.push(turn)
    return turn
  }

  /** A turn that says nothing is none. */
  #add(role: Turn['role'], blocks: readonly JsonObject[]): void {
    if (blocks.length > 0) append(this.#turn(role).content, blocks)
  }

  /** An answer begun for the model to go on with must not end in white space. */
  #trimEnd(): void {
    const last = this.#turns.at(-1)
    const block = last?.content.at(-1)
    if (last?.role === 'assistant' && typeof block?.text === 'string')
      last.content[last.content.length - 1] = { text: block.text.trimEnd() }
  }
}

/** Lists from clients may be longer than a call may have arguments. */
function append(list: JsonObject[], items: readonly JsonObject[]): void {
  for (const item of items) list.push(item)
}

export function toCachePoint(cacheControl: Json | undefined, { caches }: Family): JsonObject | null {
  if (!isObject(cacheControl)) return null
  const { ttl } = cacheControl
  // Only Claude keeps anything for an hour.
  return { cachePoint: { type: 'default', ...(caches === 'anywhere' && ttl === '1h' && { ttl }) } }
}

/** Calls of the form before tools have no ids; a function answers by its name. */
const functionId = (name: string): string => (name === '' ? '' : `function ${name}`)

/** Kept as they came: the signature of each is checked against its text. */
function thoughts({ thinking_blocks }: JsonObject): JsonObject[] {
  if (!Array.isArray(thinking_blocks)) return []
  return thinking_blocks.filter(isObject).flatMap((block): JsonObject[] => {
    if (block.type === 'redacted_thinking' && text(block.data) !== '')
      return [{ reasoningContent: { redactedContent: text(block.data) } }]
    const signature = text(block.signature)
    return signature === '' ? [] : [{ reasoningContent: { reasoningText: { text: text(block.thinking), signature } } }]
  })
}

function resumesWithoutThoughts(turns: readonly Turn[]): boolean {
  const [before, last] = turns.slice(-2)
  if (last === undefined || last.results.length === 0) return false
  return !before.content.some(({ reasoningContent }) => reasoningContent !== undefined)
}
