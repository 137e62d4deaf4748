import { noUsage, type Usage } from '../../src/core/chat.ts'
import type { JsonObject } from '../../src/core/json.ts'

/** Of pictures that took several calls. */
export const sumUsage = (a: Usage, b: Usage): Usage => ({
  ...noUsage,
  prompt: a.prompt + b.prompt,
  completion: a.completion + b.completion,
  total: a.total + b.total,
  reasoning: a.reasoning + b.reasoning,
  cacheRead: a.cacheRead + b.cacheRead,
  imageIn: a.imageIn + b.imageIn,
  imageOut: a.imageOut + b.imageOut,
})

/** As OpenAI says it beside its pictures; nothing when there is none. https://platform.openai.com/docs/api-reference/images/object */
export const pictureUsage = ({ prompt, completion, total, imageIn }: Usage): { usage?: JsonObject } =>
  total === 0
    ? {}
    : {
        usage: {
          input_tokens: prompt,
          input_tokens_details: { text_tokens: Math.max(0, prompt - imageIn), image_tokens: imageIn },
          output_tokens: completion,
          total_tokens: total,
        },
      }
