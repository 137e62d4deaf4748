import { extname } from 'node:path'
import type * as z from 'zod'
import { isObject, type JsonObject } from '../core/json.ts'
import { checkAvailability } from './availability.ts'
import { referencesIn } from './interpolate.ts'
import { parseJson } from './parse-json.ts'
import { parseYaml } from './parse-yaml.ts'
import {
  byPosition,
  childPath,
  locateProblems,
  type Path,
  type Positions,
  type Problem,
  pathText,
  problem,
} from './problems.ts'
import { checkRules } from './rules.ts'
import { type Config, createConfigSchema, fixedTargetKeys, type ProviderSettings } from './schema.ts'
import { largestFileBytes, SourceText, type SourceTree } from './source-text.ts'
import { didYouMean } from './suggest.ts'

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly positions: Positions; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Checks a config file completely. The result is plain data and may cross threads. */
export function loadConfig(
  content: string | Uint8Array,
  file: string,
  providers: readonly ProviderSettings[],
): LoadResult {
  const parse = { '.json': parseJson, '.yaml': parseYaml, '.yml': parseYaml }[extname(file).toLowerCase()]
  if (parse === undefined) return refuse('unsupported config file extension; use .yaml, .yml or .json')
  const text = decode(content)
  if (typeof text !== 'string') return refuse(text.refused)
  const source = new SourceText(text)
  const nul = text.indexOf('\0')
  if (nul !== -1) return { ok: false, problems: [source.problem(nul, '', 'the file contains a NUL byte')] }

  const tree = parse(source)
  if (tree.problems.length > 0) return { ok: false, problems: [...tree.problems].sort(byPosition) }
  const root = tree.value ?? {}
  if (!isObject(root)) return { ok: false, problems: [source.problem(0, '', 'the file must hold a map of settings')] }

  const schema = createConfigSchema(providers)
  const config = structuredClone(root)
  const problems = locate(checkConfig(config, schema, providers), tree, source)
  if (problems.length > 0) return { ok: false, problems: problems.sort(byPosition) }
  const positions: Positions = Object.fromEntries(
    [...tree.values].map(([path, offset]) => [path, source.position(offset)]),
  )
  const warnings = locateProblems(warningsOf(config), positions).sort(byPosition)
  return { ok: true, config: config as unknown as Config, positions, warnings }
}

const refuse = (message: string): LoadResult => ({ ok: false, problems: [problem('', message)] })

function decode(content: string | Uint8Array): string | { refused: string } {
  const size = typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength
  if (size > largestFileBytes) return { refused: `the file is larger than ${largestFileBytes / 1024 / 1024} MiB` }
  if (typeof content === 'string') return content.startsWith('\uFEFF') ? content.slice(1) : content
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch (error) {
    if (error instanceof TypeError) return { refused: 'the file is not UTF-8 text' }
    throw error
  }
}

/** Everything that is wrong with a config, as paths. Empty values that mean nothing are taken out of it. */
function checkConfig(config: JsonObject, schema: z.ZodType, providers: readonly ProviderSettings[]): Problem[] {
  if (config.apiVersion === '') delete config.apiVersion
  if (isObject(config.strategy) && config.strategy.mode === '') delete config.strategy.mode
  const check = () => schema.safeParse(config, { error: describeIssue }).error?.issues ?? []
  let issues = check()
  // `plugins:` with every line below it commented out is the same as none.
  const empty = issues.filter(issue => isEmptySection(issue, config))
  for (const { path } of empty) delete (valueAt(config, path.slice(0, -1) as Path) as JsonObject)[path.at(-1) as string]
  if (empty.length > 0) issues = check()

  const problems = issues.flatMap(issue => {
    const path = issue.path as Path
    if (issue.code !== 'unrecognized_keys')
      return [problem(pathText(path), issue.message, hintOf(issue, valueAt(config, path)))]
    const known = knownKeys(schema, path)
    return issue.keys.map(key => problem(pathText([...path, key]), 'unknown key', didYouMean(key, known)))
  })
  return [...problems, ...checkRules(config, providers, fixedTargetKeys), ...checkAvailability(config)]
}

const isEmptySection = (issue: z.core.$ZodIssue, config: JsonObject): boolean =>
  issue.code === 'invalid_type' &&
  ['array', 'object', 'record'].includes(issue.expected) &&
  typeof issue.path.at(-1) === 'string' &&
  valueAt(config, issue.path as Path) === null

type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

