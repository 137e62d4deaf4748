import { parseUsage, type Usage } from './chat.ts'
import { Failure } from './failures.ts'
import { isObject, type Json, type JsonObject } from './json.ts'
import { endOfValue, findKey, utf8Text } from './json-scan.ts'
import { inBandError, statusOf } from './upstream-error.ts'
import { readUsage } from './usage-scan.ts'

/**
 * Watches a chat stream that is relayed byte for byte, and lets whole events through: so a comment or an error event
 * of ours can be put between any two, and a cut-off tail never reaches the client.
 *
 * Until the first event with content nothing is forwarded: up to there another attempt may still take over. From then
 * on the usual chunk (whole events of text) costs one pass over its bytes that looks at what follows a quote or a line
 * end, and goes on as it is. Only events that say something we must know (usage, errors, a finish reason, the end)
 * are parsed. Neither path depends on how the bytes were split.
 */

export interface TapOptions {
  /** Keep the event that carries nothing but usage from a client that did not ask for it. */
  readonly withholdUsage: boolean
  /** Longest event; a longer one ends the stream with a failure. */
  readonly maxEventBytes: number
  /** Gets whole events, in order, as they came. The bytes are valid only during the call. */
  readonly forward: (bytes: Uint8Array) => void
}

/** Lines in one event: what is put together of many, each next to nothing, takes many times their bytes. */
export const mostEventLines = 65_536

const nothing = Buffer.alloc(0)
const lf = 0x0a
const cr = 0x0d
const colon = 0x3a
const space = 0x20

export class StreamTap {
  /** An event with content came; what was held has been forwarded. */
  committed = false
  /** `[DONE]` came. Whatever follows is ignored. */
  done = false
  /** Some choice has its finish reason. */
  finished = false
  /** The stream ended in the middle of an event. */
  truncated = false
  /** Of the last event that had one. */
  usage: Usage | null = null
  /** That the first event which was read names; ''. */
  model = ''
  /** Why the stream failed; from then on everything is ignored. The upstream's words are in `details.cause`. */
  failure: Failure | null = null

  readonly #options: TapOptions
  /** [0, whole): events held until the commit. [whole, length): the event under way, if it began in an earlier chunk. */
  #kept = nothing
  #whole = 0
  #length = 0
  #first = true
  /** The line under way has no bytes yet. */
  #lineEmpty = true
  /** The last byte was a CR: a LF that follows belongs to it. */
  #afterCr = false
  /** The last event was forwarded or is held, not dropped. */
  #keptLast = false

  constructor(options: TapOptions) {
    this.#options = options
  }

  push(chunk: Uint8Array): void {
    const size = chunk.length
    if (size === 0) return
    if (
      this.committed &&
      this.#length === 0 &&
      this.#lineEmpty &&
      !this.#afterCr &&
      !this.done &&
      this.failure === null
    )
      if (endsEvent(chunk, size) && isPlain(chunk, 0, size)) {
        this.#options.forward(chunk)
        return
      }
    this.#split(chunk, size)
  }

  /**
   * The stream is over. null: it was complete. A last event without its blank line counts if it is whole;
   * a stream without `[DONE]` counts if it gave a finish reason (the caller adds what is missing).
   */
  end(): Failure | null {
    if (this.failure === null && !this.done) this.#takeTail()
    if (this.failure !== null) return this.failure
    if (this.done || (this.finished && !this.truncated)) return null
    const cause = this.truncated ? 'the stream ended inside an event' : 'the stream ended without a finish reason'
    return (this.failure = new Failure('stream_error', { cause }))
  }

