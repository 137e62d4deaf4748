import { noUsage, type Usage } from '../../../src/core/chat.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'

/**
 * `inputTokens` leaves out what was read from the cache; the prompt of every other provider has it. What was written to
 * it is in neither. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
 */
export function toUsage(usage: JsonObject): Usage {
  const cacheRead = count(usage.cacheReadInputTokens)
  const prompt = count(usage.inputTokens) + cacheRead
  const completion = count(usage.outputTokens)
  const writes = Array.isArray(usage.cacheDetails) ? usage.cacheDetails.filter(isObject) : []
  return {
    ...noUsage,
    prompt,
    completion,
    total: prompt + completion,
    cacheRead,
    cacheWrite: count(usage.cacheWriteInputTokens),
    cacheWrite1h: count(writes.find(({ ttl }) => ttl === '1h')?.inputTokens),
  }
}
