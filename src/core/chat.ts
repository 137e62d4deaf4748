import type { Json, JsonObject } from './json.ts'

/** The canonical chat shape is OpenAI's wire shape, unknown fields kept. https://platform.openai.com/docs/api-reference/chat */
export interface ChatRequest extends JsonObject {
  model: string
  messages: Json[]
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call'

/**
 * What an exchange used up. Token counts: `prompt` has what was read from a cache in it and leaves out what was written to
 * one; `completion` has reasoning in it. The others say how much of these was of a kind: `cacheRead`, `audioIn` and
 * `imageIn` of the prompt, `reasoning`, `audioOut` and `imageOut` of the completion, `cacheWrite1h` of `cacheWrite`.
 * What is not counted in tokens comes last. All are numbers and always there, so that every `Usage` has one shape.
 */
export interface Usage {
  prompt: number
  completion: number
  total: number
  reasoning: number
  cacheRead: number
  cacheWrite: number
  cacheWrite1h: number
  audioIn: number
  audioOut: number
  imageIn: number
  imageOut: number
  /** Images made. */
  images: number
  searchUnits: number
  /** Of audio that went in or came out. */
  seconds: number
  /** Of text that was spoken. */
  characters: number
}

export const noUsage: Usage = Object.freeze({
  prompt: 0,
  completion: 0,
  total: 0,
  reasoning: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWrite1h: 0,
  audioIn: 0,
  audioOut: 0,
  imageIn: 0,
  imageOut: 0,
  images: 0,
  searchUnits: 0,
  seconds: 0,
  characters: 0,
})

/** Of anything, in one exchange: beyond it a number is a slip, and would spoil every sum it went into. */
const mostOfAll = 1e12

/** What an upstream says of an amount, which may be a fraction; 0 for what can't be one. */
export const amount = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value <= mostOfAll ? value : 0

/** The same in whole numbers. */
export const count = (value: unknown): number => Math.floor(amount(value))

const noDetails: JsonObject = {}
const details = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : noDetails

/** Reads an OpenAI `usage` object; fields that are missing or not numbers count 0. */
export function parseUsage(usage: JsonObject): Usage {
  const input = details(usage.prompt_tokens_details ?? usage.input_tokens_details ?? usage.input_token_details)
  const output = details(usage.completion_tokens_details ?? usage.output_tokens_details ?? usage.output_token_details)
  // In the details it is a part of the prompt; on its own, as we write it, it stands beside the prompt.
  const written = count(input.cache_write_tokens)
  const prompt = Math.max(0, (count(usage.prompt_tokens) || count(usage.input_tokens)) - written)
  const completion = count(usage.completion_tokens) || count(usage.output_tokens)
  return {
    prompt,
    completion,
    total: count(usage.total_tokens) || prompt + written + completion,
    reasoning: count(output.reasoning_tokens) || count(usage.reasoning_tokens),
    cacheRead: count(input.cached_tokens) || count(usage.cache_read_tokens) || count(usage.cached_tokens),
    cacheWrite: written || count(usage.cache_write_tokens),
    cacheWrite1h: count(usage.cache_write_1h_tokens),
    audioIn: count(input.audio_tokens),
    audioOut: count(output.audio_tokens),
    imageIn: count(input.image_tokens),
    imageOut: count(output.image_tokens),
    images: 0,
    searchUnits: count(usage.search_units),
    seconds: amount(usage.seconds),
    characters: count(usage.characters),
  }
}
