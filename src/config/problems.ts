/** What is wrong at one place of the config, the environment or a keys file. Lines and columns start at 1; 0 = no place in a file. */
export interface Problem {
  /** `targets[0].retry.attempts`, or the name of an environment variable; '' for the file as a whole. */
  readonly path: string
  readonly line: number
  readonly column: number
  readonly message: string
  /** What would probably be right, as a clause: `did you mean "retry"?` */
  readonly hint?: string
}

export type Path = readonly (string | number)[]

/** Line and column by path, for the values of one file. */
export type Positions = Readonly<Record<string, readonly [line: number, column: number]>>

/** A file with more problems than this is the wrong file; the rest is only counted. */
const mostShown = 100

const plainKey = /^[A-Za-z_][A-Za-z0-9_-]*$/

export function pathText(path: Path): string {
  let text = ''
  for (const part of path) text = childPath(text, part)
  return text
}

export function childPath(parent: string, part: string | number): string {
  if (typeof part === 'number') return `${parent}[${part}]`
  if (!plainKey.test(part)) return `${parent}[${JSON.stringify(part)}]`
  return parent === '' ? part : `${parent}.${part}`
}

export const problem = (path: string, message: string, hint?: string): Problem =>
  hint === undefined ? { path, line: 0, column: 0, message } : { path, line: 0, column: 0, message, hint }

/** Gives each problem that has no place yet the place of its path, or of the nearest parent that has one. */
export function locateProblems(problems: readonly Problem[], positions: Positions): Problem[] {
  return problems.map(found => {
    if (found.line > 0) return found
    for (let path = found.path; ; path = parentPath(path)) {
      const position = Object.hasOwn(positions, path) ? positions[path] : undefined
      if (position !== undefined) return { ...found, line: position[0], column: position[1] }
      if (path === '') return found
    }
  })
}

/** Keys may contain brackets and dots inside quotes; cutting them in the wrong place only skips to a parent further up. */
function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.'), path.lastIndexOf('[')))
}

/** One line per problem, as a compiler prints them: `config.yaml:12:5 targets[0].weight: must be at least 0`. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  const lines = problems.slice(0, mostShown).map(({ path, line, column, message, hint }) => {
    const place = line > 0 ? `${file}:${line}:${column}` : `${file}:`
    const subject = path === '' ? '' : ` ${path}`
    return `${place}${subject}${line > 0 || path !== '' ? ':' : ''} ${message}${hint === undefined ? '' : `; ${hint}`}`
  })
  if (problems.length > mostShown) lines.push(`… and ${problems.length - mostShown} more`)
  return lines.join('\n')
}

export const byPosition = (a: Problem, b: Problem): number => a.line - b.line || a.column - b.column
