import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { Effort } from '../chat-request.ts'
import type { Traits } from './models.ts'

/** How hard a model thinks and how freely it chooses its words, which exclude each other in part. */

/** Tokens to think with. */
const budgets: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 30_000,
}
const smallestBudget = 1024
const largestShare = 0.8

/** false: this model, or this request, has no place for it. */
export function think(body: JsonObject, effort: Effort, traits: Traits, resumesWithoutThoughts: boolean): boolean {
  if (effort === 'none') {
    if (!traits.thinksByDefault) return true
    if (traits.thinkingOff === null) addEffort(body, 'low')
    else body.thinking = { type: traits.thinkingOff }
    return true
  }
  if (traits.thinking === 'none') return false
  const isForced = isObject(body.tool_choice) && (body.tool_choice.type === 'any' || body.tool_choice.type === 'tool')
  if (traits.thinking === 'adaptive') {
    addEffort(body, effort === 'minimal' ? 'low' : effort === 'xhigh' && !traits.xhigh ? 'high' : effort)
    // Thinking and a forced call exclude each other; the effort is good for both.
    if (!isForced) body.thinking = { type: 'adaptive', ...(traits.hidesThoughts && { display: 'summarized' }) }
    return true
  }
  // A turn that has begun without thoughts can't go on with them.
  if (isForced || resumesWithoutThoughts) return false
  const limit = Number(body.max_tokens)
  // The ceiling counts thoughts too, and some of it is for what the client reads; a small one is all for that.
  const budget = Math.min(budgets[effort], Math.floor(limit * largestShare))
  if (budget < smallestBudget) body.max_tokens = limit + smallestBudget
  body.thinking = { type: 'enabled', budget_tokens: Math.max(budget, smallestBudget) }
  return true
}

function addEffort(body: JsonObject, effort: string): void {
  body.output_config = { effort, ...(isObject(body.output_config) && body.output_config) }
}

/** Temperature and its kin, as far as the model takes them. */
export function sample(request: JsonObject, body: JsonObject, traits: Traits, omitted: string[]): void {
  const { temperature, top_p } = request
  const thinks = isObject(body.thinking) && body.thinking.type !== 'disabled'
  if (typeof temperature === 'number') {
    // Up to 2 is OpenAI's scale. A thinking model takes nothing but 1, which is what it does anyway.
    if (traits.sampling !== 'none' && !thinks) body.temperature = Math.min(temperature, 1)
    else if (temperature !== 1) omitted.push('temperature')
  }
  if (typeof top_p === 'number') {
    if (traits.sampling === 'none' || (traits.sampling === 'one' && body.temperature !== undefined)) {
      if (top_p !== 1) omitted.push('top_p')
    } else if (!thinks || top_p >= 0.95) body.top_p = top_p
    else omitted.push('top_p')
  }
  if (body.top_k !== undefined && (thinks || traits.sampling === 'none')) {
    delete body.top_k
    omitted.push('top_k')
  }
}
