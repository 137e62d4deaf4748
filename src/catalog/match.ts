import { isObject, type Json } from '../core/json.ts'

/**
 * Which ids are a model's. Ids and texts are lower case. No regular expressions: a catalog may come from elsewhere, and
 * they could be made to take for ever. In a `pattern`, `#` stands for one digit.
 */
export type Match =
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  /** From the start of the id; `whole`: to its end. */
  | { readonly pattern: string; readonly whole: boolean }
  /** No part of the id between hyphens, other than the first, is this. */
  | { readonly without_part: string }
  | { readonly or: readonly Match[] }
  | { readonly and: readonly Match[] }

export function matches(match: Match, id: string): boolean {
  if ('equals' in match) return id === match.equals
  if ('starts_with' in match) return id.startsWith(match.starts_with)
  if ('ends_with' in match) return id.endsWith(match.ends_with)
  if ('contains' in match) return id.includes(match.contains)
  if ('pattern' in match) return fits(id, match.pattern, match.whole)
  if ('without_part' in match) return !id.split('-').includes(match.without_part, 1)
  if ('or' in match) return match.or.some(inner => matches(inner, id))
  return match.and.every(inner => matches(inner, id))
}

function fits(id: string, pattern: string, whole: boolean): boolean {
  if (whole ? id.length !== pattern.length : id.length < pattern.length) return false
  for (let i = 0; i < pattern.length; i++) {
    const c = id.charCodeAt(i)
    if (pattern[i] === '#' ? c < 48 || c > 57 : c !== pattern.charCodeAt(i)) return false
  }
  return true
}

/** The ids that a match names in full; they are found without trying each model in turn. */
export function namedIds(match: Match): string[] {
  if ('equals' in match) return [match.equals]
  return 'or' in match ? match.or.flatMap(namedIds) : []
}

/** What is left to try for ids that no match names in full; null = nothing. */
export function unnamedPart(match: Match): Match | null {
  if ('equals' in match) return null
  if (!('or' in match)) return match
  const rest = match.or.map(unnamedPart).filter(inner => inner !== null)
  return rest.length === 0 ? null : rest.length === 1 ? rest[0] : { or: rest }
}

const mostInner = 256
const longestText = 512

/** Throws with the reason when it is none. */
export function parseMatch(value: Json | undefined, depth = 0): Match {
  if (!isObject(value) || depth > 4) throw new TypeError('match: not a rule')
  for (const key of ['equals', 'starts_with', 'ends_with', 'contains', 'without_part'] as const)
    if (value[key] !== undefined) return { [key]: parseText(value[key]) } as unknown as Match
  if (value.pattern !== undefined) return { pattern: parseText(value.pattern), whole: value.whole === true }
  for (const key of ['or', 'and'] as const) {
    const inner = value[key]
    if (!Array.isArray(inner) || inner.length === 0 || inner.length > mostInner) continue
    return { [key]: inner.map(one => parseMatch(one, depth + 1)) } as unknown as Match
  }
  throw new TypeError('match: not a rule')
}

function parseText(value: Json | undefined): string {
  if (typeof value !== 'string' || value === '' || value.length > longestText) throw new TypeError('match: not a text')
  return value.toLowerCase()
}
