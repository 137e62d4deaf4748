import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  Parser,
  Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { childPath } from './problems.ts'
import { deepestNesting, type SourceText, type SourceTree, TreeBuilder } from './source-text.ts'

/** Open brackets, maps and lists at one place of the text; a value takes one or two. */
const deepestStack = 4 * deepestNesting

/**
 * YAML 1.2 as plain data with positions. The walk is ours, not the library's `toJS`, because it also bounds alias
 * expansion, sees duplicate keys in linear time, refuses values that JSON doesn't have, and knows where each one stands.
 */
export function parseYaml(source: SourceText): SourceTree {
  const tree = new TreeBuilder(source)
  const document = compose(tree)
  // What follows a syntax error means nothing.
  if (document === null || tree.problems.length > 0) return tree.done(undefined)
  return tree.done(new Walk(tree).convert(document.contents as Node | null, '', 0))
}

function compose(tree: TreeBuilder): Document.Parsed | null {
  const { text } = tree.source
  const composer = new Composer({ uniqueKeys: false, prettyErrors: false, logLevel: 'silent', schema: 'core' })
  const [document, second] = composer.compose(tokens(tree), true, text.length)
  if (document === undefined || tree.problems.length > 0) return null
  for (const { message, pos } of [...document.errors, ...document.warnings]) tree.report(pos[0], '', oneLine(message))
  if (second !== undefined) tree.report(second.range[0], '', 'a second document is not accepted')
  return document as Document.Parsed
}

/**
 * The composer recurses, and V8 ends the whole process when a regular expression is compiled near the end of the
 * stack; so the depth is bounded here, where the parser still keeps its own stack.
 */
function* tokens(tree: TreeBuilder): Generator<CST.Token> {
  const parser = new Parser()
  for (const lexeme of new Lexer().lex(tree.source.text)) {
    yield* parser.next(lexeme)
    if (parser.stack.length > deepestStack) {
      tree.report(parser.offset, '', `values may nest at most ${deepestNesting} deep`)
      return
    }
  }
  yield* parser.end()
}

const oneLine = (message: string): string => message.replaceAll(/\s+/g, ' ').trim()

class Walk {
  readonly #tree: TreeBuilder
  readonly #anchors = new Map<string, Node>()
  /** Nodes being converted right now: an alias to one of them would never end. */
  readonly #open = new Set<Node>()

  constructor(tree: TreeBuilder) {
    this.#tree = tree
  }

  convert(node: Node | null, path: string, depth: number): unknown {
    const offset = node?.range?.[0] ?? 0
    if (!this.#tree.enter(offset, path, depth) || node === null) return undefined
    if (isAlias(node)) return this.#alias(node, path, depth)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return this.#scalar(node, path)
    this.#open.add(node)
    const value = isMap(node) ? this.#map(node, path, depth) : isSeq(node) ? this.#list(node, path, depth) : undefined
    this.#open.delete(node)
    return value
  }

  #alias(alias: Alias, path: string, depth: number): unknown {
    const node = this.#anchors.get(alias.source)
    const offset = alias.range?.[0] ?? 0
    if (node === undefined) this.#tree.report(offset, path, `there is no anchor &${alias.source} above`)
    else if (this.#open.has(node)) this.#tree.report(offset, path, `*${alias.source} contains itself`)
    else return this.convert(node, path, depth)
    return undefined
  }

  #scalar(node: Scalar, path: string): unknown {
    const { value } = node
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    this.#tree.report(node.range?.[0] ?? 0, path, 'only text, numbers, true, false, maps and lists are accepted')
    return undefined
  }

  #list(node: YAMLSeq, path: string, depth: number): unknown[] {
    return node.items.map((item, index) => this.convert(item as Node, childPath(path, index), depth + 1))
  }

  #map(node: YAMLMap, path: string, depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    // Merge keys first, so that the map's own keys win, in value and in position.
    for (const { key, value } of node.items) if (isMergeKey(key)) this.#merge(object, value as Node, path, depth)
    const own = new Set<string>()
    for (const { key, value } of node.items) {
      if (isMergeKey(key)) continue
      const offset = (key as Node | null)?.range?.[0] ?? node.range?.[0] ?? 0
      if (!isScalar(key) || key.value === null) {
        this.#tree.report(offset, path, 'a key must be plain text')
        continue
      }
      if (key.anchor !== undefined) this.#anchors.set(key.anchor, key)
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
      const child = this.#tree.key(name, offset, path, own)
      if (child === null) continue
      own.add(name)
      object[name] = value === null ? null : this.convert(value as Node, child, depth + 1)
    }
    return object
  }

  /** `<<: *defaults` or `<<: [*a, *b]`, the earlier winning. https://yaml.org/type/merge.html */
  #merge(object: Record<string, unknown>, value: Node | null, path: string, depth: number): void {
    const merged = this.convert(value, path, depth + 1)
    const list = Array.isArray(merged) ? merged : [merged]
    for (const from of list) {
      if (typeof from !== 'object' || from === null || Array.isArray(from)) {
        this.#tree.report(value?.range?.[0] ?? 0, path, '<< takes a map, or a list of maps')
        return
      }
      for (const [name, child] of Object.entries(from)) if (!Object.hasOwn(object, name)) object[name] = child
    }
  }
}

const isMergeKey = (key: unknown): boolean =>
  isScalar(key) &&
  (key.type === Scalar.PLAIN || key.type === undefined) &&
  (key.value === '<<' || typeof key.value === 'symbol')
