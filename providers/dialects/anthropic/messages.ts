import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import {
  callArguments,
  list,
  type Media,
  type Part,
  partText,
  type Refusal,
  readMedia,
  readParts,
  systemTexts,
  text,
} from '../chat-request.ts'

/**
 * OpenAI's list of messages as Anthropic's: instructions apart, turns of user and assistant in alternation, results of
 * tools at the beginning of the user's turn that follows their calls.
 */
export interface Conversation {
  /** '' = none. Blocks when one of them marks a point to cache. */
  readonly system: string | JsonObject[]
  readonly messages: JsonObject[]
  /** Tools that were called. */
  readonly called: ReadonlySet<string>
  /** The last word is a tool's, and the call it answers came without the thoughts that led to it. */
  readonly resumesWithoutThoughts: boolean
}

interface Turn {
  readonly role: 'user' | 'assistant'
  /** A lone text stays a text. */
  content: string | JsonObject[]
}

export function toConversation(messages: readonly Json[], refusal: Refusal): Conversation {
  return new Translation(refusal).translate(messages)
}

class Translation {
  readonly #refusal: Refusal
  readonly #system: JsonObject[] = []
  readonly #turns: Turn[] = []
  /** Ids given to the calls of the form before tools, by function name. */
  readonly #functionCalls = new Map<string, string>()
  #calls = 0
  readonly #called = new Set<string>()

  constructor(refusal: Refusal) {
    this.#refusal = refusal
  }

  translate(messages: readonly Json[]): Conversation {
    messages.forEach((message, i) => {
      const param = `messages[${i}]`
      if (isObject(message)) this.#message(message, param)
      else this.#refusal.invalid(param, `${param} must be an object`)
    })
    // Instructions alone are still something to answer.
    if (this.#turns.length === 0 && this.#system.length > 0)
      this.#turns.push({ role: 'user', content: this.#system.splice(0) })
    this.#trimEnd()
    return {
      system: systemOf(this.#system),
      messages: this.#turns.map(({ role, content }) => ({ role, content })),
      called: this.#called,
      resumesWithoutThoughts: resumesWithoutThoughts(this.#turns),
    }
  }

  #message(message: JsonObject, param: string): void {
    const content = `${param}.content`
    switch (message.role) {
      case 'system':
      case 'developer':
        for (const part of systemTexts(message.content, content, this.#refusal))
          this.#system.push(marked({ type: 'text', text: partText(part) ?? '' }, part.part))
        if (this.#system.length > 0) mark(this.#system[this.#system.length - 1], message)
        return
      case 'user':
        return this.#user(message, content)
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
    }
  }

  #user(message: JsonObject, param: string): void {
    if (message.content === undefined || message.content === null)
      return this.#refusal.invalid(param, `${param} is required`)
    if (typeof message.content === 'string' && !isObject(message.cache_control))
      return this.#add('user', message.content)
    const blocks = this.#blocks(readParts(message.content, param, this.#refusal))
    if (blocks.length > 0) mark(blocks[blocks.length - 1], message)
    this.#add('user', blocks)
  }

  #assistant(message: JsonObject, param: string): void {
    const blocks = thoughts(message)
    for (const part of readParts(message.content, `${param}.content`, this.#refusal)) {
      const said = partText(part)
      if (said === null)
        this.#refusal.unsupported(part.param, `${part.param}: this model takes text only from the assistant`)
      else if (said !== '') blocks.push(marked({ type: 'text', text: said }, part.part))
    }
    if (text(message.refusal) !== '' && !blocks.some(({ type }) => type === 'text'))
      blocks.push({ type: 'text', text: text(message.refusal) })
    if (isObject(message.audio) && !blocks.some(({ type }) => type === 'text'))
      this.#refusal.unsupported(`${param}.audio`, `${param}.audio: this model cannot take up spoken answers`)
    list(message.tool_calls, `${param}.tool_calls`, this.#refusal).forEach((call, i) => {
      blocks.push(this.#call(call, `${param}.tool_calls[${i}]`))
    })
    if (isObject(message.function_call)) blocks.push(this.#functionCall(message.function_call))
    if (blocks.length > 0) mark(blocks[blocks.length - 1], message)
    // The API refuses empty turns; one that says nothing says nothing.
    if (blocks.length === 0) return
    const [first] = blocks
    const isPlain = blocks.length === 1 && first.type === 'text' && Object.keys(first).length === 2
    this.#add('assistant', isPlain ? text(first.text) : blocks)
  }

  #call(call: Json, param: string): JsonObject {
    const called = isObject(call) && isObject(call.function) ? call.function : null
    if (!isObject(call) || called === null) {
      this.#refusal.unsupported(param, `${param}: this model knows calls of functions only`)
      return {}
    }
    if (text(call.id) === '') this.#refusal.invalid(`${param}.id`, `${param}.id is required`)
    if (text(called.name) === '') this.#refusal.invalid(`${param}.function.name`, `${param}.function.name is required`)
    this.#called.add(text(called.name))
    const input = callArguments(called.arguments)
    return marked({ type: 'tool_use', id: toolId(text(call.id)), name: text(called.name), input }, call)
  }

  #functionCall(called: JsonObject): JsonObject {
    const name = text(called.name)
    const id = toolId(`call_${this.#calls++}_${name}`)
    this.#functionCalls.set(name, id)
    this.#called.add(name)
    return { type: 'tool_use', id, name, input: callArguments(called.arguments) }
  }

  #result(message: JsonObject, id: string, param: string): void {
    const field = message.role === 'tool' ? 'tool_call_id' : 'name'
    if (id === '')
      this.#refusal.invalid(`${param}.${field}`, `${param}.${field} must name the call that the message answers`)
    const block: JsonObject = { type: 'tool_result', tool_use_id: toolId(id) }
    const content = this.#resultContent(message.content, `${param}.content`)
    if (content.length > 0) block.content = content
    if (message.is_error === true) block.is_error = true
    this.#add('user', [marked(block, message)])
    const turn = this.#turns[this.#turns.length - 1]
    // Results come before whatever else the turn says.
    if (typeof turn.content !== 'string')
      turn.content = [...turn.content.filter(isResult), ...turn.content.filter(other => !isResult(other))]
  }

  #resultContent(content: Json | undefined, param: string): string | JsonObject[] {
    return typeof content === 'string' ? content : this.#blocks(readParts(content, param, this.#refusal))
  }

  #blocks(parts: readonly Part[]): JsonObject[] {
    const blocks: JsonObject[] = []
    for (const part of parts) {
      const said = partText(part)
      // Empty text blocks are refused.
      if (said === '') continue
      const block = said === null ? this.#media(part) : { type: 'text', text: said }
      if (block !== null) blocks.push(marked(block, part.part))
    }
    return blocks
  }