/** Our words for what zod found; a schema's own message wins over these. */
function describeIssue(issue: RawIssue): string | undefined {
  const { input } = issue
  switch (issue.code) {
    case 'invalid_type':
      if (input === undefined) return 'is required'
      return `must be ${typeNames[issue.expected] ?? issue.expected}, not ${issue.expected === 'int' ? input : describeType(input)}`
    case 'invalid_value':
      if (input === undefined) return 'is required'
      return `${typeof input === 'string' ? `unknown value "${input.slice(0, 60)}"` : `unknown value, ${describeType(input)}`}; it must be one of ${issue.values.join(', ')}`
    case 'too_small':
      if (typeof input === 'string') return 'must not be empty'
      return `must be at least ${issue.minimum}, not ${input}`
    case 'too_big':
      return `must be at most ${issue.maximum}, not ${input}`
    default:
      return undefined
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
}

/** Never repeats what was written: it may be a credential in the wrong place. */
function describeType(value: unknown): string {
  if (value === null) return 'empty'
  if (typeof value === 'string') return 'text'
  if (Array.isArray(value)) return 'a list'
  return isObject(value) ? 'a map' : `a ${typeof value}`
}

function hintOf(issue: z.core.$ZodIssue, value: unknown): string | undefined {
  if (issue.code === 'invalid_value' && typeof value === 'string') return didYouMean(value, issue.values.map(String))
  if (issue.code !== 'invalid_type') return undefined
  if (issue.message.startsWith('must be text') && (typeof value === 'number' || typeof value === 'boolean'))
    return 'put it in quotes'
  const wantsNumber = ['number', 'int'].includes(issue.expected) && typeof value === 'string'
  return wantsNumber && value.trim() !== '' && !Number.isNaN(Number(value)) ? 'leave the quotes out' : undefined
}

const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[part] : undefined,
    root,
  )

/** The keys a map at `path` may have. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let at: unknown = schema
  for (const part of [...path, null]) {
    let definition = definitionOf(at)
    while (definition.type === 'optional') definition = definitionOf(definition.innerType)
    if (part === null) return Object.keys(definition.shape ?? {})
    at = definition.shape?.[part] ?? definition.element ?? definition.valueType
  }
  return []
}

interface Definition {
  readonly type?: string
  readonly innerType?: unknown
  readonly element?: unknown
  readonly valueType?: unknown
  readonly shape?: Readonly<Record<string | number, unknown>>
}

const definitionOf = (schema: unknown): Definition => (schema as { def?: Definition } | undefined)?.def ?? {}

/** An unknown key is shown where the key stands, everything else where the value does. */
function locate(problems: readonly Problem[], tree: SourceTree, source: SourceText): Problem[] {
  const positions: Record<string, [number, number]> = { '': [1, 1] }
  for (const [path, offset] of tree.values) positions[path] = source.position(offset)
  return problems.map(found => {
    const keyOffset = tree.keys.get(found.path)
    if (keyOffset !== undefined && found.message === 'unknown key')
      return source.problem(keyOffset, found.path, found.message, found.hint)
    return locateProblems([found], positions)[0]
  })
}

/** What is accepted but probably not meant. */
function warningsOf(config: JsonObject): Problem[] {
  const warnings: Problem[] = []
  if (config.apiVersion !== undefined && config.apiVersion !== 'v1') {
    warnings.push(problem('apiVersion', `"${String(config.apiVersion)}" is read as v1, the only version there is`))
  }
  eachText(config, '', (path, text) => {
    const names = resolvesReferences(path) ? [] : referencesIn(text)
    if (names.length > 0)
      warnings.push(problem(path, `\${${names[0]}} is taken literally: variables are not resolved here`))
  })
  return warnings
}

const referencePlaces =
  /^(?:server\.tls\.passphrase|upstream\.proxy|plugins\[\d+\]\.config|mcp_servers\[\d+\]\.(?:headers|env)|observability\.(?:tracing\.headers|exporters\[\d+\]\.config))(?:$|[.[])/

function resolvesReferences(path: string): boolean {
  const targetSetting = /^targets\[\d+\]\.([^.[]+)$/.exec(path)?.[1]
  if (targetSetting !== undefined) return targetSetting === 'proxy' || !fixedTargetKeys.has(targetSetting)
  return referencePlaces.test(path)
}

function eachText(value: unknown, path: string, visit: (path: string, text: string) => void): void {
  if (typeof value === 'string') visit(path, value)
  const children: readonly [string | number, unknown][] = Array.isArray(value)
    ? [...value.entries()]
    : isObject(value)
      ? Object.entries(value)
      : []
  for (const [key, item] of children) eachText(item, childPath(path, key), visit)
}
