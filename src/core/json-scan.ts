import { bufferPool } from './buffer-pool.ts'
import { copyInto } from './copy-bytes.ts'
import { Failure } from './failures.ts'
import { isObject, type Json } from './json.ts'
import { writeText } from './write-bytes.ts'

/**
 * One scanner over the raw bytes of a JSON object. It checks the whole grammar (RFC 8259) and yields where the values
 * of the top-level keys lie that the gateway reads or edits, without building a single object. One thing, because the
 * grammar is: whoever wants a range must have seen that everything around it is well formed.
 *
 * Not checked here: UTF-8. The caller runs `buffer.isUtf8` over the same bytes, which is faster than any loop of ours.
 * Reads only within [start, end); `bytes` may be a view of shared memory that nobody writes meanwhile.
 */

/** The tracked keys. A second occurrence of one, however spelt, is refused: two readers could see two values. */
export const trackedKeys = [
  'model',
  'stream',
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'stream_options',
  'n',
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
] as const

export type TrackedKey = (typeof trackedKeys)[number]

/** Where a key's three offsets start in `TopLevel.ranges`: 3 × its place in `trackedKeys`. */
export const at = {
  model: 0,
  stream: 3,
  messages: 6,
  max_tokens: 9,
  max_completion_tokens: 12,
  stream_options: 15,
  n: 18,
  temperature: 21,
  top_p: 24,
  presence_penalty: 27,
  frequency_penalty: 30,
} as const satisfies Record<TrackedKey, number>

/** Result of a scan, made once and reused. All offsets count from the start of the scanned array. */
export class TopLevel {
  /** Per key: start of the key (its quote), start of the value, end of the value; −1 when absent. */
  readonly ranges = new Int32Array(trackedKeys.length * 3)
  /** The object's braces: `bytes[open]` is `{`, `bytes[close]` is `}`. */
  open = -1
  close = -1

  has(key: number): boolean {
    return this.ranges[key] >= 0
  }
  start(key: number): number {
    return this.ranges[key + 1]
  }
  end(key: number): number {
    return this.ranges[key + 2]
  }
}

export const maxDepth = 512

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** 1 for bytes that end a run of plain string bytes: the quote, the backslash and control characters. */
const stops = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === quote || byte === backslash ? 1 : 0,
)

/** 1 for white space (RFC 8259 §2). */
const blank = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d ? 1 : 0,
)

const candidates: { readonly bytes: Uint8Array; readonly at: number }[][] = []
for (const key of trackedKeys) (candidates[key.length] ??= []).push({ bytes: Buffer.from(key), at: at[key] })

// State of the scan under way; there is one per thread and it never suspends.
let problem = ''
let problemAt = 0
let sawEscape = false
let words: Int32Array | null = null
/** 1 = object, 0 = array, per open container below the top level. */
const isObjectAt = new Uint8Array(maxDepth + 1)

const fail = (message: string, offset: number): -1 => {
  problem = message
  problemAt = offset
  return -1
}

const unexpected = (bytes: Uint8Array, offset: number, end: number): -1 => {
  if (offset >= end) return fail('unexpected end of JSON input', end)
  const byte = bytes[offset]
  return fail(
    byte > 0x20 && byte < 0x7f ? `unexpected character '${String.fromCharCode(byte)}'` : 'unexpected byte',
    offset,
  )
}

/** null: a valid JSON object, `out` is filled. Otherwise what is wrong and where. */
export function scanObject(bytes: Uint8Array, start: number, end: number, out: TopLevel): string | null {
  const scanned = scan(bytes, start, end, out)
  words = null
  return scanned < 0 ? `${problem} at offset ${problemAt - start}` : null
}

