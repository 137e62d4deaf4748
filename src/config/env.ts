import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { environmentSecrets, type Secret } from '../core/redact.ts'
import { longestDurationMs, parseDuration } from './duration.ts'
import type { Variables } from './interpolate.ts'
import { type Problem, problem } from './problems.ts'
import { type ProxyVariables, parseProxyUrl } from './proxy.ts'
import { didYouMean } from './suggest.ts'

/** The environment, read once and checked. Nothing else in the program looks at `process.env`. */
export interface Environment {
  /** null when PORT is not set. 0 takes a free port. */
  readonly port: number | null
  /** '' when there is none. */
  readonly configFile: string
  /** '' when there is none. */
  readonly masterKey: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** `auto`: text on a terminal, else JSON lines. */
  readonly logFormat: 'json' | 'text' | 'auto'
  readonly corsOrigins: readonly string[]
  /** 0 requests per second = no limit. */
  readonly rateLimit: { readonly requestsPerSecond: number; readonly burst: number }
  readonly allowUnauthenticated: boolean
  readonly production: boolean
  /** CIDRs. */
  readonly trustedProxies: readonly string[]
  readonly enablePprof: boolean
  readonly proxy: ProxyVariables
  /** '' when no newer catalog is fetched. */
  readonly modelCatalog: { readonly url: string; readonly timeoutMs: number }
  /** 0: upstreams are not asked which models they serve. */
  readonly modelDiscoveryMs: number
  /** Everything, for `${NAME}` and the settings of providers. */
  readonly variables: Variables
  readonly secrets: readonly Secret[]
}

