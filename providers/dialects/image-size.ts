import type { Json, JsonObject } from '../../src/core/json.ts'
import { type Refusal, text } from './chat-request.ts'

/** OpenAI's `size` for those who want width and height; nothing for `auto`. */
export function toSize(size: Json | undefined, refusal: Refusal): JsonObject {
  if (size === undefined || size === null || size === 'auto') return {}
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(text(size)) ?? []
  if (Number(width) > 0 && Number(height) > 0) return { width: Number(width), height: Number(height) }
  refusal.invalid('size', 'size must be WIDTHxHEIGHT in pixels')
  return {}
}