function scan(bytes: Uint8Array, start: number, end: number, out: TopLevel): number {
  const { ranges } = out
  ranges.fill(-1)
  let i = skipBlank(bytes, start, end)
  if (i >= end) return unexpected(bytes, i, end)
  if (bytes[i] !== openBrace) return fail('the top-level JSON value must be an object', i)
  out.open = i
  i = skipBlank(bytes, i + 1, end)
  if (i < end && bytes[i] === closeBrace) return finish(bytes, i, end, out)
  for (;;) {
    if (i >= end || bytes[i] !== quote) return unexpected(bytes, i, end)
    const keyStart = i
    sawEscape = false
    i = skipString(bytes, i + 1, end)
    if (i < 0) return i
    const key = sawEscape ? escapedKey(bytes, keyStart, i) : trackedKey(bytes, keyStart + 1, i - 1)
    i = skipBlank(bytes, i, end)
    if (i >= end || bytes[i] !== colon) return unexpected(bytes, i, end)
    const valueStart = skipBlank(bytes, i + 1, end)
    i = skipValue(bytes, valueStart, end, 1)
    if (i < 0) return i
    if (key >= 0) {
      if (ranges[key] >= 0) return fail(`duplicate key "${trackedKeys[key / 3]}"`, keyStart)
      ranges[key] = keyStart
      ranges[key + 1] = valueStart
      ranges[key + 2] = i
    }
    i = skipBlank(bytes, i, end)
    if (i < end && bytes[i] === comma) i = skipBlank(bytes, i + 1, end)
    else if (i < end && bytes[i] === closeBrace) return finish(bytes, i, end, out)
    else return unexpected(bytes, i, end)
  }
}

function finish(bytes: Uint8Array, close: number, end: number, out: TopLevel): number {
  out.close = close
  const rest = skipBlank(bytes, close + 1, end)
  return rest < end ? fail('unexpected data after top-level JSON value', rest) : end
}

function skipBlank(bytes: Uint8Array, i: number, end: number): number {
  while (i < end && blank[bytes[i]] === 1) i++
  return i
}

/**
 * The end of the value that starts at `i` (no white space before it), or −1. `depth` containers are open around it.
 * A loop with a bit of stack in place of recursion: hostile nesting must not reach the end of V8's.
 */
function skipValue(bytes: Uint8Array, i: number, end: number, depth: number): number {
  const floor = depth
  for (;;) {
    if (i >= end) return unexpected(bytes, i, end)
    const first = bytes[i]
    let closed = true
    if (first === quote) i = skipString(bytes, i + 1, end)
    else if (first === openBrace || first === openBracket) {
      if (++depth > maxDepth) return fail(`JSON is nested deeper than ${maxDepth} levels`, i)
      const object = first === openBrace
      isObjectAt[depth] = object ? 1 : 0
      i = skipBlank(bytes, i + 1, end)
      if (i < end && bytes[i] === (object ? closeBrace : closeBracket)) {
        depth--
        i++
      } else {
        closed = false
        if (object) i = skipKey(bytes, i, end)
      }
    } else if (first === 0x74) i = skipLiteral(bytes, i, end, 'true')
    else if (first === 0x66) i = skipLiteral(bytes, i, end, 'false')
    else if (first === 0x6e) i = skipLiteral(bytes, i, end, 'null')
    else i = skipNumber(bytes, i, end)
    if (i < 0) return i
    if (!closed) continue
    // Behind a value: close what ends here, until a comma announces the next value.
    for (;;) {
      if (depth === floor) return i
      i = skipBlank(bytes, i, end)
      if (i >= end) return unexpected(bytes, i, end)
      const byte = bytes[i]
      const object = isObjectAt[depth] === 1
      if (byte === comma) {
        i = skipBlank(bytes, i + 1, end)
        if (object) {
          i = skipKey(bytes, i, end)
          if (i < 0) return i
        }
        break
      }
      if (byte !== (object ? closeBrace : closeBracket)) return unexpected(bytes, i, end)
      depth--
      i++
    }
  }
}

/** From a key to the value behind its colon. */
function skipKey(bytes: Uint8Array, i: number, end: number): number {
  if (i >= end || bytes[i] !== quote) return unexpected(bytes, i, end)
  i = skipString(bytes, i + 1, end)
  if (i < 0) return i
  i = skipBlank(bytes, i, end)
  if (i >= end || bytes[i] !== colon) return unexpected(bytes, i, end)
  return skipBlank(bytes, i + 1, end)
}

/** Plain bytes seen before a string is worth a look four bytes at a time. */
const longRun = 96

/** From behind the opening quote to behind the closing one. */
function skipString(bytes: Uint8Array, i: number, end: number): number {
  for (;;) {
    const pause = Math.min(i + longRun, end)
    while (i < pause && stops[bytes[i]] === 0) i++
    if (i === pause && i < end) i = skipPlainWords(bytes, i, end)
    if (i >= end) return fail('unterminated string', end)
    const byte = bytes[i]
    if (byte === quote) return i + 1
    if (byte === backslash) {
      sawEscape = true
      i = skipEscape(bytes, i + 1, end)
      if (i < 0) return i
    } else if (byte < 0x20) return fail('control character in string', i)
    // else: the run paused at a plain byte, so go on.
  }
}