  #split(chunk: Uint8Array, size: number): void {
    let i = 0
    if (this.#afterCr) {
      this.#afterCr = false
      if (chunk[0] === lf) {
        i = 1
        if (this.#length > this.#whole || !this.#lineEmpty) this.#append(chunk, 0, 1)
        else if (this.#keptLast) this.#keep(chunk, 0, 1)
      }
    }
    let from = i
    // What can go on as it is, in one piece: [pass, from).
    let pass = i
    while (i < size) {
      if (this.done || this.failure !== null) break
      const byte = chunk[i++]
      if (byte !== lf && byte !== cr) {
        this.#lineEmpty = false
        continue
      }
      if (byte === cr) {
        if (i === size) this.#afterCr = true
        else if (chunk[i] === lf) i++
      }
      if (!this.#lineEmpty) {
        this.#lineEmpty = true
        continue
      }
      // A blank line: the event [from, i) is complete, its beginning perhaps in #kept.
      if (this.#length > this.#whole) {
        this.#append(chunk, from, i)
        this.#finishKept()
        pass = i
      } else if (!this.committed) {
        if (this.#judge(chunk, from, i)) {
          if (this.committed) {
            this.#release()
            pass = from
          } else {
            this.#append(chunk, from, i)
            this.#hold()
            pass = i
          }
        } else pass = i
      } else if (!this.#judge(chunk, from, i)) {
        if (from > pass) this.#options.forward(chunk.subarray(pass, from))
        pass = i
      }
      from = i
    }
    if (from > pass) this.#options.forward(pass === 0 && from === size ? chunk : chunk.subarray(pass, from))
    if (from < size && !this.done && this.failure === null) {
      this.#append(chunk, from, size)
    }
  }

  /** The event that began in an earlier chunk is complete in #kept. */
  #finishKept(): void {
    if (this.#judge(this.#kept, this.#whole, this.#length)) this.#hold()
    else this.#length = this.#whole
    if (this.committed) this.#release()
  }

  /** The event behind the held ones joins them. */
  #hold(): void {
    this.#whole = this.#length
    if (!this.committed && this.#whole > this.#options.maxEventBytes)
      this.failure = new Failure('stream_error', { cause: 'the stream begins with too much that is no content' })
  }

  /** Forwards what was held. */
  #release(): void {
    const held = this.#whole
    this.#whole = 0
    this.#length = 0
    if (held > 0) this.#options.forward(this.#kept.subarray(0, held))
  }

