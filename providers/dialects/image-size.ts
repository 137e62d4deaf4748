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

/** The one of the vendor's ratios (`16:9`) that is nearest to the size; `''` for `auto`. */
export function toRatio(size: Json | undefined, ratios: readonly string[], refusal: Refusal): string {
  const { width, height } = toSize(size, refusal) as { width?: number; height?: number }
  if (width === undefined || height === undefined) return ''
  const asked = Math.log(width / height)
  const distance = (ratio: string): number => {
    const [across, down] = ratio.split(':').map(Number)
    return Math.abs(Math.log(across / down) - asked)
  }
  return ratios.reduce((best, ratio) => (distance(ratio) < distance(best) ? ratio : best))
}