/**
 * To the first byte that is a quote, a backslash or a control character, eight bytes at a time. Each byte lane of a word w
 * is tested with the classic borrow trick: (x − 0x01…) & ~x has a lane's top bit set exactly from the first zero lane of x
 * on. x is w ^ quote or w ^ backslash, which differ from w in no top bit, so ~w serves all.
 */
function skipPlainWords(bytes: Uint8Array, i: number, end: number): number {
  const offset = bytes.byteOffset
  while (i < end && ((offset + i) & 3) !== 0) {
    if (stops[bytes[i]] === 1) return i
    i++
  }
  words ??= new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2)
  const view = words
  let word = (offset + i) >> 2
  const last = ((offset + end) >> 2) - 1
  while (word < last) {
    const v = view[word]
    const w = view[word + 1]
    const hit =
      (((v - 0x20202020) | ((v ^ 0x22222222) - 0x01010101) | ((v ^ 0x5c5c5c5c) - 0x01010101)) & ~v) |
      (((w - 0x20202020) | ((w ^ 0x22222222) - 0x01010101) | ((w ^ 0x5c5c5c5c) - 0x01010101)) & ~w)
    if ((hit & 0x80808080) !== 0) break
    word += 2
  }
  i = (word << 2) - offset
  while (i < end && stops[bytes[i]] === 0) i++
  return i
}

const isHex = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)

const escapes = Uint8Array.from({ length: 256 }, (_, byte) => ('"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0))

/** From behind a backslash to behind the escape. */
function skipEscape(bytes: Uint8Array, i: number, end: number): number {
  if (i >= end) return fail('unterminated string', end)
  if (escapes[bytes[i]] === 1) return i + 1
  if (bytes[i] !== 0x75) return fail('invalid escape in string', i)
  for (let digit = i + 1; digit <= i + 4; digit++) {
    if (digit >= end) return fail('unterminated string', end)
    if (!isHex(bytes[digit])) return fail('invalid escape in string', digit)
  }
  return i + 5
}

function skipLiteral(bytes: Uint8Array, i: number, end: number, literal: string): number {
  for (let k = 0; k < literal.length; k++, i++)
    if (i >= end || bytes[i] !== literal.charCodeAt(k)) return unexpected(bytes, i, end)
  return i
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39

function skipDigits(bytes: Uint8Array, i: number, end: number): number {
  if (i >= end || !isDigit(bytes[i])) return unexpected(bytes, i, end)
  while (i < end && isDigit(bytes[i])) i++
  return i
}

function skipNumber(bytes: Uint8Array, i: number, end: number): number {
  if (bytes[i] === 0x2d) i++
  if (i < end && bytes[i] === 0x30) i++
  else {
    i = skipDigits(bytes, i, end)
    if (i < 0) return i
  }
  if (i < end && bytes[i] === 0x2e) {
    i = skipDigits(bytes, i + 1, end)
    if (i < 0) return i
  }
  if (i < end && (bytes[i] | 0x20) === 0x65) {
    i++
    if (i < end && (bytes[i] === 0x2b || bytes[i] === 0x2d)) i++
    i = skipDigits(bytes, i, end)
  }
  return i
}

function trackedKey(bytes: Uint8Array, start: number, end: number): number {
  const sameLength = candidates[end - start]
  if (sameLength === undefined) return -1
  next: for (const candidate of sameLength) {
    for (let k = 0; k < candidate.bytes.length; k++) if (bytes[start + k] !== candidate.bytes[k]) continue next
    return candidate.at
  }
  return -1
}

/** `"mod\u0065l"` is `model` too. */
function escapedKey(bytes: Uint8Array, start: number, end: number): number {
  // A lone surrogate or anything else odd is not one of our keys; the grammar was checked before.
  const key = readString(bytes, start, end) as TrackedKey
  return Object.hasOwn(at, key) ? at[key] : -1
}

/**
 * The end of any JSON value that starts at `i`, or −1 when it is malformed or goes past `end`. For parts of bodies that
 * lie beyond a tracked key; the same grammar and depth.
 */
export function endOfValue(bytes: Uint8Array, i: number, end: number): number {
  const found = skipValue(bytes, i, end, 0)
  words = null
  return found
}

/** The value range [start, end) of the last top-level `key` of the object in [start, end), or null. */
export const findKey = (bytes: Uint8Array, start: number, end: number, key: string): Range =>
  findMember(bytes, start, end, key, false)

/** Of the first one, in an object of which only the beginning is there. */
export const findEarlyKey = (bytes: Uint8Array, start: number, end: number, key: string): Range =>
  findMember(bytes, start, end, key, true)

type Range = readonly [number, number] | null

function findMember(bytes: Uint8Array, start: number, end: number, key: string, isEarly: boolean): Range {
  let i = skipBlank(bytes, start, end)
  let found: Range = null
  if (i >= end || bytes[i] !== openBrace) return null
  i = skipBlank(bytes, i + 1, end)
  while (i < end && bytes[i] === quote) {
    const keyStart = i
    const valueStart = skipKey(bytes, i, end)
    if (valueStart < 0) return null
    i = endOfValue(bytes, valueStart, end)
    if (i < 0) return null
    if (isKey(bytes, keyStart, key)) {
      found = [valueStart, i]
      if (isEarly) return found
    }
    i = skipBlank(bytes, i, end)
    if (i >= end || bytes[i] !== comma) break
    i = skipBlank(bytes, i + 1, end)
  }
  return i < end && bytes[i] === closeBrace && skipBlank(bytes, i + 1, end) === end ? found : null
}

function isKey(bytes: Uint8Array, start: number, key: string): boolean {
  for (let k = 0; k < key.length; k++) if (bytes[start + 1 + k] !== key.charCodeAt(k)) return false
  return bytes[start + 1 + key.length] === quote
}

// Buffer's own readers take any Uint8Array, shared memory included, and save making a Buffer first.
const { utf8Slice, latin1Slice } = Buffer.prototype

export const utf8Text = (bytes: Uint8Array, start: number, end: number): string => utf8Slice.call(bytes, start, end)

/** The value of a scanned JSON string, whose quotes are at `start` and `end − 1`. */
export function readString(bytes: Uint8Array, start: number, end: number): string {
  let bits = 0
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i]
    if (byte === backslash) return JSON.parse(utf8Slice.call(bytes, start, end)) as string
    bits |= byte
  }
  return bits < 0x80 ? latin1Slice.call(bytes, start + 1, end - 1) : utf8Slice.call(bytes, start + 1, end - 1)
}

const powersOfTen = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14]