  /** Bytes that belong to the event before: they go where it went. */
  #keep(chunk: Uint8Array, from: number, to: number): void {
    if (this.committed) {
      this.#options.forward(chunk.subarray(from, to))
      return
    }
    this.#append(chunk, from, to)
    this.#whole = this.#length
  }

  #append(chunk: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from
    if (length - this.#whole > this.#options.maxEventBytes) {
      this.#tooLong()
      return
    }
    if (length > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(1024, length, this.#kept.length * 2))
      grown.set(this.#kept.subarray(0, this.#length))
      this.#kept = grown
    }
    this.#kept.set(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), this.#length)
    this.#length = length
  }

  #tooLong(): void {
    this.failure = new Failure('stream_error', {
      cause: `an event is longer than ${this.#options.maxEventBytes} bytes`,
    })
  }

  /** Whether the complete event [from, to) goes to the client. */
  #judge(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.failure !== null) return (this.#keptLast = false)
    if (to - from > this.#options.maxEventBytes) {
      this.#tooLong()
      return (this.#keptLast = false)
    }
    return (this.#keptLast = (this.committed && isPlain(bytes, from, to)) || this.#examine(bytes, from, to, false))
  }

  /** The exact reading. `tail`: the event lacks its end, so what is no whole JSON is a cut and not a broken event. */
  #examine(bytes: Uint8Array, from: number, to: number, tail: boolean): boolean {
    if (hasTooManyLines(bytes, from, to)) {
      this.failure = new Failure('stream_error', { cause: `an event has more than ${mostEventLines} lines` })
      return false
    }
    const { event, data } = readEvent(bytes, from, to, this.#first)
    this.#first = false
    // Comments and keep-alives; before the commit there is nobody to keep alive yet.
    if (data === null || data.trim() === '') return this.committed
    if (data.trim() === '[DONE]') {
      this.done = true
      this.committed = true
      return true
    }
    const chunk = parse(data)
    if (!isObject(chunk)) {
      if (tail) this.truncated = true
      else this.failure = new Failure('stream_error', { cause: 'an event of the stream is not a JSON object' })
      return false
    }
    const error = inBandError(event === 'error' && chunk.error === undefined ? { error: chunk } : chunk)
    if (error !== null) {
      this.failure = new Failure('stream_error', { cause: error.message, upstreamStatus: statusOf(error.code) })
      return false
    }
    if (this.model === '' && typeof chunk.model === 'string') this.model = chunk.model
    const usage = usageOf(chunk)
    if (usage !== null && (usage.total > 0 || this.usage === null)) this.usage = usage
    if (givesFinishReason(chunk)) this.finished = true
    if (!this.committed && carriesContent(chunk)) this.committed = true
    return !(this.#options.withholdUsage && usage !== null && isUsageOnly(chunk))
  }

  #takeTail(): void {
    const from = this.#whole
    const to = this.#length
    if (to === from) return
    if (hasTooManyLines(this.#kept, from, to)) {
      this.truncated = true
      return
    }
    if (isOnlyComment(this.#kept, from, to, this.#first)) return
    const { data } = readEvent(this.#kept, from, to, this.#first)
    if (data === null || data.trim() === '') {
      this.truncated = true
      return
    }
    if (this.#examine(this.#kept, from, to, true)) {
      const missing = this.#lineEmpty ? oneLf : twoLf
      this.#append(missing, 0, missing.length)
      this.#whole = this.#length
    } else this.#length = this.#whole
    if (this.committed) this.#release()
  }
}

const oneLf = Buffer.from('\n')
const twoLf = Buffer.from('\n\n')

const parse = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** The last bytes are a line end and a blank line, and no LF can follow that belongs to them. */
const endsEvent = (bytes: Uint8Array, size: number): boolean =>
  bytes[size - 1] === lf && (bytes[size - 2] === lf || (bytes[size - 2] === cr && bytes[size - 3] === lf))

/**
 * Whole events of which none can say anything we must know: every line is blank, a comment or the beginning of a JSON
 * object as data, and neither `usage`, `error`, `finish_reason` nor `x_groq` appears as a string, unless as a key whose
 * value is null. Inside a JSON string quotes are escaped, so text that mentions these words does not look like them.
 */
function isPlain(bytes: Uint8Array, from: number, to: number): boolean {
  if (!startsPlainLine(bytes, from, to)) return false
  for (let i = from; i < to; i++) {
    const byte = bytes[i]
    if (byte > 0x22) continue
    if (byte === 0x22) {
      // An event ends with a line end, so there is a byte behind every quote.
      const rest = watched[bytes[i + 1]]
      if (rest === null) continue
      const value = behindKey(bytes, i + 2, rest)
      if (value < 0) return false
      if (value > 0) i = value
    } else if (byte === lf || byte === cr) {
      if (byte === cr && bytes[i + 1] === lf) i++
      if (i + 1 < to && !startsPlainLine(bytes, i + 1, to)) return false
    }
  }
  return true
}

/** By first byte: the rest of each string to look out for, with its closing quote. */
const watched: (Uint8Array | null)[] = Array.from({ length: 256 }, () => null)
for (const word of ['usage', 'error', 'finish_reason', 'x_groq'])
  watched[word.charCodeAt(0)] = Buffer.from(`${word.slice(1)}"`)

/** 0: not this string. −1: it is, and its value is not null. Else where its null begins. */
function behindKey(bytes: Uint8Array, i: number, rest: Uint8Array): number {
  for (let k = 0; k < rest.length; k++) if (bytes[i + k] !== rest[k]) return 0
  i += rest.length
  while (bytes[i] === space) i++
  if (bytes[i] !== colon) return -1
  i++
  while (bytes[i] === space) i++
  return bytes[i] === 0x6e && bytes[i + 1] === 0x75 ? i : -1
}

function startsPlainLine(bytes: Uint8Array, i: number, to: number): boolean {
  const first = bytes[i]
  if (first === lf || first === cr || first === colon) return true
  if (first !== 0x64 || i + 6 >= to) return false
  if (bytes[i + 1] !== 0x61 || bytes[i + 2] !== 0x74 || bytes[i + 3] !== 0x61 || bytes[i + 4] !== colon) return false
  return bytes[i + 5] === 0x7b || (bytes[i + 5] === space && bytes[i + 6] === 0x7b)
}

function hasTooManyLines(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from <= mostEventLines) return false
  let lines = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i]
    if (byte === lf || (byte === cr && bytes[i + 1] !== lf)) lines++
  }
  return lines > mostEventLines
}

function linesOf(bytes: Uint8Array, from: number, to: number, first: boolean): string[] {
  const text = utf8Text(bytes, from, to)
  return (first && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).split(/\r\n|\n|\r/)
}

/** Data (lines joined, null without any) and name of the one event in [from, to), by the rules of the HTML standard. */
function readEvent(
  bytes: Uint8Array,
  from: number,
  to: number,
  first: boolean,
): { event: string; data: string | null } {
  let event = ''
  let data: string | null = null
  for (const line of linesOf(bytes, from, to, first)) {
    const cut = line.indexOf(':')
    const name = cut < 0 ? line : line.slice(0, cut)
    if (name !== 'data' && name !== 'event') continue
    const value = cut < 0 ? '' : line.slice(line.charCodeAt(cut + 1) === space ? cut + 2 : cut + 1)
    if (name === 'event') event = value
    else data = data === null ? value : `${data}\n${value}`
  }
  return { event, data }
}

const isOnlyComment = (bytes: Uint8Array, from: number, to: number, first: boolean): boolean =>
  linesOf(bytes, from, to, first).every(line => line === '' || line.startsWith(':'))

const filled = (value: Json | undefined): boolean =>
  (typeof value === 'string' && value !== '') || (Array.isArray(value) ? value.length > 0 : isObject(value))

const contentFields = ['content', 'tool_calls', 'function_call', 'reasoning_content', 'reasoning', 'refusal', 'audio']

const choicesOf = (chunk: JsonObject): Json[] => (Array.isArray(chunk.choices) ? chunk.choices : [])

/** From the first such chunk on, a stream is committed: the client has something that can't be taken back. */
export function carriesContent(chunk: JsonObject): boolean {
  for (const choice of choicesOf(chunk)) {
    if (!isObject(choice)) continue
    // `text` is what legacy completions stream.
    if (filled(choice.finish_reason) || filled(choice.text)) return true
    const { delta } = choice
    if (isObject(delta)) for (const field of contentFields) if (filled(delta[field])) return true
  }
  return false
}

export const givesFinishReason = (chunk: JsonObject): boolean =>
  choicesOf(chunk).some(choice => isObject(choice) && filled(choice.finish_reason))

/** A chunk that carries usage and no choice: only for clients that asked for it. */
export const isUsageOnly = (chunk: JsonObject): boolean => choicesOf(chunk).length === 0 && isObject(chunk.usage)

/** Usage of a chunk or an answer, also where Groq puts it; null without. */
export function usageOf(body: JsonObject): Usage | null {
  if (isObject(body.usage)) return parseUsage(body.usage)
  return isObject(body.x_groq) && isObject(body.x_groq.usage) ? parseUsage(body.x_groq.usage) : null
}

const usageKey = Buffer.from('"usage"')

/**
 * Usage of a JSON answer, from the whole body or from its last bytes. OpenAI writes `usage` behind the choices, so it is
 * looked for from the end. That a hit is the top-level key follows from what comes behind its value: members up to the
 * one closing brace that ends the body. In a nested object more would have to close.
 */
export function tapUsage(body: Uint8Array): Usage | null {
  const end = body.length
  let hit = lastUsageKey(body, end)
  if (hit < 0) return null
  let found: readonly [number, number] | null = null
  for (let tries = 0; hit >= 0 && found === null && tries < mostUsageKeys; tries++) {
    found = topLevelValue(body, hit, end)
    hit = lastUsageKey(body, hit)
  }
  found ??= findKey(body, 0, end, 'usage')
  if (found === null) return null
  const plain = readUsage(body, found[0], found[1])
  if (plain !== null) return plain
  const usage = parse(utf8Text(body, found[0], found[1]))
  return isObject(usage) ? parseUsage(usage) : null
}

/** It stands near the end nearly always, where a loop finds it sooner than a call into the runtime. */
const nearEnd = 1024
/** Objects behind it may have a `usage` of their own. */
const mostUsageKeys = 8

/** The last that ends before `end`, or −1. */
function lastUsageKey(body: Uint8Array, end: number): number {
  const first = Math.max(0, end - nearEnd)
  for (let i = end - usageKey.length; i >= first; i--) {
    // The two rare bytes first: a quote, and the `g`.
    if (body[i] !== 0x22 || body[i + 4] !== 0x67) continue
    if (body[i + 1] === 0x75 && body[i + 2] === 0x73 && body[i + 3] === 0x61 && body[i + 5] === 0x65)
      if (body[i + 6] === 0x22) return i
  }
  return first === 0 ? -1 : Buffer.prototype.lastIndexOf.call(body, usageKey, first - 1)
}

const isBlank = (byte: number): boolean => byte === space || byte === lf || byte === cr || byte === 0x09

function skipBlank(bytes: Uint8Array, i: number, end: number): number {
  while (i < end && isBlank(bytes[i])) i++
  return i
}

function topLevelValue(bytes: Uint8Array, key: number, end: number): readonly [number, number] | null {
  // A key comes behind a brace or a comma. Behind a backslash the quote is part of a string.
  let before = key - 1
  while (before >= 0 && isBlank(bytes[before])) before--
  if (before < 0 || (bytes[before] !== 0x7b && bytes[before] !== 0x2c)) return null
  let i = skipBlank(bytes, key + usageKey.length, end)
  if (bytes[i] !== colon) return null
  const start = skipBlank(bytes, i + 1, end)
  const stop = endOfValue(bytes, start, end)
  if (stop < 0) return null
  i = skipBlank(bytes, stop, end)
  while (i < end && bytes[i] === 0x2c) {
    i = endOfValue(bytes, skipBlank(bytes, i + 1, end), end)
    if (i < 0) return null
    i = skipBlank(bytes, i, end)
    if (bytes[i] !== colon) return null
    i = endOfValue(bytes, skipBlank(bytes, i + 1, end), end)
    if (i < 0) return null
    i = skipBlank(bytes, i, end)
  }
  return i < end && bytes[i] === 0x7d && skipBlank(bytes, i + 1, end) === end ? [start, stop] : null
}

/** The last bytes of an answer that is relayed as it comes, for `tapUsage`. */
export class AnswerTail {
  readonly #bytes: Buffer
  #length = 0

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafeSlow(size)
  }

  push(chunk: Uint8Array): void {
    const room = this.#bytes.length
    if (chunk.length >= room) {
      this.#bytes.set(chunk.subarray(chunk.length - room))
      this.#length = room
      return
    }
    const over = this.#length + chunk.length - room
    if (over > 0) {
      this.#bytes.copyWithin(0, over, this.#length)
      this.#length -= over
    }
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
  }

  /** The last byte that is no blank is a closing brace. */
  get endsObject(): boolean {
    let last = this.#length - 1
    while (last >= 0 && isBlank(this.#bytes[last])) last--
    return last >= 0 && this.#bytes[last] === 0x7d
  }

  usage(): Usage | null {
    return tapUsage(this.#bytes.subarray(0, this.#length))
  }
}
