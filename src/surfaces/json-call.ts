import { isUtf8 } from 'node:buffer'
import { Failure } from '../core/failures.ts'
import { isObject, type Json, type JsonObject } from '../core/json.ts'
import {
  at,
  findKey,
  insertMember,
  isNull,
  isString,
  readString,
  scanObject,
  spliceChat,
  TopLevel,
  usageWish,
  utf8Text,
} from '../core/json-scan.ts'
import type { BodyChanges, Call, Measured } from '../core/surface.ts'

/** The last scan. It is read at once and never kept: whoever finds it to be another body's scans again. */
export const top = new TopLevel()
/** Whose it is; null: of none that is any good. */
let scanned: Uint8Array | null = null

/** Null, or what is wrong with the bytes as a JSON object. */
function scan(body: Uint8Array): string | null {
  scanned = null
  const problem = scanObject(body, 0, body.length, top)
  if (problem === null) scanned = body
  return problem
}

export const refuse = (param: string, message: string): Failure => new Failure('invalid_request', { message, param })

/** Scans the body into `top`. A failure when it is no JSON object in valid UTF-8. */
export function scanBody(body: Uint8Array): Failure | null {
  if (!isUtf8(body)) return new Failure('invalid_request', { message: 'the request body is not valid UTF-8' })
  const problem = scan(body)
  return problem === null
    ? null
    : new Failure('invalid_request', { message: `the request body is not valid JSON: ${problem}` })
}

/** Longer ones are nobody's, and ids are remembered in many places. In characters; ARNs are the long ones. */
const longestModel = 512

/** One whose bytes are its characters, neither escaped nor beyond ASCII. */
let lastModel = ''
const isPlainModel = /^[ !#-[\]-~]+$/

/** The model's name in [start, end), quotes included: mostly that of the request before, with its hash. */
export function readModel(body: Uint8Array, start: number, end: number): string {
  const { length } = lastModel
  if (end - start - 2 === length) {
    let i = 0
    while (i < length && body[start + 1 + i] === lastModel.charCodeAt(i)) i++
    if (i === length) return lastModel
  }
  const model = readString(body, start, end)
  if (isPlainModel.test(model)) lastModel = model
  return model
}

/** Half a pair, which has no place in a path. */
const loneSurrogate = /\p{Cs}/u

/** Null, or why it can't be the name of a model. */
export function checkModel(model: string): Failure | null {
  if (model.length > longestModel) return refuse('model', `model must not be longer than ${longestModel} characters`)
  return model !== lastModel && loneSurrogate.test(model) ? refuse('model', 'model must be valid Unicode') : null
}

export interface JsonRules {
  /** Keys that must be there and not null. */
  readonly required: readonly string[]
  /** The surface lets the client leave the model to the provider. */
  readonly isModelOptional?: boolean
  /** Whether it asks for a stream; absent: the surface has none. */
  readonly stream?: (value: (key: string) => Json | undefined) => boolean
  /** What it is charged by, where answers don't say. */
  readonly measure?: (value: (key: string) => Json | undefined) => Measured
  /** What else is wrong with the request, or null. `value` reads one top-level key. */
  readonly check?: (value: (key: string) => Json | undefined) => Failure | null
}

/** Reads a request of which little must be known; the rest is the upstream's to judge. */
export function readJson(body: Uint8Array, rules: JsonRules): Call | Failure {
  const { required, isModelOptional = false, stream, check, measure } = rules
  const invalid = scanBody(body)
  if (invalid !== null) return invalid
  const start = top.start(at.model)
  const hasModel = start >= 0 && !isNull(body, start)
  if (hasModel && !isString(body, start)) return refuse('model', 'model must be a string')
  const model = hasModel ? readModel(body, start, top.end(at.model)) : ''
  if (model.trim() === '' && (hasModel || !isModelOptional)) return refuse('model', 'model is required')
  const tooLong = checkModel(model)
  if (tooLong !== null) return tooLong
  const value = (key: string): Json | undefined => {
    const range = findKey(body, 0, body.length, key)
    return range === null ? undefined : (JSON.parse(utf8Text(body, range[0], range[1])) as Json)
  }
  for (const key of required) {
    const range = findKey(body, 0, body.length, key)
    if (range === null || isNull(body, range[0])) return refuse(key, `${key} is required`)
  }
  const wrong = check?.(value) ?? null
  return wrong ?? callOf(body, model, stream?.(value) ?? false, measure?.(value))
}

/** The call of the body that was just scanned. */
export const callOf = (body: Uint8Array, model: string, stream: boolean, measured?: Measured): Call =>
  new JsonCall(body, model, stream, measured)

class JsonCall implements Call {
  readonly model: string
  readonly stream: boolean
  readonly usageWish: boolean | null
  readonly contentType = ''
  readonly measured: Measured | undefined
  readonly #hasTokenLimit: boolean

  /** Of the body in `top`. */
  constructor(body: Uint8Array, model: string, stream: boolean, measured: Measured | undefined) {
    this.model = model
    this.stream = stream
    this.usageWish = usageWish(body, top)
    this.measured = measured
    this.#hasTokenLimit = top.has(at.max_tokens) || top.has(at.max_completion_tokens)
  }

  splice(body: Uint8Array, { model, askForUsage, tokenLimit }: BodyChanges): Uint8Array | null {
    const rename = this.#hasTokenLimit ? tokenLimit : undefined
    if (model === this.model && !askForUsage && rename === undefined) return null
    if (scanned !== body && scan(body) !== null) return null
    if (!top.has(at.model)) return insertMember(body, top, `"model":${JSON.stringify(model)}`)
    return spliceChat(body, 0, body.length, top, {
      model: model === this.model ? undefined : model,
      includeUsage: askForUsage,
      tokenLimit: rename,
    })
  }

  parse(body: Uint8Array, model: string): JsonObject | null {
    const parsed: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
    return isObject(parsed) ? { ...parsed, model } : null
  }
}