/** The value of a scanned JSON number. */
export function readNumber(bytes: Uint8Array, start: number, end: number): number {
  // Up to 14 digits and no exponent: an exact integer over an exact power of ten, so one division rounds correctly.
  if (end - start <= 15) {
    let digits = 0
    let fraction = -1
    let i = bytes[start] === 0x2d ? start + 1 : start
    for (; i < end; i++) {
      const byte = bytes[i]
      if (byte === 0x2e) fraction = i + 1
      else if (isDigit(byte)) digits = digits * 10 + (byte - 0x30)
      else break
    }
    if (i === end) {
      const value = fraction < 0 ? digits : digits / powersOfTen[end - fraction]
      return bytes[start] === 0x2d ? -value : value
    }
  }
  return Number(latin1Slice.call(bytes, start, end))
}

export const isTrue = (bytes: Uint8Array, start: number): boolean => start >= 0 && bytes[start] === 0x74
export const isNull = (bytes: Uint8Array, start: number): boolean => bytes[start] === 0x6e
export const isString = (bytes: Uint8Array, start: number): boolean => bytes[start] === quote
const isNumber = (bytes: Uint8Array, start: number): boolean => isDigit(bytes[start]) || bytes[start] === 0x2d
const isBoolean = (bytes: Uint8Array, start: number): boolean => bytes[start] === 0x74 || bytes[start] === 0x66

const refuse = (param: TrackedKey, message: string): Failure => new Failure('invalid_request', { message, param })

interface Bounds {
  readonly key: TrackedKey
  readonly at: number
  readonly min: number
  readonly max: number
  readonly integer: boolean
  readonly rule: string
}

const between = (key: TrackedKey, min: number, max: number): Bounds => ({
  key,
  at: at[key],
  min,
  max,
  integer: false,
  rule: `must be between ${min} and ${max}`,
})

