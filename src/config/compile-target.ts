import { hash } from 'node:crypto'
import type { JsonObject } from '../core/json.ts'
import type { Auth, Provider, Setting } from '../core/provider.ts'
import type { Secret } from '../core/redact.ts'
import type { TargetData } from '../core/snapshot.ts'
import { defaults } from './defaults.ts'
import type { Environment } from './env.ts'
import { interpolate } from './interpolate.ts'
import { childPath, type Problem, problem } from './problems.ts'
import { parseProxyUrl, proxyFor } from './proxy.ts'
import { targetKey } from './rules.ts'
import type { Config, TargetConfig, UpstreamTlsConfig } from './schema.ts'
import { settingKey } from './setting-key.ts'

export type ReadFile = (path: string) => string

/** What compiling a target needs and reports besides the target itself. */
export interface TargetContext {
  readonly env: Environment
  readonly upstream: NonNullable<Config['upstream']>
  readonly readFile: ReadFile
  readonly problems: Problem[]
  readonly warnings: Problem[]
  readonly secrets: Secret[]
}

/** A target without its row, which depends on all the others. */
export interface CompiledTarget {
  readonly data: Omit<TargetData, 'row'>
  /** Equal as long as it is the same upstream: what is known of its health stays valid. */
  readonly fingerprint: string
  /** Settings without which it can't be called; then the rest of `data` is not checked. */
  readonly missing: readonly MissingSetting[]
}

export interface MissingSetting {
  readonly key: string
  readonly env: string
}

export function compileTarget(
  config: TargetConfig,
  path: string,
  provider: Provider,
  context: TargetContext,
): CompiledTarget {
  const { settings, ownBaseUrl, missing } = resolveSettings(config, path, provider, context)
  const origin = missing.length > 0 ? null : checkOrigin(path, provider, settings, context)
  if (origin !== null) checkHeaders(path, provider, settings, context)
  const data = {
    key: targetKey(config as JsonObject, [provider]),
    provider: provider.id,
    settings,
    models: config.models ?? provider.listedModels?.(settings) ?? [],
    anyModel: provider.anyModel === true || ownBaseUrl,
    weight: config.weight ?? defaults.target.weight,
    retry: {
      attempts: config.retry?.attempts || defaults.target.retry.attempts,
      onStatusCodes: config.retry?.on_status_codes ?? [],
      initialBackoffMs: config.retry?.initial_backoff_ms || defaults.target.retry.initial_backoff_ms,
    },
    maxConnections: config.max_connections ?? context.upstream.max_connections ?? defaults.upstream.max_connections,
    tls: compileTls(config.tls ?? {}, path, context),
    http2: config.http2 ?? context.upstream.http2 ?? defaults.upstream.http2,
    proxy: origin === null ? '' : chooseProxy(config.proxy, path, origin, context),
  }
  const { tls, http2, proxy } = data
  const identity = { provider: provider.id, settings, tls, http2, proxy }
  return { data, fingerprint: hash('sha256', JSON.stringify(identity)), missing }
}

interface ResolvedSettings {
  readonly settings: Readonly<Record<string, string>>
  /** The operator named a host of their own: no key is demanded for it, and it may serve any model. */
  readonly ownBaseUrl: boolean
  readonly missing: readonly MissingSetting[]
}

