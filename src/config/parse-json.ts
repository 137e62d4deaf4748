import { childPath } from './problems.ts'
import { type SourceText, type SourceTree, TreeBuilder } from './source-text.ts'

/**
 * Strict JSON (RFC 8259) as plain data with positions. `JSON.parse` knows neither where a value stands nor that a key
 * came twice, and YAML parsers accept far more than JSON; hence a parser of its own.
 */
export function parseJson(source: SourceText): SourceTree {
  const tree = new TreeBuilder(source)
  const parser = new Parser(source.text, tree)
  let value: unknown
  try {
    value = parser.document()
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error
    tree.report(error.offset, '', error.message)
  }
  return tree.done(value)
}

/** Ends the parse: after a syntax error nothing that follows has a meaning. */
class SyntaxFault extends Error {
  readonly offset: number
  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const escapeSequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const word = /[A-Za-z0-9_$]+/y

class Parser {
  readonly #text: string
  readonly #tree: TreeBuilder
  #at = 0

  constructor(text: string, tree: TreeBuilder) {
    this.#text = text
    this.#tree = tree
  }

  document(): unknown {
    const value = this.#value('', 0)
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail('nothing may follow the top-level value')
    return value
  }

  #value(path: string, depth: number): unknown {
    this.#skipSpace()
    if (!this.#tree.enter(this.#at, path, depth)) throw new SyntaxFault(this.#at, 'the file is not read any further')
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(path, depth)
    if (first === '[') return this.#list(path, depth)
    if (first === '"') return this.#string()
    if (first === '-' || (first >= '0' && first <= '9')) return this.#number(path)
    const literal = this.#match(word)
    if (literal === 'true') return true
    if (literal === 'false') return false
    if (literal === 'null') return null
    this.#at -= literal?.length ?? 0
    return this.#fail(literal === null ? 'a value is missing' : `${literal.slice(0, 40)} is not a JSON value`)
  }

  #object(path: string, depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    const own = new Set<string>()
    this.#at++
    if (this.#take('}')) return object
    do {
      this.#skipSpace()
      const offset = this.#at
      if (this.#text[offset] === '}') this.#fail('a trailing comma is not allowed in JSON')
      if (this.#text[offset] !== '"') this.#fail('a key in double quotes is missing')
      const name = this.#string()
      if (!this.#take(':')) this.#fail('a colon is missing')
      const child = this.#tree.key(name, offset, path, own)
      const value = this.#value(child ?? childPath(path, name), depth + 1)
      if (child === null) continue
      own.add(name)
      object[name] = value
    } while (this.#take(','))
    if (!this.#take('}')) this.#fail('a comma or } is missing')
    return object
  }

  #list(path: string, depth: number): unknown[] {
    const list: unknown[] = []
    this.#at++
    if (this.#take(']')) return list
    do {
      this.#skipSpace()
      if (this.#text[this.#at] === ']') this.#fail('a trailing comma is not allowed in JSON')
      list.push(this.#value(childPath(path, list.length), depth + 1))
    } while (this.#take(','))
    if (!this.#take(']')) this.#fail('a comma or ] is missing')
    return list
  }

  #string(): string {
    const start = this.#at++
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x22) break
      if (code === 0x5c) {
        if (this.#match(escapeSequence) === null) this.#fail('this escape does not exist in JSON')
        continue
      }
      if (Number.isNaN(code)) this.#failAt(start, 'this text is not closed')
      if (code < 0x20) this.#fail('text must not contain a line break or control character')
      this.#at++
    }
    return JSON.parse(this.#text.slice(start, ++this.#at)) as string
  }

  #number(path: string): number {
    const offset = this.#at
    const literal = this.#match(number)
    if (literal === null) return this.#fail('this is not a JSON number')
    const value = Number(literal)
    if (!Number.isFinite(value)) this.#tree.report(offset, path, 'this number is too large')
    return value
  }

  #take(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipSpace(): void {
    space.lastIndex = this.#at
    space.test(this.#text)
    this.#at = space.lastIndex
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at = pattern.lastIndex
    return found[0]
  }

  #fail(message: string): never {
    throw new SyntaxFault(this.#at, message)
  }

  #failAt(offset: number, message: string): never {
    throw new SyntaxFault(offset, message)
  }
}
