import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DiscoveredModel, Provider } from '../core/provider.ts'
import type { Secret } from '../core/redact.ts'
import type { SnapshotData, TargetData } from '../core/snapshot.ts'
import { type Allocation, allocate, firstAllocation } from './allocation.ts'
import {
  type CompiledTarget,
  checkPem,
  compileTarget,
  type ReadFile,
  readInto,
  resolveText,
  type TargetContext,
  variableOf,
} from './compile-target.ts'
import { defaults } from './defaults.ts'
import type { Environment } from './env.ts'
import type { KeyTable } from './keys-file.ts'
import { childPath, type Problem, problem } from './problems.ts'
import { providerNamed } from './rules.ts'
import type { Config, TargetConfig } from './schema.ts'
import {
  type RuntimeSettings,
  runtimeSettings,
  type ServerSettings,
  type ServerTls,
  serverSettings,
  toMs,
  upstreamSettings,
} from './settings.ts'
import { unknownProvider } from './suggest.ts'

/** A config the loader has accepted, and everything outside it that a snapshot depends on. */
export interface CompileInput {
  /** null: there is no config file; the environment decides. */
  readonly config: Config | null
  readonly env: Environment
  /** What `auth.keys_file` holds; required when the config names one. */
  readonly keys?: KeyTable | null
  readonly providers: readonly Provider[]
  /** Answers when no provider is configured at all. */
  readonly fallbackProvider: Provider
  /** Of the compile before this one. */
  readonly previous?: Allocation
  readonly version: number
  readonly cores: number
  readonly startedUnixMs: number
  readonly recordRequests: boolean
  /** Relative paths in the config start here: the directory of the config file. */
  readonly directory?: string
  /** null: there is none. */
  readonly catalog?: SharedArrayBuffer | null
  /** What the upstream with this fingerprint said it serves. */
  readonly discovered?: (fingerprint: string) => readonly DiscoveredModel[]
  readonly readFile?: ReadFile
}