  #media(part: Part): JsonObject | null {
    // What already is one of Anthropic's own blocks, which OpenAI has no name for.
    if (ownBlocks.has(part.type)) return part.part
    const media = readMedia(part, this.#refusal)
    const block = media && toBlock(part.type, media)
    if (block === null) {
      const what = media?.kind === 'bytes' ? `${media.mimeType} content` : `a part of type "${part.type}"`
      this.#refusal.unsupported(part.param, `${part.param}: this model cannot take ${what}`)
    }
    return block
  }

  #add(role: Turn['role'], content: string | JsonObject[]): void {
    const last = this.#turns.at(-1)
    if (last?.role !== role) this.#turns.push({ role, content })
    else last.content = [...asBlocks(last.content), ...asBlocks(content)]
  }

  /** An answer begun for the model to go on with must not end in white space. */
  #trimEnd(): void {
    const last = this.#turns.at(-1)
    if (last?.role !== 'assistant') return
    if (typeof last.content === 'string') last.content = last.content.trimEnd()
    else {
      const block = last.content.at(-1)
      if (block?.type === 'text') block.text = text(block.text).trimEnd()
    }
  }
}

const isResult = ({ type }: JsonObject): boolean => type === 'tool_result'

const ownBlocks: ReadonlySet<string> = new Set(['image', 'document', 'search_result', 'container_upload'])

const asBlocks = (content: string | JsonObject[]): JsonObject[] =>
  typeof content !== 'string' ? content : content === '' ? [] : [{ type: 'text', text: content }]

const marked = (block: JsonObject, { cache_control }: JsonObject): JsonObject =>
  isObject(cache_control) && block.cache_control === undefined ? { ...block, cache_control } : block

function mark(block: JsonObject, { cache_control }: JsonObject): void {
  if (isObject(cache_control)) block.cache_control ??= cache_control
}

function systemOf(blocks: JsonObject[]): string | JsonObject[] {
  if (blocks.some(({ cache_control }) => cache_control !== undefined)) return blocks
  return blocks.map(block => text(block.text)).join('\n')
}

/** Kept as they came: the API checks the signature of each against its text. */
function thoughts({ thinking_blocks }: JsonObject): JsonObject[] {
  if (!Array.isArray(thinking_blocks)) return []
  return thinking_blocks.filter(isObject).flatMap((block): JsonObject[] => {
    if (block.type === 'redacted_thinking' && text(block.data) !== '')
      return [{ type: 'redacted_thinking', data: text(block.data) }]
    const signature = text(block.signature)
    return signature === '' ? [] : [{ type: 'thinking', thinking: text(block.thinking), signature }]
  })
}

/** Ids of other vendors may hold what is refused here; the same id always becomes the same. */
const toolId = (id: string): string =>
  /^[\w-]*$/.test(id) ? id : id.replace(/[^\w-]/g, found => `_${found.charCodeAt(0).toString(16)}`)

const imageTypes: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp'])

/** null: not a kind of content the API has a place for. */
function toBlock(type: string, media: Media): JsonObject | null {
  const title = media.name === '' ? {} : { title: media.name }
  if (media.kind === 'id') return { type: 'document', source: { type: 'file', file_id: media.id }, ...title }
  if (media.kind === 'url') {
    if (/^gs:/i.test(media.url)) return null
    if (type === 'image_url') return { type: 'image', source: { type: 'url', url: media.url } }
    return type === 'file' ? { type: 'document', source: { type: 'url', url: media.url }, ...title } : null
  }
  const { mimeType, base64 } = media
  if (mimeType === 'image/jpg') return toBlock(type, { ...media, mimeType: 'image/jpeg' })
  if (imageTypes.has(mimeType)) return { type: 'image', source: { type: 'base64', media_type: mimeType, data: base64 } }
  if (mimeType === 'application/pdf')
    return { type: 'document', source: { type: 'base64', media_type: mimeType, data: base64 }, ...title }
  if (mimeType.startsWith('text/') || mimeType === 'application/json') {
    const data = Buffer.from(base64, 'base64').toString('utf8')
    return { type: 'document', source: { type: 'text', media_type: 'text/plain', data }, ...title }
  }
  return null
}

function resumesWithoutThoughts(turns: readonly Turn[]): boolean {
  const [before, last] = turns.slice(-2)
  if (last === undefined || !hasBlock(last, 'tool_result')) return false
  return hasBlock(before, 'tool_use') && !hasBlock(before, 'thinking') && !hasBlock(before, 'redacted_thinking')
}

const hasBlock = ({ content }: Turn, type: string): boolean =>
  typeof content !== 'string' && content.some(block => block.type === type)
