/** Only the braced form is a reference; every other `$` is text. */
const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g

export type Variables = Readonly<Record<string, string | undefined>>

export interface Resolved {
  readonly text: string
  /** Variables that were used. */
  readonly used: readonly string[]
  /** Variables that are not set; an empty one is set. */
  readonly missing: readonly string[]
}

export function interpolate(text: string, variables: Variables): Resolved {
  const used: string[] = []
  const missing: string[] = []
  const resolved = text.replaceAll(reference, (whole, name: string) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    ;(value === undefined ? missing : used).push(name)
    return value ?? whole
  })
  return { text: resolved, used, missing }
}

export const referencesIn = (text: string): string[] => [...text.matchAll(reference)].map(([, name]) => name)

/** Replaces the references in all texts of a tree of plain data; keys stay as they are. */
export function interpolateDeep(
  value: unknown,
  variables: Variables,
  onText: (path: readonly (string | number)[], resolved: Resolved) => void,
  path: readonly (string | number)[] = [],
): unknown {
  if (typeof value === 'string') {
    const resolved = interpolate(value, variables)
    onText(path, resolved)
    return resolved.text
  }
  if (Array.isArray(value))
    return value.map((item, index) => interpolateDeep(item, variables, onText, [...path, index]))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, interpolateDeep(item, variables, onText, [...path, key])]),
  )
}