export type CompileResult =
  | {
      readonly ok: true
      readonly snapshot: SnapshotData
      readonly server: ServerSettings
      readonly runtime: RuntimeSettings
      readonly allocation: Allocation
      /** Absolute paths; a change of one asks for another compile (`keys`) or for new acceptors and connections (`tls`). */
      readonly files: { readonly keys: string; readonly tls: readonly string[] }
      readonly warnings: readonly Problem[]
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export type { RuntimeSettings, ServerSettings, ServerTls } from './settings.ts'

export function compileConfig(input: CompileInput): CompileResult {
  return new Compiler(input).compile()
}

class Compiler {
  readonly #input: CompileInput
  readonly #config: Partial<Config>
  readonly #readFile: ReadFile
  readonly #problems: Problem[] = []
  readonly #warnings: Problem[] = []
  readonly #secrets: Secret[]
  readonly #tlsFiles = new Set<string>()

  constructor(input: CompileInput) {
    const { config, env, readFile = path => readFileSync(path, 'utf8') } = input
    this.#input = input
    this.#config = config ?? {}
    this.#readFile = path => readFile(this.#path(path))
    this.#secrets = [...env.secrets, { name: 'MASTER_KEY', value: env.masterKey }]
  }

  compile(): CompileResult {
    const configured =
      this.#input.config === null ? this.#targetsOfEnvironment() : this.#targetsOfConfig(this.#input.config.targets)
    const targets = configured.map(target => this.#withDiscovered(target))
    const server = serverSettings(this.#config, this.#input.env.port, this.#serverTls())
    const keysFile = this.#config.auth?.keys_file
    const keys = keysFile === undefined ? null : this.#keys()
    if (this.#problems.length > 0) return { ok: false, problems: distinct(this.#problems) }

    const allocation = this.#allocate(targets)
    const rows = targets.map(({ data }): TargetData => ({ ...data, row: allocation.targets[data.key].row }))
    return {
      ok: true,
      snapshot: this.#snapshot(rows, keys, allocation),
      server,
      runtime: runtimeSettings(this.#config, this.#input.cores),
      allocation,
      files: { keys: keysFile === undefined ? '' : this.#path(keysFile), tls: [...this.#tlsFiles] },
      warnings: distinct(this.#warnings),
    }
  }

  #path(file: string): string {
    return resolve(this.#input.directory ?? '', file)
  }

  #targetsOfConfig(configs: readonly TargetConfig[]): CompiledTarget[] {
    const keys = new Map<string, string>()
    const targets: CompiledTarget[] = []
    configs.forEach((config, index) => {
      const path = childPath('targets', index)
      const target = this.#target(config, path)
      if (target === null) return
      const { key } = target.data
      const first = keys.get(key)
      if (first !== undefined)
        this.#problems.push(
          problem(path, `${first} is already called "${key}"`, 'give one of them a name of its own with `name`'),
        )
      keys.set(key, path)
      if (this.#isUsable(target, path, index)) targets.push(target)
    })
    if (targets.length === 0 && this.#problems.length === 0) {
      this.#problems.push(problem('targets', 'no target has the credentials it needs'), ...this.#warnings)
    }
    return targets
  }

  /**
   * A target whose provider has no credentials here is left out with a warning, so that one config file serves several
   * environments. Not the first of the mode `single`: there it is the target, and the next one isn't a replacement.
   */
  #isUsable({ data, missing }: CompiledTarget, path: string, index: number): boolean {
    if (missing.length === 0) return true
    const wanted = missing.map(({ key, env }) => (env === '' ? key : `${key} or the variable ${env}`)).join(', and ')
    if (index === 0 && this.#strategyMode() === 'single')
      this.#problems.push(problem(path, `"${data.key}" needs ${wanted}`))
    else this.#warnings.push(problem(path, `"${data.key}" is left out: it needs ${wanted}`))
    return false
  }

  /** Every provider the environment has something for, in the order of the registry. */
  #targetsOfEnvironment(): CompiledTarget[] {
    const { providers, env, fallbackProvider } = this.#input
    const mentioned = providers.filter(
      provider =>
        provider !== fallbackProvider &&
        Object.values(provider.settings).some(setting => variableOf(setting, env) !== null),
    )
    const faults: Problem[] = []
    const targets = mentioned.flatMap(provider => {
      const problems: Problem[] = []
      const target = compileTarget({ provider: provider.id }, provider.id, provider, this.#context(problems))
      faults.push(...problems)
      return problems.length === 0 && target.missing.length === 0 ? [target] : []
    })
    if (targets.length > 0) {
      this.#warnings.push(...faults)
      return targets
    }
    this.#problems.push(...faults)
    this.#warnings.push(problem('', `no provider is configured; "${fallbackProvider.id}" answers`))
    return [
      compileTarget(
        { provider: fallbackProvider.id },
        fallbackProvider.id,
        fallbackProvider,
        this.#context(this.#problems),
      ),
    ]
  }

  #target(config: TargetConfig, path: string): CompiledTarget | null {
    const { providers } = this.#input
    const id = config.provider ?? config.virtual_key ?? ''
    const provider = providerNamed(id, providers)
    if (provider !== undefined) return compileTarget(config, path, provider, this.#context(this.#problems))
    const ids = providers.map(candidate => candidate.id)
    const { message, hint } = unknownProvider(id, ids)
    this.#problems.push(problem(path, message, hint))
    return null
  }

  #withDiscovered(target: CompiledTarget): CompiledTarget {
    const discovered = this.#input.discovered?.(target.fingerprint) ?? []
    if (discovered.length === 0) return target
    const models = [...new Set([...target.data.models, ...discovered.map(({ id }) => id)])]
    return { ...target, data: { ...target.data, models, discovered } }
  }

  #context(problems: Problem[]): TargetContext {
    const readFile: ReadFile = file => {
      this.#tlsFiles.add(this.#path(file))
      return this.#readFile(file)
    }
    return {
      env: this.#input.env,
      upstream: this.#config.upstream ?? {},
      readFile,
      problems,
      warnings: this.#warnings,
      secrets: this.#secrets,
    }
  }

  #allocate(targets: readonly CompiledTarget[]): Allocation {
    const { providers, fallbackProvider, previous = firstAllocation } = this.#input
    // What an alias stands for is a model the operator knows, whoever serves it.
    const aliased = Object.values(this.#config.aliases ?? {})
    return allocate(
      previous,
      targets.map(({ data, fingerprint }) => {
        const provider = [...providers, fallbackProvider].find(({ id }) => id === data.provider)
        const byAlias = aliased.filter(
          model => data.anyModel || provider?.modelPrefixes?.some(prefix => model.startsWith(prefix)),
        )
        return { key: data.key, fingerprint, models: [...data.models, ...byAlias, ...(provider?.models ?? [])] }
      }),
    )
  }

  #strategyMode(): 'single' | 'fallback' {
    const fallback = this.#input.config === null ? 'fallback' : 'single'
    return (this.#config.strategy?.mode as 'single' | 'fallback' | undefined) ?? fallback
  }

  #serverTls(): ServerTls | null {
    const tls = this.#config.server?.tls
    if (tls === undefined) return null
    const context = this.#context(this.#problems)
    const read = (key: 'cert_file' | 'key_file' | 'ca_file') =>
      tls[key] === undefined ? undefined : readInto(this.#problems, `server.tls.${key}`, tls[key], context.readFile)
    const passphrase =
      tls.passphrase === undefined ? undefined : resolveText(tls.passphrase, 'server.tls.passphrase', context)
    const before = this.#problems.length
    const [cert, key, ca] = [read('cert_file'), read('key_file'), read('ca_file')]
    if (this.#problems.length === before) checkPem(this.#problems, 'server.tls', { cert, key, ca, passphrase })
    if (passphrase !== undefined) this.#secrets.push({ name: '', value: passphrase })
    return {
      certFile: this.#path(tls.cert_file),
      keyFile: this.#path(tls.key_file),
      ...(tls.ca_file !== undefined && { caFile: this.#path(tls.ca_file) }),
      ...(passphrase !== undefined && { passphrase }),
      minVersion: tls.min_version ?? defaults.server.tls.min_version,
    }
  }

  /** A target's key, for the key or the alias that the config calls it by. */
  #reference(name: string, targets: readonly TargetData[]): string {
    if (targets.some(({ key }) => key === name)) return name
    return providerNamed(name, this.#input.providers)?.id ?? name
  }

  #keys(): SharedArrayBuffer | null {
    const { keys } = this.#input
    if (!keys) throw new Error('the keys file was not read')
    if (keys.ok) return keys.table
    this.#problems.push(...keys.problems)
    return null
  }

  #snapshot(targets: readonly TargetData[], keys: SharedArrayBuffer | null, allocation: Allocation): SnapshotData {
    const { env, version, startedUnixMs, recordRequests } = this.#input
    const {
      aliases,
      compatibility,
      stream,
      max_request_bytes: maxRequestBytes = 0,
      request_timeout: requestTimeout,
      batch_target: batchTarget = '',
      responses_target: responsesTarget = '',
    } = this.#config
    return {
      version,
      strategy: { mode: this.#strategyMode() },
      targets,
      aliases: { ...aliases },
      batchTarget: this.#reference(batchTarget, targets),
      responsesTarget: this.#reference(responsesTarget, targets),
      maxRequestBytes: maxRequestBytes > 0 ? maxRequestBytes : defaults.max_request_bytes,
      requestTimeoutMs: requestTimeout === undefined ? 0 : toMs(requestTimeout),
      compatibility: {
        onUnsupportedParam: compatibility?.on_unsupported_param ?? defaults.compatibility.on_unsupported_param,
        streamUsage: compatibility?.stream_usage ?? defaults.compatibility.stream_usage,
      },
      stream: { heartbeatMs: toMs(stream?.heartbeat ?? defaults.stream.heartbeat) },
      auth: {
        allowUnauthenticated: env.allowUnauthenticated,
        masterKeySha256: env.masterKey === '' ? '' : hash('sha256', env.masterKey),
        keys,
      },
      catalog: this.#input.catalog ?? null,
      cors: { origins: env.corsOrigins },
      rateLimit: env.rateLimit,
      trustedProxies: env.trustedProxies,
      upstream: upstreamSettings(this.#config),
      series: allocation.series,
      secrets: distinctSecrets(this.#secrets),
      recordRequests,
      startedUnixMs,
    }
  }
}

/** What is wrong for all upstreams is found once for each target. */
const distinct = (problems: readonly Problem[]): Problem[] =>
  problems.filter(
    ({ path, message }, index) =>
      problems.findIndex(other => other.path === path && other.message === message) === index,
  )

/** One entry a value, under the first name it was found by that says something. */
function distinctSecrets(secrets: readonly Secret[]): Secret[] {
  const byValue = new Map<string, string>()
  for (const { name, value } of secrets) if (value !== '' && !byValue.get(value)) byValue.set(value, name)
  return [...byValue].map(([value, name]) => ({ name, value }))
}
