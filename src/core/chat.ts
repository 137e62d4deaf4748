import type { Json, JsonObject } from './json.ts'

/** The canonical chat shape is OpenAI's wire shape, unknown fields kept. https://platform.openai.com/docs/api-reference/chat */
export interface ChatRequest extends JsonObject {
  model: string
  messages: Json[]
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call'

/** Token counts in disjoint classes where a provider tells them apart; `prompt` includes the cached ones. */
export interface Usage {
  prompt: number
  completion: number
  total: number
  reasoning: number
  cacheRead: number
  cacheWrite: number
}

export const noUsage: Usage = Object.freeze({
  prompt: 0,
  completion: 0,
  total: 0,
  reasoning: 0,
  cacheRead: 0,
  cacheWrite: 0,
})

const count = (value: Json | undefined): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.floor(value) : 0

const nested = (usage: JsonObject, outer: string, inner: string): number => {
  const object = usage[outer]
  return typeof object === 'object' && object !== null && !Array.isArray(object) ? count(object[inner]) : 0
}

/** Reads an OpenAI `usage` object; fields that are missing or not numbers count 0. */
export function parseUsage(usage: JsonObject): Usage {
  const prompt = count(usage.prompt_tokens) || count(usage.input_tokens)
  const completion = count(usage.completion_tokens) || count(usage.output_tokens)
  return {
    prompt,
    completion,
    total: count(usage.total_tokens) || prompt + completion,
    reasoning: nested(usage, 'completion_tokens_details', 'reasoning_tokens') || count(usage.reasoning_tokens),
    cacheRead:
      nested(usage, 'prompt_tokens_details', 'cached_tokens') ||
      count(usage.cache_read_tokens) ||
      count(usage.cached_tokens),
    cacheWrite: count(usage.cache_write_tokens),
  }
}
