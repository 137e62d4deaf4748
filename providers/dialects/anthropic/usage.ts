import { noUsage, type Usage } from '../../../src/core/chat.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'

/** Anthropic's `input_tokens` leaves out what was read from the cache; the prompt of every other provider has it. */
export function toUsage(usage: JsonObject): Usage {
  const cacheRead = count(usage.cache_read_input_tokens)
  const prompt = count(usage.input_tokens) + cacheRead
  const completion = count(usage.output_tokens)
  const details = usage.output_tokens_details
  const written = usage.cache_creation
  return {
    ...noUsage,
    prompt,
    completion,
    total: prompt + completion,
    reasoning: isObject(details) ? count(details.thinking_tokens) : 0,
    cacheRead,
    cacheWrite: count(usage.cache_creation_input_tokens),
    // Writes that last an hour cost more. https://platform.claude.com/docs/en/build-with-claude/prompt-caching
    cacheWrite1h: isObject(written) ? count(written.ephemeral_1h_input_tokens) : 0,
  }
}

/**
 * What a stream has said so far, with a later report laid over it: counts only grow while an answer does (a server
 * tool's results are input), and a report that leaves one out, or has 0 for it, does not take it back.
 */
export function newest(before: JsonObject, report: JsonObject): JsonObject {
  const usage = { ...before }
  for (const [name, value] of Object.entries(report))
    if (value !== null && value !== 0 && value !== undefined) usage[name] = value
  return usage
}
