import { eventStreamType, jsonType, securityHeaders } from '../core/answer.ts'
import { type Authenticate, authenticator } from '../core/authenticate.ts'
import { type ClientAddress, clientAddress } from '../core/client-address.ts'
import { type FixedHeaders, fixedHeaders } from '../core/header-block.ts'
import type { ChatCodec, Provider, TargetContext } from '../core/provider.ts'
import { createRedactor } from '../core/redact.ts'
import type { SnapshotData, TargetData } from '../core/snapshot.ts'
import type { Strategy } from '../core/strategy.ts'
import type { Surface } from '../core/surface.ts'
import { openKeyTable } from '../shared/key-table.ts'
import { applyAuth } from '../upstream/auth/index.ts'
import type { Origin, PreparedHead, Upstream } from '../upstream/upstream.ts'

/** What `serve` wires in: the registries, and this thread's way out. */
export interface Registries {
  readonly providers: readonly Provider[]
  readonly strategies: readonly Strategy[]
  readonly surfaces: readonly Surface[]
  readonly upstream: Upstream
  readonly userAgent: string
}

/** The whole config, compiled for one thread. Replaced on reload, never changed; an exchange keeps the one it began with. */
export interface Snapshot {
  readonly data: SnapshotData
  readonly strategy: Strategy
  readonly targets: readonly CompiledTarget[]
  readonly clientAddress: ClientAddress
  readonly redact: (text: string) => string
  /** Targets that serve the model on the surface, in declared order. */
  eligible(surface: Surface, model: string): readonly CompiledTarget[]
  readonly authenticate: Authenticate
  /** Null when CORS is not configured. */
  readonly corsOrigins: ReadonlySet<string> | null
}

export interface CompiledTarget {
  readonly key: string
  readonly data: TargetData
  readonly provider: Provider
  readonly origin: Origin
  /** Header lines of its answers: JSON, and streams of events. */
  readonly jsonHeaders: FixedHeaders
  readonly eventHeaders: FixedHeaders
  readonly retryStatuses: ReadonlySet<number> | null
  codec(surface: Surface): ChatCodec | null
  head(codec: ChatCodec, context: TargetContext): PreparedHead
  /** Row of the metrics series of this target and model. */
  series(model: string): number
  serves(model: string): boolean
}

/** Model ids seen are remembered up to this many; they come from clients. */
const maxRouted = 2048

export function compileSnapshot(
  data: SnapshotData,
  { providers, strategies, surfaces, upstream, userAgent }: Registries,
): Snapshot {
  const byId = new Map(providers.map(provider => [provider.id, provider]))
  const targets = data.targets.map(target => {
    const provider = byId.get(target.provider)
    if (provider === undefined) throw new Error(`target ${target.key}: no provider ${target.provider}`)
    return compileTarget(target, provider, data, upstream, userAgent)
  })
  const strategy = strategies.find(({ mode }) => mode === data.strategy.mode)
  if (strategy === undefined) throw new Error(`no strategy ${data.strategy.mode}`)

  const routed = new Map<Surface, Map<string, readonly CompiledTarget[]>>(surfaces.map(surface => [surface, new Map()]))

  return {
    data,
    strategy,
    targets,
    clientAddress: clientAddress(data.trustedProxies),
    redact: createRedactor({ secrets: data.secrets }),
    corsOrigins: data.cors.origins.length > 0 ? new Set(data.cors.origins) : null,
    eligible(surface, model) {
      const known = routed.get(surface)!
      let found = known.get(model)
      if (found === undefined) {
        found = route(targets, strategy, surface, model)
        if (known.size >= maxRouted) known.clear()
        known.set(model, found)
      }
      return found
    },
    authenticate: authenticator(data.auth.masterKeySha256, openKeyTable(data.auth.keys)),
  }
}

function route(
  targets: readonly CompiledTarget[],
  strategy: Strategy,
  surface: Surface,
  model: string,
): readonly CompiledTarget[] {
  const capable = targets.filter(target => target.codec(surface) !== null)
  // A strategy that commits decides before the model is looked at: `single` is its first target or nothing.
  const considered = strategy.commits ? strategy.order(capable) : capable
  const owners = considered.filter(target => target.serves(model))
  // Targets that take any model are asked only when nobody owns the id, or prompts would reach unrelated vendors.
  const found = owners.length > 0 ? owners : considered.filter(target => target.data.anyModel)
  return strategy.order(found)
}

function compileTarget(
  data: TargetData,
  provider: Provider,
  snapshot: SnapshotData,
  upstream: Upstream,
  userAgent: string,
): CompiledTarget {
  const root = provider.origin(data.settings)
  const local = root.startsWith('local:')
  const url = local ? null : new URL(root)
  const { upstream: settings } = snapshot
  const origin = upstream.origin({
    url: url === null ? root : url.origin,
    maxConnections: data.maxConnections,
    maxQueue: settings.maxQueue,
    connectTimeoutMs: settings.connectTimeoutMs,
    idleTimeoutMs: settings.keepAliveMs,
    maxConnectionAgeMs: settings.maxConnectionAgeMs,
    maxHeadBytes: settings.maxHeadBytes,
    retryStale: settings.retryStale,
    http2: data.http2,
    proxy: data.proxy,
    tls: data.tls,
  })
  const basePath = url === null ? '' : url.pathname.replace(/\/+$/, '')
  const auth = applyAuth(provider.auth(data.settings))
  // Behind an own base URL there is no telling which of the provider's ids are served; they have no claim there.
  const isOwn = data.anyModel && provider.anyModel !== true
  const models = new Set([...data.models, ...(isOwn ? [] : (provider.models ?? []))])
  const prefixes = provider.modelPrefixes ?? []
  const heads = new Map<string, PreparedHead>()
  const answerHeaders = `${securityHeaders}x-gateway-provider: ${data.key}\r\n`
  const unknown = snapshot.series[`${data.key}\0unknown`] ?? 0

  return {
    key: data.key,
    data,
    provider,
    origin,
    jsonHeaders: fixedHeaders(answerHeaders + jsonType),
    eventHeaders: fixedHeaders(answerHeaders + eventStreamType),
    retryStatuses: data.retry.onStatusCodes.length > 0 ? new Set(data.retry.onStatusCodes) : null,
    codec: surface => provider.codecs[surface.id] ?? null,
    head(codec, context) {
      const path = codec.path(context)
      const key = context.stream ? `s${path}` : path
      let head = heads.get(key)
      if (head === undefined) {
        head = origin.prepare('POST', basePath + path, [
          ['content-type', 'application/json'],
          ['accept', context.stream ? 'text/event-stream' : 'application/json'],
          ['user-agent', userAgent],
          ...auth,
          ...Object.entries(provider.headers?.(data.settings) ?? {}),
          ...Object.entries(codec.headers ?? {}),
        ])
        if (heads.size >= 256) heads.clear()
        heads.set(key, head)
      }
      return head
    },
    series: model => snapshot.series[`${data.key}\0${model}`] ?? unknown,
    serves: model => models.has(model) || prefixes.some(prefix => model.startsWith(prefix)),
  }
}
