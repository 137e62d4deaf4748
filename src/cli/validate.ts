import { dirname } from 'node:path'
import { demo, providers } from '../../providers/index.ts'
import { compileConfig } from '../config/compile.ts'
import { type Environment, readEnvironment } from '../config/env.ts'
import { referencesIn, type Variables } from '../config/interpolate.ts'
import { loadInThread } from '../config/load-in-thread.ts'
import { byPosition, childPath, formatProblems, locateProblems, type Problem, problem } from '../config/problems.ts'
import type { Config } from '../config/schema.ts'
import { isObject } from '../core/json.ts'
import type { Provider } from '../core/provider.ts'
import type { ThreadEntries } from '../serve.ts'
import { note, painter, print } from './terminal.ts'

export async function validateCommand(file: string, entries: ThreadEntries): Promise<number> {
  const { problems, warnings, summary } = await validate(file, entries.configLoader)
  const paint = painter(process.stderr)
  if (warnings.length > 0) {
    const marked = warnings.map(found => ({ ...found, message: `${paint('yellow', 'warning:')} ${found.message}` }))
    await note(`${formatProblems(file, marked)}\n`)
  }
  if (problems.length > 0) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    await note(`${formatProblems(file, problems)}\n${paint('red', '[X]')} ${count} in ${file}\n`)
    return 1
  }
  await print(`${painter(process.stdout)('green', '[OK]')} ${file}: ${summary}\n`)
  return 0
}

interface Verdict {
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
  readonly summary: string
}

/** What `serve` does with the file, in an environment that has every credential and variable it asks for. */
async function validate(file: string, loader: URL): Promise<Verdict> {
  const { result, keys } = await loadInThread({ worker: loader, file, providers })
  if (!result.ok) return { problems: result.problems, warnings: [], summary: '' }
  const { config, positions } = result
  const references = referencesOf(config, process.env)
  const isLiteral = ({ path }: Reference): boolean => result.warnings.some(warning => warning.path === path)
  const unset = references.filter(reference => reference.value === '' && !isLiteral(reference))
  const compiled = compileConfig({
    config,
    keys,
    env: completeEnvironment(references),
    providers,
    fallbackProvider: demo,
    version: 1,
    cores: 1,
    startedUnixMs: 0,
    recordRequests: false,
    directory: dirname(file),
  })
  // A made-up value says nothing about the real one.
  const problems = compiled.ok
    ? []
    : compiled.problems.filter(({ path }) => !unset.some(place => covers(path, place.path)))
  const unchecked = unset.map(({ path, name }) =>
    problem(path, `\${${name}} has no value here, so this is not checked`),
  )
  const warnings = [...unchecked, ...(compiled.ok ? compiled.warnings : [])]
  const { targets, strategy } = config
  return {
    problems: locateProblems(problems, positions),
    warnings: [...result.warnings, ...locateProblems(warnings, positions)].sort(byPosition),
    summary: `${targets.length === 1 ? '1 target' : `${targets.length} targets`}, strategy ${strategy?.mode ?? 'single'}`,
  }
}

const standIn = 'https://stand-in.invalid'
/** What is no address: a key, a project, a region, a deployment. */
const plainStandIn = 'stand-in'

/**
 * Credentials are the business of the place where it runs: all are there. Of the variables only those the file names
 * are looked at; what else is set here says nothing about the file.
 */
function completeEnvironment(references: readonly Reference[]): Environment {
  const neutral = readEnvironment({}, { exists: () => false })
  if (!neutral.ok) throw new Error('an empty environment was refused')
  const needed = providers.flatMap(neededVariables)
  const named = references.map(({ name, value }) => [name, value === '' ? standIn : value])
  return { ...neutral.env, variables: Object.fromEntries([...needed, ...named]) }
}

const neededVariables = ({ settings, needsOneOf = [] }: Provider): [name: string, value: string][] =>
  Object.entries(settings).flatMap(([name, { env, default: fallback, required, secret }]) => {
    const isNeeded = fallback === undefined && (required ?? secret) === true
    return env !== undefined && (isNeeded || name === needsOneOf[0])
      ? [[env, name === 'baseUrl' ? standIn : plainStandIn]]
      : []
  })

interface Reference {
  readonly path: string
  readonly name: string
  /** '' when it has none here. */
  readonly value: string
}

function referencesOf(config: Config, variables: Variables): Reference[] {
  const found: Reference[] = []
  const look = (value: unknown, path: string): void => {
    if (typeof value === 'string') {
      for (const name of referencesIn(value)) found.push({ path, name, value: variables[name] ?? '' })
    } else if (Array.isArray(value)) for (const [index, item] of value.entries()) look(item, childPath(path, index))
    else if (isObject(value)) for (const [key, item] of Object.entries(value)) look(item, childPath(path, key))
  }
  look(config, '')
  return found
}

/** A problem is shown at the value itself, or at the map around it (a passphrase that does not open its key). */
const covers = (path: string, inner: string): boolean => path !== '' && (inner === path || inner.startsWith(`${path}.`))
