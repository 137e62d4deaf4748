import { dirname } from 'node:path'
import type { Worker } from 'node:worker_threads'
import type { Allocation } from '../config/allocation.ts'
import { type CompileInput, type CompileResult, compileConfig } from '../config/compile.ts'
import type { Environment } from '../config/env.ts'
import { loadInThread } from '../config/load-in-thread.ts'
import { formatProblems, locateProblems, type Problem } from '../config/problems.ts'
import type { Provider } from '../core/provider.ts'

/** Reads and compiles the config, at start and at every reload. */
export interface SettingsSource {
  readonly file: string
  readonly env: Environment
  readonly providers: readonly Provider[]
  readonly fallbackProvider: Provider
  readonly loader: URL | Worker
  readonly cores: number
  readonly startedUnixMs: number
  readonly recordRequests: boolean
  /** What is known of models, at each compile: in force, and said by upstreams. */
  models?(): Pick<CompileInput, 'catalog' | 'discovered'>
}

export type Settings = Extract<CompileResult, { ok: true }> & {
  /** `contentHash` of the config file, and of the keys file it names. */
  readonly hash: string
  readonly keysHash: string
}

export interface SettingsProblems {
  readonly problems: readonly Problem[]
  /** As a compiler prints them. */
  readonly text: string
}

export async function readSettings(
  source: SettingsSource,
  version: number,
  previous?: Allocation,
): Promise<Settings | SettingsProblems> {
  const { file, providers } = source
  const loaded = file === '' ? null : await loadInThread({ worker: source.loader, file, providers })
  if (loaded !== null && !loaded.result.ok) return refused(file, loaded.result.problems)
  const config = loaded?.result.ok ? loaded.result.config : null
  const positions = loaded?.result.ok ? loaded.result.positions : {}
  const compiled = compileConfig({
    config,
    keys: loaded?.keys,
    env: source.env,
    providers,
    fallbackProvider: source.fallbackProvider,
    previous,
    version,
    cores: source.cores,
    startedUnixMs: source.startedUnixMs,
    recordRequests: source.recordRequests,
    ...source.models?.(),
    ...(file === '' ? {} : { directory: dirname(file) }),
  })
  if (!compiled.ok) return refused(file || 'environment', locateProblems(compiled.problems, positions))
  const found = loaded?.result.ok ? loaded.result.warnings : []
  return {
    ...compiled,
    warnings: [...found, ...locateProblems(compiled.warnings, positions)],
    hash: loaded?.hash ?? '',
    keysHash: loaded?.keys?.ok ? loaded.keys.hash : '',
  }
}

const refused = (file: string, problems: readonly Problem[]): SettingsProblems => ({
  problems,
  text: formatProblems(file, problems),
})

export const isRefused = (result: Settings | SettingsProblems): result is SettingsProblems => 'text' in result