/** A setting comes from the target, else from its variable, else it is the provider's default. */
function resolveSettings(
  config: TargetConfig,
  path: string,
  provider: Provider,
  context: TargetContext,
): ResolvedSettings {
  const settings: Record<string, string> = {}
  for (const [name, setting] of Object.entries(provider.settings)) {
    const key = settingKey(name)
    const written = (config as Readonly<Record<string, unknown>>)[key]
    const { env = '', value: fromVariable = '' } = variableOf(setting, context.env) ?? {}
    settings[name] =
      typeof written === 'string'
        ? resolveText(written, childPath(path, key), context)
        : fromVariable || (setting.default ?? '')
    if (setting.secret === true) context.secrets.push({ name: written === undefined ? env : '', value: settings[name] })
    // A password inside a URL; the redactor takes it out of the rest.
    if (settings[name].includes('@') && URL.canParse(settings[name]))
      context.secrets.push({ name: '', value: settings[name] })
  }
  const { baseUrl } = provider.settings
  const ownBaseUrl = baseUrl?.default !== undefined && withoutSlash(settings.baseUrl) !== withoutSlash(baseUrl.default)
  const missing = Object.entries(provider.settings)
    .filter(([name, { secret, required, default: fallback }]) => {
      const needed = required ?? (secret === true && fallback === undefined)
      return needed && settings[name] === '' && !(secret === true && ownBaseUrl)
    })
    .map(([name, { env = '' }]) => ({ key: settingKey(name), env }))
  const { needsOneOf } = provider
  if (needsOneOf !== undefined && !ownBaseUrl && needsOneOf.every(name => settings[name] === ''))
    missing.push(oneOf(needsOneOf, provider))
  return { settings, ownBaseUrl, missing }
}

const oneOf = (names: readonly string[], { settings }: Provider): MissingSetting => ({
  key: `one of ${names.map(settingKey).join(', ')}`,
  env: names.map(name => settings[name].env ?? '').join(', '),
})

/** The first of a setting's variables that has a value. */
export function variableOf(
  { env, aliases = [] }: Setting,
  { variables }: Pick<Environment, 'variables'>,
): { readonly env: string; readonly value: string } | null {
  if (env === undefined) return null
  for (const name of [env, ...aliases]) {
    const value = variables[name]?.trim() ?? ''
    if (value !== '') return { env: name, value }
  }
  return null
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '')

/** The text with its `${NAME}` references replaced; what they stood for is hidden from logs from now on. */
export function resolveText(
  text: string,
  path: string,
  { env, problems, secrets }: Pick<TargetContext, 'env' | 'problems' | 'secrets'>,
): string {
  const { text: resolved, used, missing } = interpolate(text, env.variables)
  for (const name of missing) problems.push(problem(path, `the variable ${name} is not set`))
  for (const name of used) {
    const value = env.variables[name] ?? ''
    // An address is no secret; blanking it would make logs useless.
    if (!URL.canParse(value) || value.includes('@')) secrets.push({ name, value })
  }
  return resolved
}

function checkOrigin(
  path: string,
  provider: Provider,
  settings: ResolvedSettings['settings'],
  { problems }: TargetContext,
): URL | null {
  const keys = Object.keys(provider.settings).map(settingKey)
  const place = keys.includes('base_url') ? `${path}.base_url` : path
  let text: string
  try {
    text = provider.origin(settings)
  } catch (error) {
    const message = error instanceof Error ? error.message : 'is not valid'
    // What is wrong with another setting begins with its name.
    const culprit = keys.find(key => message.startsWith(`${key} `))
    problems.push(problem(culprit === undefined ? place : childPath(path, culprit), message))
    return null
  }
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'local:') return url
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    problems.push(problem(place, 'must be an absolute http or https URL'))
    return null
  }
  if (url.search !== '' || url.hash !== '' || /[?#\s]/.test(text)) {
    problems.push(problem(place, 'must not have a query or fragment'))
    return null
  }
  return url
}

const headerSafe = /^[\x20-\x7e]*$/

/** What of it gets into headers as it is. */
function inHeaders(auth: Auth): readonly string[] {
  if (auth.scheme === 'bearer') return [auth.token]
  if (auth.scheme === 'header') return [auth.value]
  if (auth.scheme === 'sigv4') return [auth.service, auth.region]
  return auth.scheme === 'google' ? [auth.userProject ?? ''] : []
}

