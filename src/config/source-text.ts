import { childPath, type Problem } from './problems.ts'

/** More than any sensible config; keeps a wrong file from holding the loader for long. */
export const largestFileBytes = 4 * 1024 * 1024
/** Values after aliases are expanded, and how deep they nest. */
export const mostValues = 200_000
export const deepestNesting = 64

/** A parsed file: plain data, and where each of its keys and values stands. */
export interface SourceTree {
  readonly value: unknown
  /** Offset of a value by path. */
  readonly values: ReadonlyMap<string, number>
  /** Offset of a key by the path of its value. */
  readonly keys: ReadonlyMap<string, number>
  readonly problems: readonly Problem[]
}

/** Turns offsets into lines and columns. */
export class SourceText {
  readonly text: string
  readonly #lineStarts: number[] = [0]

  constructor(text: string) {
    this.text = text
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1)
  }

  position(offset: number): [line: number, column: number] {
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#lineStarts[middle] <= offset) low = middle
      else high = middle - 1
    }
    return [low + 1, offset - this.#lineStarts[low] + 1]
  }

  problem(offset: number, path: string, message: string, hint?: string): Problem {
    const [line, column] = this.position(Math.min(offset, this.text.length))
    return hint === undefined ? { path, line, column, message } : { path, line, column, message, hint }
  }
}

/** What both parsers fill while they walk a file. */
export class TreeBuilder {
  readonly values = new Map<string, number>()
  readonly keys = new Map<string, number>()
  readonly problems: Problem[] = []
  readonly source: SourceText
  #left = mostValues

  constructor(source: SourceText) {
    this.source = source
  }

  report(offset: number, path: string, message: string, hint?: string): void {
    this.problems.push(this.source.problem(offset, path, message, hint))
  }

  done(value: unknown): SourceTree {
    return { value, values: this.values, keys: this.keys, problems: this.problems }
  }

  /** Notes where a value stands. False when the file holds too much to go on; said once. */
  enter(offset: number, path: string, depth: number): boolean {
    this.values.set(path, offset)
    if (depth > deepestNesting) {
      this.report(offset, path, `values may nest at most ${deepestNesting} deep`)
      return false
    }
    if (this.#left > 0) {
      this.#left--
      return true
    }
    if (this.#left === 0) {
      this.#left--
      this.report(offset, path, `the file expands to more than ${mostValues} values`)
    }
    return false
  }

  /** The path of a key's value, or null when the key can't be taken. */
  key(name: string, offset: number, parent: string, taken: ReadonlySet<string>): string | null {
    const path = childPath(parent, name)
    if (name === '__proto__') {
      this.report(offset, path, 'this key is not allowed')
      return null
    }
    if (taken.has(name)) {
      const [line] = this.source.position(this.keys.get(path) ?? 0)
      this.report(offset, path, `duplicate key; the first one is in line ${line}`)
      return null
    }
    this.keys.set(path, offset)
    return path
  }
}
