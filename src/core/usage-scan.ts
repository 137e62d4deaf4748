import type { Usage } from './chat.ts'

/**
 * Usage from the bytes of its JSON object, as `parseUsage(JSON.parse(…))` reads it, for the form that nearly all answers
 * have: an object of whole numbers and of objects of whole numbers. Null for every other form: then it must be parsed.
 */

/** Where each number goes. Those of OpenAI's nested objects have places of their own. */
const field = {
  prompt_tokens: 0,
  input_tokens: 1,
  completion_tokens: 2,
  output_tokens: 3,
  total_tokens: 4,
  reasoning_tokens: 5,
  cache_read_tokens: 6,
  cached_tokens: 7,
  cache_write_tokens: 8,
  cache_write_1h_tokens: 9,
  search_units: 10,
  characters: 11,
  seconds: 12,
  audio_tokens: 13,
  image_tokens: 14,
} as const
const ofPrompt = { cached: 15, written: 16, audio: 17, image: 18 } as const
const ofCompletion = { reasoning: 19, audio: 20, image: 21 } as const
const unknown = -1
const promptDetails = -2
const completionDetails = -3

const names: readonly { readonly bytes: Uint8Array; readonly is: number }[] = [
  ...Object.entries(field).map(([name, is]) => ({ bytes: Buffer.from(name), is })),
  { bytes: Buffer.from('prompt_tokens_details'), is: promptDetails },
  { bytes: Buffer.from('completion_tokens_details'), is: completionDetails },
]
const byLength = Array.from({ length: 32 }, (_, length) => names.filter(({ bytes }) => bytes.length === length))

/** Inside of details nothing has details again. */
const promptSlots = new Map<number, number>([
  [field.cached_tokens, ofPrompt.cached],
  [field.cache_write_tokens, ofPrompt.written],
  [field.audio_tokens, ofPrompt.audio],
  [field.image_tokens, ofPrompt.image],
])
const completionSlots = new Map<number, number>([
  [field.reasoning_tokens, ofCompletion.reasoning],
  [field.audio_tokens, ofCompletion.audio],
  [field.image_tokens, ofCompletion.image],
])

/** The last reading; read at once. */
const values = new Int32Array(22)
/** More digits than this may not fit. */
const mostDigits = 9

export function readUsage(bytes: Uint8Array, start: number, end: number): Usage | null {
  values.fill(0)
  if (readObject(bytes, start, end, unknown) !== end) return null
  const written = values[ofPrompt.written]
  const prompt = Math.max(0, (values[field.prompt_tokens] || values[field.input_tokens]) - written)
  const completion = values[field.completion_tokens] || values[field.output_tokens]
  return {
    prompt,
    completion,
    total: values[field.total_tokens] || prompt + written + completion,
    reasoning: values[ofCompletion.reasoning] || values[field.reasoning_tokens],
    cacheRead: values[ofPrompt.cached] || values[field.cache_read_tokens] || values[field.cached_tokens],
    cacheWrite: written || values[field.cache_write_tokens],
    cacheWrite1h: values[field.cache_write_1h_tokens],
    audioIn: values[ofPrompt.audio],
    audioOut: values[ofCompletion.audio],
    imageIn: values[ofPrompt.image],
    imageOut: values[ofCompletion.image],
    images: 0,
    searchUnits: values[field.search_units],
    seconds: values[field.seconds],
    characters: values[field.characters],
  }
}

/** Returns the position behind the object, or -1. `inside`: whose value it is; `unknown` for the outermost. */
function readObject(bytes: Uint8Array, at: number, end: number, inside: number): number {
  if (bytes[at] !== 0x7b) return -1
  let i = skipBlank(bytes, at + 1, end)
  if (bytes[i] === 0x7d) return i + 1
  for (;;) {
    if (bytes[i] !== 0x22) return -1
    const name = i + 1
    i = name
    for (; i < end && bytes[i] !== 0x22; i++) if (bytes[i] === 0x5c || bytes[i] < 0x20) return -1
    const is = fieldOf(bytes, name, i)
    i = skipBlank(bytes, i + 1, end)
    if (bytes[i] !== 0x3a) return -1
    i = skipBlank(bytes, i + 1, end)
    const slot = slotOf(inside, is)
    if (slot < unknown) i = readDetails(bytes, i, end, slot)
    else i = readNumber(bytes, i, end, slot)
    if (i < 0) return -1
    i = skipBlank(bytes, i, end)
    if (bytes[i] === 0x7d) return i + 1
    if (bytes[i] !== 0x2c) return -1
    i = skipBlank(bytes, i + 1, end)
  }
}

/** Of two objects with one name the last counts, as with a parser. */
function readDetails(bytes: Uint8Array, at: number, end: number, of: number): number {
  const places: Readonly<Record<string, number>> = of === promptDetails ? ofPrompt : ofCompletion
  for (const place in places) values[places[place]] = 0
  return readObject(bytes, at, end, of)
}

function slotOf(inside: number, is: number): number {
  if (inside === unknown) return is
  if (is < 0) return unknown
  return (inside === promptDetails ? promptSlots : completionSlots).get(is) ?? unknown
}

function readNumber(bytes: Uint8Array, at: number, end: number, slot: number): number {
  let i = at
  let value = 0
  for (; i < end; i++) {
    const digit = bytes[i] - 0x30
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  // Signs, fractions and exponents show as a stop where a value can't end.
  if (i === at || i - at > mostDigits || (bytes[at] === 0x30 && i - at > 1)) return -1
  if (slot >= 0) values[slot] = value
  return i
}

function fieldOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length >= byLength.length) return unknown
  const candidates = byLength[length]
  for (let k = 0; k < candidates.length; k++) {
    const name = candidates[k].bytes
    let at = 0
    while (at < length && bytes[start + at] === name[at]) at++
    if (at === length) return candidates[k].is
  }
  return unknown
}

function skipBlank(bytes: Uint8Array, i: number, end: number): number {
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09)) i++
  return i
}
