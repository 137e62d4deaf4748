import { noUsage, type Usage } from '../../../src/core/chat.ts'
import { isObject, type Json } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'

/** `tokens` is what the model read and wrote, with the vendor's own additions to the prompt; `billed_units` what is paid for. */
export function toUsage(report: Json | undefined): Usage {
  const usage = isObject(report) ? report : {}
  const billed = isObject(usage.billed_units) ? usage.billed_units : {}
  const counted = isObject(usage.tokens) ? usage.tokens : billed
  const prompt = count(counted.input_tokens)
  const completion = count(counted.output_tokens)
  return {
    ...noUsage,
    prompt,
    completion,
    total: prompt + completion,
    cacheRead: Math.min(count(usage.cached_tokens), prompt),
    searchUnits: count(billed.search_units),
  }
}
