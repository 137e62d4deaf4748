import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import type { TargetContext } from '../../src/core/provider.ts'

/**
 * What every translation of a chat request into a native wire format has in common: reading OpenAI's content parts,
 * and refusing what the other side can't carry. Content is never left out in silence: a model that answers about an
 * image it did not get is worse than a 400.
 */

/** The first thing that is wrong with a request; translation goes on, its result is then thrown away. */
export class Refusal {
  failure: Failure | null = null

  /** The request contradicts itself or OpenAI's reference. */
  invalid(param: string, message: string): void {
    this.failure ??= new Failure('invalid_request', { message, param })
  }

  /** A good request, for somebody else. */
  unsupported(param: string, message: string): void {
    this.failure ??= new Failure('unsupported_parameter', { message, param })
  }
}

export interface Part {
  readonly part: JsonObject
  readonly type: string
  /** Where it stands in the request, as error envelopes name it. */
  readonly param: string
}

/** Content as a list of parts; a text is one part, null is none. */
export function readParts(content: Json | undefined, param: string, refusal: Refusal): Part[] {
  if (content === undefined || content === null) return []
  if (typeof content === 'string') return [{ part: { type: 'text', text: content }, type: 'text', param }]
  if (!Array.isArray(content)) {
    refusal.invalid(param, `${param} must be a string or an array of content parts`)
    return []
  }
  const parts: Part[] = []
  content.forEach((part, i) => {
    const here = `${param}[${i}]`
    if (typeof part === 'string') parts.push({ part: { type: 'text', text: part }, type: 'text', param: here })
    else if (isObject(part)) parts.push({ part, type: text(part.type), param: here })
    else refusal.invalid(here, `${here} must be an object`)
  })
  return parts
}

export const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/** The text of a `text` or `refusal` part, null for any other kind. */
export function partText({ part, type }: Part): string | null {
  if (type === 'text' || type === 'input_text' || type === 'output_text') return text(part.text)
  return type === 'refusal' ? text(part.refusal) : null
}

/** What an `image_url`, `video_url`, `input_audio` or `file` part points at. */
export type Media =
  | { readonly kind: 'bytes'; readonly mimeType: string; readonly base64: string; readonly name: string }
  | { readonly kind: 'url'; readonly url: string; readonly name: string }
  | { readonly kind: 'id'; readonly id: string; readonly name: string }

/** null: the part is no media part, or was refused. */
export function readMedia({ part, type, param }: Part, refusal: Refusal): Media | null {
  if (type === 'image_url' || type === 'video_url' || type === 'audio_url') return readLink(part[type], param, refusal)
  if (type === 'input_audio') return readAudio(part.input_audio, param, refusal)
  return type === 'file' ? readFile(part.file, param, refusal) : null
}

function readLink(value: Json | undefined, param: string, refusal: Refusal): Media | null {
  const url = isObject(value) ? text(value.url) : text(value)
  return locate(url, '', param, refusal)
}

function locate(url: string, name: string, param: string, refusal: Refusal): Media | null {
  if (/^data:/i.test(url)) {
    const read = parseDataUrl(url)
    if (read === null) refusal.invalid(param, `${param} must be a well-formed data URL with a media type`)
    return read && { kind: 'bytes', name, ...read }
  }
  if (/^(https?|gs):\/\//i.test(url)) return { kind: 'url', url, name }
  refusal.invalid(param, `${param} must be an http(s) URL or a data URL`)
  return null
}

const audioTypes: Readonly<Record<string, string>> = { mpeg: 'audio/mp3', pcm16: 'audio/pcm', m4a: 'audio/mp4' }

function readAudio(value: Json | undefined, param: string, refusal: Refusal): Media | null {
  const audio = isObject(value) ? value : {}
  const base64 = text(audio.data)
  const format = text(audio.format).toLowerCase() || 'wav'
  if (base64 === '') {
    refusal.invalid(param, `${param}.input_audio.data must be base64`)
    return null
  }
  if (/^data:/i.test(base64)) return locate(base64, '', param, refusal)
  const mimeType = Object.hasOwn(audioTypes, format) ? audioTypes[format] : `audio/${format}`
  return { kind: 'bytes', mimeType, base64, name: '' }
}

function readFile(value: Json | undefined, param: string, refusal: Refusal): Media | null {
  const file = isObject(value) ? value : {}
  const name = text(file.filename)
  const data = text(file.file_data)
  if (data !== '') {
    if (/^data:/i.test(data)) return locate(data, name, param, refusal)
    const mimeType = mimeTypeOf(name)
    if (mimeType !== '') return { kind: 'bytes', mimeType, base64: data, name }
    refusal.invalid(param, `${param}.file.file_data must be a data URL, or have a filename that tells its type`)
    return null
  }
  const id = text(file.file_id)
  if (id !== '') return { kind: 'id', id, name }
  const url = text(file.file_url)
  if (url !== '') return locate(url, name, param, refusal)
  refusal.invalid(param, `${param}.file must have file_data, file_id or file_url`)
  return null
}

const extensions: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/plain',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
}