export type EnvironmentResult =
  | { readonly ok: true; readonly env: Environment; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

const conventionalFiles = ['ferrogw', 'ferrite'].flatMap(name =>
  ['yaml', 'yml', 'json'].map(end => `/etc/${name}/config.${end}`),
)

export function readEnvironment(
  source: Variables = process.env,
  { exists = existsSync }: { exists?: (file: string) => boolean } = {},
): EnvironmentResult {
  const reader = new Reader(source)
  const variables: Variables = { ...source }
  const env: Environment = {
    port: reader.port('PORT'),
    configFile: reader.text('GATEWAY_CONFIG'),
    masterKey: reader.masterKey('MASTER_KEY'),
    logLevel: reader.oneOf('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
    logFormat: reader.oneOf('LOG_FORMAT', ['json', 'text', 'auto'], 'auto'),
    corsOrigins: reader.origins('CORS_ORIGINS'),
    rateLimit: {
      requestsPerSecond: reader.amount('RATE_LIMIT_RPS', 0, 20),
      burst: reader.amount('RATE_LIMIT_BURST', 1, 40),
    },
    allowUnauthenticated: reader.flag('ALLOW_UNAUTHENTICATED_PROXY'),
    production: reader.text('GATEWAY_ENV').toLowerCase() === 'production',
    trustedProxies: reader.cidrs('TRUSTED_PROXIES', ['127.0.0.0/8', '::1/128']),
    enablePprof: reader.flag('ENABLE_PPROF'),
    proxy: {
      http: reader.proxy('HTTP_PROXY'),
      https: reader.proxy('HTTPS_PROXY'),
      all: reader.proxy('ALL_PROXY'),
      no: reader.list(reader.eitherCase('NO_PROXY')),
    },
    modelCatalog: reader.modelCatalog('FERRO_MODEL_CATALOG_URL', 'FERRO_MODEL_CATALOG_TIMEOUT'),
    modelDiscoveryMs: reader.interval('FERRO_MODEL_DISCOVERY_INTERVAL', 60_000),
    variables,
    secrets: environmentSecrets(variables),
  }
  reader.stores()
  reader.guard(env)
  if (env.configFile === '') {
    for (const file of conventionalFiles.filter(exists)) {
      reader.warn('GATEWAY_CONFIG', `${file} exists but is not read`, 'set GATEWAY_CONFIG to use it')
    }
  }
  return reader.problems.length > 0
    ? { ok: false, problems: reader.problems }
    : { ok: true, env, warnings: reader.warnings }
}

/** Stores that more than one process could share; this version keeps everything in memory. */
const storeVariables: Readonly<Record<string, readonly string[]>> = {
  API_KEY_STORE_BACKEND: ['memory', 'in-memory', 'inmemory'],
  CONFIG_STORE_BACKEND: ['memory', 'in-memory', 'inmemory'],
  REQUEST_LOG_STORE_BACKEND: [],
}

class Reader {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #source: Variables

  constructor(source: Variables) {
    this.#source = source
  }

  refuse(name: string, message: string, hint?: string): void {
    this.problems.push(problem(name, message, hint))
  }

  warn(name: string, message: string, hint?: string): void {
    this.warnings.push(problem(name, message, hint))
  }

  /** An empty variable is the same as none. */
  text(name: string): string {
    return this.#source[name]?.trim() ?? ''
  }

  /** The names of the proxy variables are in use in both cases; the lower one is the older. */
  eitherCase(name: string): string {
    return this.text(name.toLowerCase()) || this.text(name)
  }

  list(text: string): string[] {
    return text
      .split(',')
      .map(item => item.trim())
      .filter(item => item !== '')
  }

  oneOf<V extends string>(name: string, values: readonly V[], fallback: V): V {
    const text = this.text(name).toLowerCase()
    const value = values.find(candidate => candidate === text)
    if (value === undefined && text !== '') {
      this.warn(name, `must be one of ${values.join(', ')}; ${fallback} is used`, didYouMean(text, values))
    }
    return value ?? fallback
  }

  flag(name: string): boolean {
    const text = this.text(name).toLowerCase()
    if (['1', 'true', 'yes'].includes(text)) return true
    if (!['', '0', 'false', 'no'].includes(text)) this.warn(name, 'must be true or false; false is used')
    return false
  }

  port(name: string): number | null {
    const text = this.text(name)
    if (text === '') return null
    if (/^[0-9]{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
    this.refuse(name, 'must be a port number, 0 to 65535')
    return null
  }

  amount(name: string, least: number, fallback: number): number {
    const text = this.text(name)
    if (text === '') return fallback
    const value = Number(text)
    if (Number.isFinite(value) && value >= least && /^[0-9.]+$/.test(text)) return value
    this.warn(name, `must be a number from ${least} up; ${fallback} is used`)
    return fallback
  }

  /** A timeout of 0 means not to fetch it at all. */
  modelCatalog(urlName: string, timeoutName: string): Environment['modelCatalog'] {
    const url = this.text(urlName)
    const timeoutMs = this.duration(timeoutName, 10_000)
    if (url === '' || timeoutMs === 0) return { url: '', timeoutMs }
    if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return { url, timeoutMs }
    this.warn(urlName, 'must be an http or https URL; the built-in catalog is used')
    return { url: '', timeoutMs }
  }

  duration(name: string, fallback: number): number {
    const text = this.text(name)
    if (text === '') return fallback
    const value = parseDuration(text)
    if (value !== null && value <= longestDurationMs) return value
    this.warn(name, `must be a duration such as 30s; ${fallback / 1000}s is used`)
    return fallback
  }

  /** 0 when it is not set, or too short to be meant. */
  interval(name: string, least: number): number {
    const text = this.text(name)
    const value = text === '' ? 0 : parseDuration(text)
    if (value !== null && (value === 0 || (value >= least && value <= longestDurationMs))) return value
    this.warn(name, `must be a duration from ${least / 60_000}m up, such as 6h; it is ignored`)
    return 0
  }

  masterKey(name: string): string {
    const key = this.#source[name] ?? ''
    if (/[^\x21-\x7e]/.test(key))
      this.refuse(name, 'must not contain spaces, line breaks or non-ASCII characters: it could never be sent')
    else if (key !== '' && key.length < 16)
      this.warn(name, 'is shorter than 16 characters; whoever guesses it owns the gateway')
    return key
  }

  origins(name: string): string[] {
    const origins = this.list(this.text(name))
    for (const origin of origins) {
      if (origin === '*') this.warn(name, '* is not a wildcard and matches nothing; list the origins')
      else if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#]+$/i.test(origin)) {
        this.warn(
          name,
          `"${origin}" can match no browser: an origin is scheme, host and port, without a slash at its end`,
        )
      }
    }
    return origins
  }

  cidrs(name: string, fallback: readonly string[]): readonly string[] {
    const list = this.list(this.text(name))
    if (list.length === 0) return fallback
    return list.map(text => {
      const [address, bits, ...rest] = text.split('/')
      const widest = isIP(address) === 6 ? 128 : 32
      const valid = isIP(address) !== 0 && rest.length === 0 && !address.includes('%')
      if (!valid || (bits !== undefined && !(/^[0-9]{1,3}$/.test(bits) && Number(bits) <= widest))) {
        this.refuse(name, `"${text}" is not a network such as 10.0.0.0/8 or fd00::/8`)
      }
      return `${address}/${bits ?? widest}`
    })
  }

  proxy(name: string): string {
    const text = this.eitherCase(name)
    if (text === '') return ''
    const url = parseProxyUrl(text)
    if (url === null) this.refuse(name, 'must be the URL of an HTTP proxy, such as http://proxy:3128')
    return url ?? ''
  }

  stores(): void {
    for (const [name, available] of Object.entries(storeVariables)) {
      const text = this.text(name).toLowerCase()
      if (text !== '' && !available.includes(text)) this.refuse(name, `"${text}" is not available yet`)
    }
    for (const name of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
      if (this.text(name) !== '') this.warn(name, 'tracing is not available yet; nothing is exported')
    }
  }

  /** All reasons not to run like this in production, together. */
  guard(env: Environment): void {
    const stage = this.text('GATEWAY_ENV')
    if (!env.production) {
      if (didYouMean(stage, ['production']) !== undefined || stage.toLowerCase() === 'prod') {
        this.warn('GATEWAY_ENV', `"${stage}" has no meaning; only "production" turns the production checks on`)
      }
      return
    }
    if (env.allowUnauthenticated)
      this.refuse('ALLOW_UNAUTHENTICATED_PROXY', 'must not be true when GATEWAY_ENV=production')
    if (env.corsOrigins.includes('*')) this.refuse('CORS_ORIGINS', 'must not contain * when GATEWAY_ENV=production')
    if (env.masterKey === '') this.refuse('MASTER_KEY', 'is required when GATEWAY_ENV=production')
    if (env.rateLimit.requestsPerSecond === 0) this.warn('RATE_LIMIT_RPS', 'the limit per client address is off')
    if (env.enablePprof) this.warn('ENABLE_PPROF', 'profiling is on')
    this.warn(
      'API_KEY_STORE_BACKEND',
      'client keys are kept in memory; those not in auth.keys_file are gone after a restart',
    )
  }
}