/** A line break in a key would end its header and begin another. */
function checkHeaders(
  path: string,
  provider: Provider,
  settings: ResolvedSettings['settings'],
  { problems }: TargetContext,
): void {
  const auth = provider.auth(settings)
  const values = [...inHeaders(auth), ...Object.values(provider.headers?.(settings) ?? {})]
  if (values.every(value => headerSafe.test(value))) return
  const culprit = Object.keys(settings).find(name => !headerSafe.test(settings[name]))
  const place = culprit === undefined ? path : childPath(path, settingKey(culprit))
  problems.push(problem(place, 'contains a line break or another character that a header cannot carry'))
}

function chooseProxy(own: string | undefined, path: string, origin: URL, context: TargetContext): string {
  const { env, upstream, problems, secrets } = context
  if (origin.protocol === 'local:') return ''
  const [text, place] = own !== undefined ? [own, `${path}.proxy`] : [upstream.proxy, 'upstream.proxy']
  const proxy = text === undefined ? proxyFor(origin, env.proxy) : resolveProxy(text, place, context)
  if (proxy === null) problems.push(problem(place, 'must be the URL of an HTTP proxy, such as http://proxy:3128'))
  if (proxy?.includes('@')) secrets.push({ name: '', value: proxy })
  return proxy ?? ''
}

function resolveProxy(text: string, path: string, context: TargetContext): string | null {
  const before = context.problems.length
  const resolved = resolveText(text, path, context)
  return resolved === '' || context.problems.length > before ? '' : parseProxyUrl(resolved)
}

/** A field of the target's own replaces the one for all upstreams. */
function compileTls(
  own: UpstreamTlsConfig,
  path: string,
  { upstream, readFile, problems, warnings }: TargetContext,
): TargetData['tls'] {
  const tls = { ...upstream.tls, ...own }
  if (Object.keys(tls).length === 0) return null
  const place = (key: keyof UpstreamTlsConfig) => `${own[key] === undefined ? 'upstream' : path}.tls.${key}`
  const read = (key: 'ca_file' | 'cert_file' | 'key_file'): string | undefined =>
    tls[key] === undefined ? undefined : readInto(problems, place(key), tls[key], readFile)
  const before = problems.length
  const [ca, cert, key] = [read('ca_file'), read('cert_file'), read('key_file')]
  if (problems.length === before) checkPem(problems, place('cert_file').replace(/\.cert_file$/, ''), { ca, cert, key })
  if (tls.insecure_skip_verify === true)
    warnings.push(problem(place('insecure_skip_verify'), 'any certificate is accepted; keys can be read on the way'))
  return {
    ...(ca !== undefined && { ca: [ca] }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(tls.server_name !== undefined && { servername: tls.server_name }),
    ...(tls.insecure_skip_verify === true && { rejectUnauthorized: false }),
  }
}

/** The content of a file the config names; undefined, with a problem, when it can't be read. */
export function readInto(problems: Problem[], path: string, file: string, readFile: ReadFile): string | undefined {
  try {
    return readFile(file)
  } catch (error) {
    problems.push(problem(path, error instanceof Error ? error.message : `${file} cannot be read`))
    return undefined
  }
}

/** Finds out now, not at the first connection, that a file is no certificate or a key belongs to another one. */
export function checkPem(
  problems: Problem[],
  path: string,
  pem: { ca?: string; cert?: string; key?: string; passphrase?: string },
): void {
  if (pem.ca === undefined && pem.cert === undefined && pem.key === undefined) return
  if (pem.ca !== undefined && !pem.ca.includes('-----BEGIN CERTIFICATE-----'))
    problems.push(problem(`${path}.ca_file`, 'holds no PEM certificate'))
  // Loaded only where there is something to check: it takes megabytes.
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  try {
    createSecureContext(pem)
  } catch (error) {
    problems.push(problem(path, `the files do not fit: ${error instanceof Error ? error.message : 'unknown reason'}`))
  }
}