const positive = (key: TrackedKey): Bounds => ({
  key,
  at: at[key],
  min: Number.MIN_VALUE,
  max: Number.MAX_VALUE,
  integer: true,
  rule: 'must be positive',
})

// In the order in which they are reported.
const bounds: readonly Bounds[] = [
  between('temperature', 0, 2),
  between('top_p', 0, 1),
  positive('max_tokens'),
  positive('max_completion_tokens'),
  between('presence_penalty', -2, 2),
  between('frequency_penalty', -2, 2),
  positive('n'),
]

/** What a chat request must satisfy before it is routed. The first thing that is wrong, or null. */
export function validateChat(bytes: Uint8Array, top: TopLevel): Failure | null {
  const model = top.start(at.model)
  if (model < 0 || isNull(bytes, model)) return refuse('model', 'model is required')
  if (!isString(bytes, model)) return refuse('model', 'model must be a string')
  if (isBlankString(bytes, model, top.end(at.model))) return refuse('model', 'model is required')

  const messages = top.start(at.messages)
  if (messages < 0 || isNull(bytes, messages)) return refuse('messages', 'at least one message is required')
  if (bytes[messages] !== openBracket) return refuse('messages', 'messages must be an array')
  if (bytes[skipBlank(bytes, messages + 1, top.end(at.messages))] === closeBracket)
    return refuse('messages', 'at least one message is required')

  for (let k = 0; k < bounds.length; k++) {
    const bound = bounds[k]
    const start = top.start(bound.at)
    if (start < 0 || isNull(bytes, start)) continue
    if (!isNumber(bytes, start)) return refuse(bound.key, `${bound.key} must be a number`)
    const value = readNumber(bytes, start, top.end(bound.at))
    if (!(value >= bound.min && value <= bound.max)) return refuse(bound.key, `${bound.key} ${bound.rule}`)
    if (bound.integer && !Number.isSafeInteger(value)) return refuse(bound.key, `${bound.key} must be an integer`)
  }

  const stream = top.start(at.stream)
  if (stream >= 0 && !isNull(bytes, stream) && !isBoolean(bytes, stream))
    return refuse('stream', 'stream must be a boolean')
  const options = top.start(at.stream_options)
  if (options >= 0 && !isNull(bytes, options) && bytes[options] !== openBrace)
    return refuse('stream_options', 'stream_options must be an object')
  return null
}

function isBlankString(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start + 1; i < end - 1; i++) {
    if (bytes[i] === backslash) return readString(bytes, start, end).trim() === ''
    if (bytes[i] !== 0x20) return false
  }
  return true
}

export interface Edit {
  readonly start: number
  readonly end: number
  readonly replacement: string
}

const byStart = (a: Edit, b: Edit): number => a.start - b.start

/** A copy of [start, end) with the edits made, which must not overlap; in memory of the pool. */
export function splice(bytes: Uint8Array, start: number, end: number, edits: Edit[]): Uint8Array {
  if (edits.length > 1) edits.sort(byStart)
  let length = end - start
  for (const edit of edits) length += utf8Length(edit.replacement) - (edit.end - edit.start)
  const out = bufferPool.take(length)
  let from = start
  let to = 0
  for (const edit of edits) {
    to = copy(bytes, from, edit.start, out, to)
    to = writeUtf8(out, to, edit.replacement)
    from = edit.end
  }
  copy(bytes, from, end, out, to)
  return out
}

/** Most replacements are a few letters. */
const shortText = 64

function utf8Length(text: string): number {
  return isShortAscii(text) ? text.length : Buffer.byteLength(text)
}

/** Returns the position behind it. */
function writeUtf8(out: Buffer, at: number, text: string): number {
  return isShortAscii(text) ? writeText(out, at, text) : at + out.utf8Write(text, at)
}

function isShortAscii(text: string): boolean {
  if (text.length > shortText) return false
  let bits = 0
  for (let i = 0; i < text.length; i++) bits |= text.charCodeAt(i)
  return bits < 0x80
}

/** Returns where the copy ends. Below this size a loop is faster than making the view that `set` needs. */
const shortCopy = 64
function copy(bytes: Uint8Array, from: number, to: number, out: Buffer, at: number): number {
  if (to - from > shortCopy) {
    copyInto(out, at, bytes.subarray(from, to))
    return at + to - from
  }
  while (from < to) out[at++] = bytes[from++]
  return at
}

