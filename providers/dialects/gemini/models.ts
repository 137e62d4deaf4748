import type { JsonObject } from '../../../src/core/json.ts'
import type { Effort } from '../chat-request.ts'

/** A name may come with the folder it is listed in; a name of its own is below `models`. null: not a name that a path may hold. */
export function modelPath(model: string): string | null {
  const [, folder = 'models', name] = /^(?:(models|tunedModels)\/)?([^/\\\p{Cs}]+)$/u.exec(model) ?? []
  if (name === undefined || name === '.' || name === '..' || name.trim() === '') return null
  return `/${folder}/${encodeURIComponent(name)}`
}

/** 2.5 is 205; a name that tells no generation is taken for the newest, unless it is no Gemini. */
export function generationOf(model: string): number {
  const id = model.toLowerCase()
  const found = /gemini-(\d{1,2})(?:\.(\d{1,2}))?(?!\d)/.exec(id)
  if (found !== null) return Number(found[1]) * 100 + Number(found[2] ?? 0)
  return id.includes('gemini') ? 9900 : 0
}

const budgets: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
}
/** Pro models of 2.5 can't do without. */
const smallestProBudget = 128

const levels: Readonly<Record<Effort, string>> = {
  none: 'minimal',
  minimal: 'minimal',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
}

/** null: a model that doesn't think. https://ai.google.dev/gemini-api/docs/thinking */
export function thinkingConfig(model: string, effort: Effort): JsonObject | null {
  const generation = generationOf(model)
  if (generation < 205) return null
  const shown = effort === 'none' ? {} : { includeThoughts: true }
  if (generation < 300) {
    const isPro = /-pro/.test(model)
    return { thinkingBudget: Math.max(budgets[effort], isPro ? smallestProBudget : 0), ...shown }
  }
  return { thinkingLevel: levelOf(model, levels[effort]), ...shown }
}

/** Levels that some models lack: a 400 each. The nearest is better than that. */
function levelOf(model: string, level: string): string {
  if (level === 'minimal') return /gemini-3-flash|flash-lite/.test(model) ? level : 'low'
  return level === 'medium' && /gemini-3-pro/.test(model) ? 'high' : level
}
