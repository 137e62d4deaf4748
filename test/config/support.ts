import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Allocation, firstAllocation } from '../../src/config/allocation.ts'
import { type CompileInput, type CompileResult, compileConfig } from '../../src/config/compile.ts'
import { type Environment, readEnvironment } from '../../src/config/env.ts'
import { readKeyTable } from '../../src/config/keys-file.ts'
import { type LoadResult, loadConfig } from '../../src/config/load.ts'
import { formatProblems, type Problem } from '../../src/config/problems.ts'
import { type ChatCodec, defineProvider, type Provider } from '../../src/core/provider.ts'

// A registry of its own, so that these tests say what the config does, not what today's providers are.
const chat = {} as ChatCodec

export const openai = defineProvider({
  id: 'openai',
  settings: {
    apiKey: { env: 'OPENAI_API_KEY', secret: true, help: 'from the console' },
    baseUrl: { env: 'OPENAI_BASE_URL', default: 'https://api.openai.com/v1' },
    organization: { env: 'OPENAI_ORGANIZATION' },
  },
  origin: ({ baseUrl }) => baseUrl,
  auth: ({ apiKey }) => (apiKey === '' ? { scheme: 'none' } : { scheme: 'bearer', token: apiKey }),
  codecs: { chat },
  modelPrefixes: ['gpt-'],
  models: ['gpt-4o', 'gpt-4o-mini'],
})

export const compatible = defineProvider({
  id: 'openai-compatible',
  settings: { baseUrl: { required: true }, apiKey: { secret: true, required: false } },
  origin: ({ baseUrl }) => {
    if (baseUrl.includes('forbidden')) throw new Error('this host is forbidden')
    return baseUrl
  },
  auth: ({ apiKey }) => ({ scheme: 'bearer', token: apiKey }),
  codecs: { chat },
  anyModel: true,
})

export const mistral = defineProvider({
  id: 'mistral',
  settings: { apiKey: { env: 'MISTRAL_API_KEY', secret: true }, region: { env: 'MISTRAL_REGION', default: 'eu' } },
  origin: () => 'https://mistral.test/v1',
  auth: ({ apiKey }) => ({ scheme: 'header', name: 'x-api-key', value: apiKey }),
  codecs: { chat },
})

export const demo = defineProvider({
  id: 'demo',
  settings: {},
  origin: () => 'local:demo',
  auth: () => ({ scheme: 'none' }),
  codecs: { chat },
  models: ['demo'],
  anyModel: true,
})

export const providers: readonly Provider[] = [openai, compatible, mistral, demo]

export const load = (text: string | Uint8Array, file = 'config.yaml', registry = providers): LoadResult =>
  loadConfig(text, file, registry)

/** The problems of a refused file, one line each; throws when it was accepted. */
export function refusal(text: string | Uint8Array, file = 'config.yaml'): string[] {
  const result = load(text, file)
  if (result.ok) throw new Error(`accepted: ${String(text).slice(0, 200)}`)
  return formatProblems(file, result.problems).split('\n')
}

export function accepted(
  text: string | Uint8Array,
  file = 'config.yaml',
  registry = providers,
): LoadResult & { ok: true } {
  const result = load(text, file, registry)
  if (!result.ok) throw new Error(formatProblems(file, result.problems))
  return result
}

/** Lines around a minimal valid file. */
export const withTarget = (lines: string): string => `targets:\n  - virtual_key: openai\n${lines}`

export function environment(variables: Record<string, string> = {}): Environment {
  const result = readEnvironment(variables, { exists: () => false })
  if (!result.ok) throw new Error(formatProblems('environment', result.problems))
  return result.env
}

export interface CompileOptions extends Partial<Omit<CompileInput, 'config' | 'env'>> {
  readonly variables?: Record<string, string>
  readonly previous?: Allocation
}

/** Compiles a YAML text (null: no config file) with these variables. */
export function compile(text: string | null, { variables = {}, ...rest }: CompileOptions = {}): CompileResult {
  const config = text === null ? null : accepted(text, undefined, rest.providers).config
  const keysFile = config?.auth?.keys_file
  return compileConfig({
    config,
    keys:
      keysFile === undefined
        ? null
        : readKeyTable(keysFile, () => [Buffer.from((rest.readFile ?? readText)(keysFile))]),
    env: environment(variables),
    providers,
    fallbackProvider: demo,
    previous: firstAllocation,
    version: 1,
    cores: 2,
    startedUnixMs: 0,
    recordRequests: false,
    ...rest,
  })
}

const readText = (file: string): string => readFileSync(file, 'utf8')

export function compiled(text: string | null, options: CompileOptions = {}): CompileResult & { ok: true } {
  const result = compile(text, options)
  if (!result.ok) throw new Error(formatProblems('config', result.problems))
  return result
}

export const lines = (problems: readonly Problem[]): string[] =>
  problems.length === 0 ? [] : formatProblems('', problems).split('\n')

/** `${NAME}`, without writing a template placeholder into a plain string. */
export const ref = (name: string): string => `\${${name}}`

/** The directory of package.json: tests run from a build directory somewhere below it. */
export function repositoryRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'config.example.yaml'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error('config.example.yaml was not found above the tests')
    directory = parent
  }
  return directory
}

/** mulberry32: small, seeded, the same everywhere. */
export function random(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below) | 0
  }
}

/** Waits until `condition` holds; fails after five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`this never came true: ${what}`)
}