/** The object with one more member, before all others. */
export function insertMember(bytes: Uint8Array, top: TopLevel, member: string): Uint8Array {
  const start = top.open + 1
  const isEmpty = skipBlank(bytes, start, bytes.length) === top.close
  return splice(bytes, 0, bytes.length, [{ start, end: start, replacement: isEmpty ? member : `${member},` }])
}

export type TokenLimit = 'max_tokens' | 'max_completion_tokens'

export interface ChatChanges {
  /** The model the upstream is asked for. */
  readonly model?: string
  /** Ask for the usage event of a stream. */
  readonly includeUsage?: boolean
  /** The name under which the upstream wants the completion ceiling. */
  readonly tokenLimit?: TokenLimit
}

/** The request with the changes made and every other byte as it came; null when nothing has to change. */
export function spliceChat(
  bytes: Uint8Array,
  start: number,
  end: number,
  top: TopLevel,
  changes: ChatChanges,
): Uint8Array | null {
  const edits: Edit[] = []
  const { model } = changes
  if (model !== undefined && readString(bytes, top.start(at.model), top.end(at.model)) !== model)
    edits.push({ start: top.start(at.model), end: top.end(at.model), replacement: JSON.stringify(model) })
  if (changes.includeUsage) askForUsage(bytes, top, edits)
  if (changes.tokenLimit !== undefined) renameTokenLimit(bytes, top, changes.tokenLimit, edits)
  return edits.length === 0 ? null : splice(bytes, start, end, edits)
}

function streamOptions(bytes: Uint8Array, top: TopLevel): Json | undefined {
  const start = top.start(at.stream_options)
  return start < 0 ? undefined : (JSON.parse(utf8Slice.call(bytes, start, top.end(at.stream_options))) as Json)
}

/** What the client said about the usage event of its stream: null when it sent no `stream_options` at all. */
export function usageWish(bytes: Uint8Array, top: TopLevel): boolean | null {
  if (!top.has(at.stream_options)) return null
  const options = streamOptions(bytes, top)
  return isObject(options) ? options.include_usage === true : null
}

function askForUsage(bytes: Uint8Array, top: TopLevel, edits: Edit[]): void {
  const options = streamOptions(bytes, top)
  if (options === undefined) {
    const text = '"stream_options":{"include_usage":true},'
    edits.push({ start: top.open + 1, end: top.open + 1, replacement: text })
  } else if (!isObject(options) || options.include_usage !== true) {
    const wanted = isObject(options) ? { ...options, include_usage: true } : { include_usage: true }
    const replacement = JSON.stringify(wanted)
    edits.push({ start: top.start(at.stream_options), end: top.end(at.stream_options), replacement })
  }
}

const tokenLimitKeys: Readonly<Record<TokenLimit, string>> = {
  max_tokens: '"max_tokens"',
  max_completion_tokens: '"max_completion_tokens"',
}

/** `max_completion_tokens` wins when both are given; what remains carries the upstream's name for it. */
function renameTokenLimit(bytes: Uint8Array, top: TopLevel, name: TokenLimit, edits: Edit[]): void {
  const legacy = top.has(at.max_tokens)
  const current = top.has(at.max_completion_tokens)
  if (!legacy && !current) return
  const currentWins = current && (!legacy || !isNull(bytes, top.start(at.max_completion_tokens)))
  const winner: TokenLimit = currentWins ? 'max_completion_tokens' : 'max_tokens'
  if (winner !== name) {
    const start = top.ranges[at[winner]]
    edits.push({ start, end: endOfKey(bytes, start), replacement: tokenLimitKeys[name] })
  }
  if (legacy && current) edits.push(removal(bytes, top, currentWins ? at.max_tokens : at.max_completion_tokens))
}

function endOfKey(bytes: Uint8Array, start: number): number {
  let i = start + 1
  while (bytes[i] !== quote) i += bytes[i] === backslash ? 2 : 1
  return i + 1
}

/** A member with the comma behind it, or for the last member the one before it. */
function removal(bytes: Uint8Array, top: TopLevel, key: number): Edit {
  const behind = skipBlank(bytes, top.end(key), top.close)
  if (bytes[behind] === comma) return { start: top.ranges[key], end: behind + 1, replacement: '' }
  let start = top.ranges[key] - 1
  while (bytes[start] !== comma) start--
  return { start, end: top.end(key), replacement: '' }
}
