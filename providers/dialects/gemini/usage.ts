import type { Usage } from '../../../src/core/chat.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'

/** `promptTokenCount` has the cached ones in it; thoughts, and what Google's tools read, are counted apart. */
export function toUsage(metadata: JsonObject): Usage {
  const reasoning = count(metadata.thoughtsTokenCount)
  const prompt = count(metadata.promptTokenCount) + count(metadata.toolUsePromptTokenCount)
  const completion = count(metadata.candidatesTokenCount) + reasoning
  return {
    prompt,
    completion,
    total: prompt + completion,
    reasoning,
    cacheRead: count(metadata.cachedContentTokenCount),
    cacheWrite: 0,
  }
}