/** By its extension; '' for an unknown one. Takes names and URLs. */
export function mimeTypeOf(name: string): string {
  const extension = /\.([a-z0-9]{2,4})(?:[?#].*)?$/i.exec(name)?.[1].toLowerCase() ?? ''
  return Object.hasOwn(extensions, extension) ? extensions[extension] : ''
}

/**
 * RFC 2397, with the data as base64 whatever it came as. The bytes of a large image are neither decoded nor copied.
 * null: malformed, or without a media type.
 */
export function parseDataUrl(url: string): { mimeType: string; base64: string } | null {
  const comma = url.indexOf(',')
  if (comma < 0) return null
  const [mimeType, ...params] = url.slice('data:'.length, comma).trim().toLowerCase().split(';')
  if (!/^[a-z]+\/[a-z0-9.+-]+$/.test(mimeType)) return null
  const data = url.slice(comma + 1)
  if (data === '') return null
  if (params.some(param => param.trim() === 'base64'))
    return { mimeType, base64: data.includes('%') ? unescapeBase64(data) : data }
  return { mimeType, base64: Buffer.from(percentDecoded(data)).toString('base64') }
}

/** Only what base64 has that a URL may escape. */
const unescapeBase64 = (data: string): string => data.replace(/%(2b|2f|3d)/gi, found => decodeURIComponent(found))

/** Percent-encoded bytes need not be UTF-8. */
const percentDecoded = (data: string): Uint8Array =>
  Buffer.concat(
    data
      .split(/((?:%[0-9a-f]{2})+)/i)
      .map((piece, i) => (i % 2 === 0 ? Buffer.from(piece) : Buffer.from(piece.replaceAll('%', ''), 'hex'))),
  )

/** Arguments of a call in the history. Models write them; what is no JSON object counts as none. */
export function callArguments(value: Json | undefined): JsonObject {
  if (isObject(value)) return value
  const source = text(value)
  // A call without arguments is common, and an exception is not cheap.
  const parsed = source === '' ? undefined : parseJson(source)
  return isObject(parsed) ? parsed : {}
}

export function parseJson(source: string): Json | undefined {
  try {
    return JSON.parse(source) as Json
  } catch {
    return undefined
  }
}

/** One tool that the client declared, in whichever of OpenAI's two ways. */
export interface FunctionTool {
  readonly name: string
  readonly description: string
  readonly parameters: JsonObject | null
  readonly strict: boolean
  readonly tool: JsonObject
}

export interface Tools {
  readonly functions: readonly FunctionTool[]
  /** Objects of another type, for providers that know it. */
  readonly others: readonly { readonly tool: JsonObject; readonly param: string }[]
}

export function readTools(request: JsonObject, refusal: Refusal): Tools {
  const functions: FunctionTool[] = []
  const others: { tool: JsonObject; param: string }[] = []
  const declared = list(request.tools, 'tools', refusal)
  declared.forEach((tool, i) => {
    const param = `tools[${i}]`
    if (!isObject(tool)) refusal.invalid(param, `${param} must be an object`)
    else if (isObject(tool.function)) functions.push(readFunction(tool.function, tool, `${param}.function`, refusal))
    else others.push({ tool, param })
  })
  // The form before tools: one list of functions.
  list(request.functions, 'functions', refusal).forEach((declaration, i) => {
    const param = `functions[${i}]`
    if (isObject(declaration)) functions.push(readFunction(declaration, {}, param, refusal))
    else refusal.invalid(param, `${param} must be an object`)
  })
  return { functions, others }
}

function readFunction(declaration: JsonObject, tool: JsonObject, param: string, refusal: Refusal): FunctionTool {
  const name = text(declaration.name)
  if (name === '') refusal.invalid(`${param}.name`, `${param}.name is required`)
  const { parameters } = declaration
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    refusal.invalid(`${param}.parameters`, `${param}.parameters must be an object`)
  return {
    name,
    description: text(declaration.description),
    parameters: isObject(parameters) ? parameters : null,
    strict: declaration.strict === true,
    tool,
  }
}

export function list(value: Json | undefined, param: string, refusal: Refusal): Json[] {
  if (Array.isArray(value)) return value
  if (value !== undefined && value !== null) refusal.invalid(param, `${param} must be an array`)
  return []
}

export type ToolMode = 'auto' | 'none' | 'required'

export interface ToolChoice {
  /** null: the client said nothing. */
  readonly mode: ToolMode | null
  /** Only these may be called; null = all. With `required` and one name it is that one. */
  readonly names: readonly string[] | null
}

const modes: Readonly<Record<string, ToolMode>> = { auto: 'auto', none: 'none', required: 'required', any: 'required' }

export function readToolChoice(request: JsonObject, refusal: Refusal): ToolChoice {
  const param = request.tool_choice === undefined || request.tool_choice === null ? 'function_call' : 'tool_choice'
  const choice = request[param]
  if (choice === undefined || choice === null) return { mode: null, names: null }
  if (typeof choice === 'string' && Object.hasOwn(modes, choice)) return { mode: modes[choice], names: null }
  if (isObject(choice)) {
    if (choice.type === 'allowed_tools' || isObject(choice.allowed_tools)) {
      const allowed = isObject(choice.allowed_tools) ? choice.allowed_tools : choice
      const names = list(allowed.tools, `${param}.tools`, refusal).map(calledName).filter(Boolean)
      return { mode: allowed.mode === 'required' ? 'required' : 'auto', names }
    }
    const name = calledName(choice)
    if (name !== '') return { mode: 'required', names: [name] }
  }
  refusal.invalid(param, `${param} is none of auto, none, required, a named function and allowed_tools`)
  return { mode: null, names: null }
}

function calledName(value: Json): string {
  if (!isObject(value)) return ''
  const inner = isObject(value.function) ? value.function : isObject(value.custom) ? value.custom : value
  return text(inner.name)
}

/** `stop` as a list. */
export function readStop(value: Json | undefined, refusal: Refusal): string[] {
  if (value === undefined || value === null) return []
  const stops = typeof value === 'string' ? [value] : value
  if (Array.isArray(stops) && stops.every(stop => typeof stop === 'string')) return stops as string[]
  refusal.invalid('stop', 'stop must be a string or an array of strings')
  return []
}

/** What a client wants of the answer's form. */
export type ResponseFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json'; readonly schema: JsonObject | null; readonly name: string }

export function readResponseFormat(value: Json | undefined, refusal: Refusal): ResponseFormat {
  if (value === undefined || value === null) return { kind: 'text' }
  const type = isObject(value) ? value.type : undefined
  if (type === 'text') return { kind: 'text' }
  if (type === 'json_object') return { kind: 'json', schema: null, name: '' }
  if (isObject(value) && type === 'json_schema' && isObject(value.json_schema)) {
    const { schema, name } = value.json_schema
    return { kind: 'json', schema: isObject(schema) ? schema : null, name: text(name) }
  }
  refusal.invalid('response_format', 'response_format must be of type text, json_object or json_schema')
  return { kind: 'text' }
}

export const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const
export type Effort = (typeof efforts)[number]

export function readEffort(value: Json | undefined, refusal: Refusal): Effort | null {
  if (value === undefined || value === null) return null
  if (value === 'max') return 'xhigh'
  const effort = efforts.find(known => known === value)
  if (effort === undefined) refusal.invalid('reasoning_effort', `reasoning_effort must be one of ${efforts.join(', ')}`)
  return effort ?? null
}

/** The completion ceiling, whichever of its two names it came under. */
export function readTokenLimit({ max_completion_tokens, max_tokens }: JsonObject): number | null {
  if (typeof max_completion_tokens === 'number') return max_completion_tokens
  return typeof max_tokens === 'number' ? max_tokens : null
}

/** OpenAI's fields that only steer OpenAI's own service: to leave them out changes no answer. */
const elsewhere: ReadonlySet<string> = new Set([
  'store',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'moderation',
])

/** Values that ask for what happens anyway. */
const neutral: Readonly<Record<string, readonly Json[]>> = {
  n: [1],
  logprobs: [false],
  top_logprobs: [0],
  presence_penalty: [0],
  frequency_penalty: [0],
  parallel_tool_calls: [true],
  service_tier: ['auto', 'default'],
}

/** The parameters that went nowhere; `taken` are those that the translation read. */
export function omittedParameters(request: JsonObject, taken: ReadonlySet<string>): string[] {
  return Object.entries(request)
    .filter(([name, value]) => value !== undefined && value !== null && !taken.has(name) && !elsewhere.has(name))
    .filter(([name, value]) => !(Object.hasOwn(neutral, name) && neutral[name].includes(value as Json)))
    .filter(([name, value]) => !(name === 'modalities' && Array.isArray(value) && value.every(one => one === 'text')))
    .filter(([, value]) => !(isObject(value) && Object.keys(value).length === 0))
    .map(([name]) => name)
}

/** In reject mode what would be left out ends the request, all of it named. */
export function refuseOmitted(
  omitted: readonly string[],
  mode: TargetContext['onUnsupportedParam'],
  refusal: Refusal,
): void {
  if (mode !== 'reject' || omitted.length === 0) return
  const names = omitted.map(param => `\`${param}\``).join(', ')
  refusal.unsupported(omitted[0], `the provider of this model does not support ${names}`)
}

/** A system or developer message's texts. */
export function systemTexts(content: Json | undefined, param: string, refusal: Refusal): Part[] {
  return readParts(content, param, refusal).filter(part => {
    const said = partText(part)
    if (said === null) refusal.unsupported(part.param, `${part.param}: a system message can carry text only`)
    return said !== null && said !== ''
  })
}
