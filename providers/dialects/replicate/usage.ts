import { noUsage, type Usage } from '../../../src/core/chat.ts'
import { isObject, type Json } from '../../../src/core/json.ts'
import { count } from '../chat-answer.ts'

/** Of a prediction's metrics; models that know no tokens report none. */
export function toUsage(metrics: Json | undefined): Usage {
  if (!isObject(metrics)) return noUsage
  const prompt = count(metrics.input_token_count)
  const completion = count(metrics.output_token_count)
  return { ...noUsage, prompt, completion, total: prompt + completion }
}
