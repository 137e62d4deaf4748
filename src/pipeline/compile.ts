import { eventStreamType, jsonType, securityHeaders } from '../core/answer.ts'
import { type Authenticate, authenticator } from '../core/authenticate.ts'
import type { Catalog, CatalogOf } from '../core/catalog.ts'
import { type ClientAddress, clientAddress } from '../core/client-address.ts'
import { type FixedHeaders, fixedHeaders } from '../core/header-block.ts'
import type { ChatCodec, Codec, Forwarding, Provider } from '../core/provider.ts'
import { createRedactor } from '../core/redact.ts'
import type { SnapshotData, TargetData } from '../core/snapshot.ts'
import type { Strategy } from '../core/strategy.ts'
import type { Surface } from '../core/surface.ts'
import { openKeyTable } from '../shared/key-table.ts'
import type { TargetRow, TargetState } from '../shared/target-state.ts'
import { type Authorizer, createAuthorizer } from '../upstream/auth/index.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { Routes } from './target-routes.ts'
import type { UnsupportedNotes } from './unsupported.ts'

/** What `serve` wires in: the registries, and this thread's way out. */
export interface Registries {
  readonly providers: readonly Provider[]
  readonly strategies: readonly Strategy[]
  readonly surfaces: readonly Surface[]
  readonly upstream: Upstream
  readonly userAgent: string
  /** Opens the catalog of models that all threads share. */
  readonly catalogOf?: CatalogOf
  /** What all threads know of each target. */
  readonly targetState: TargetState
  readonly unsupported: UnsupportedNotes
}

/** The whole config, compiled for one thread. Replaced on reload, never changed; an exchange keeps the one it began with. */
export interface Snapshot {
  readonly data: SnapshotData
  readonly strategy: Strategy
  readonly targets: readonly CompiledTarget[]
  /** Null: no proxy is trusted, whoever is connected is the client. */
  readonly clientAddress: ClientAddress | null
  /** Null: nothing is known of models and prices. */
  readonly catalog: Catalog | null
  readonly redact: (text: string) => string
  /** Which targets to ask for the model on the surface, in declared order, and under which name. */
  route(surface: Surface, model: string): Routing
  /** The first target that such a request may go to, by the model it owns. Null: nobody owns it. */
  owner(model: string, isCapable: (target: CompiledTarget) => boolean): { model: string; target: CompiledTarget } | null
  /** The target of that key, else the first whose provider goes by the name. */
  named(name: string): CompiledTarget | null
  /** Null unless parameters that a provider does not know are to be named in the log. */
  readonly unsupported: UnsupportedNotes | null
  readonly authenticate: Authenticate
  /** Null when CORS is not configured. */
  readonly corsOrigins: ReadonlySet<string> | null
}

export interface Routing {
  /** The model to ask for: without the name of a provider before it, where that was given only to choose one. */
  readonly model: string
  readonly targets: readonly CompiledTarget[]
}

export interface CompiledTarget {
  readonly key: string
  readonly data: TargetData
  readonly provider: Provider
  readonly state: TargetRow
  readonly authorizer: Authorizer
  readonly routes: Routes
  readonly forward: Forwarding
  /** What paths that are forwarded are appended to. */
  readonly forwardRoot: string
  /** Header lines of its answers: JSON, streams of events, and those that say their type themselves. */
  readonly jsonHeaders: FixedHeaders
  readonly eventHeaders: FixedHeaders
  readonly plainHeaders: FixedHeaders
  readonly retryStatuses: ReadonlySet<number> | null
  /** How the model is asked for on the surface; null when it is not. An empty model is what the codec says it is. */
  codec(surface: Surface, model: string): Codec<never> | null
  /** Row of the metrics series of this target and model. */
  series(model: string): number
  serves(model: string): boolean
}

const ownApi: Forwarding = { proxy: 'named' }

/** Model ids seen are remembered up to this many; they come from clients. */
const maxRouted = 2048

export function compileSnapshot(
  data: SnapshotData,
  { providers, strategies, surfaces, upstream, userAgent, catalogOf, targetState, unsupported }: Registries,
): Snapshot {
  const catalog = catalogOf?.(data.catalog ?? null) ?? null
  const byId = new Map(providers.map(provider => [provider.id, provider]))
  const targets = data.targets.map(target => {
    const provider = byId.get(target.provider)
    if (provider === undefined) throw new Error(`target ${target.key}: no provider ${target.provider}`)
    const state = targetState.row(target.row)
    return compileTarget({ data: target, provider, snapshot: data, upstream, userAgent, catalog, state })
  })
  const strategy = strategies.find(({ mode }) => mode === data.strategy.mode)
  if (strategy === undefined) throw new Error(`no strategy ${data.strategy.mode}`)

  const routed = new Map<Surface, Map<string, Routing>>(surfaces.map(surface => [surface, new Map()]))
  // Most requests ask what the one before asked.
  let lastSurface: Surface | null = null
  let lastModel = ''
  let last: Routing = { model: '', targets: [] }

  return {
    data,
    strategy,
    targets,
    catalog,
    clientAddress: data.trustedProxies.length > 0 ? clientAddress(data.trustedProxies) : null,
    redact: createRedactor({ secrets: data.secrets }),
    corsOrigins: data.cors.origins.length > 0 ? new Set(data.cors.origins) : null,
    route(surface, model) {
      if (surface === lastSurface && model === lastModel) return last
      const known = routed.get(surface)!
      let found = known.get(model)
      if (found === undefined) {
        found = route(targets, strategy, (target, asked) => target.codec(surface, asked) !== null, model)
        if (known.size >= maxRouted) known.clear()
        known.set(model, found)
      }
      lastSurface = surface
      lastModel = model
      last = found
      return found
    },
    owner(model, isCapable) {
      const found = route(targets, strategy, isCapable, model)
      return found.targets.length === 0 ? null : { model: found.model, target: found.targets[0]! }
    },
    named: name =>
      targets.find(({ key }) => key === name) ?? targets.find(({ provider }) => goesBy(provider, name)) ?? null,
    unsupported: data.compatibility.onUnsupportedParam === 'warn' ? unsupported : null,
    authenticate: authenticator(data.auth.masterKeySha256, openKeyTable(data.auth.keys)),
  }
}

const goesBy = ({ id, aliases }: Provider, name: string): boolean => id === name || aliases?.includes(name) === true

function route(
  targets: readonly CompiledTarget[],
  strategy: Strategy,
  isCapable: (target: CompiledTarget, model: string) => boolean,
  model: string,
): Routing {
  const found = owners(targets, strategy, isCapable, model)
  if (found.length > 0 || model === '') return { model, targets: strategy.order(found) }
  // `provider/model`: the first part is a target's or provider's name, and nobody owns the whole as an id.
  const slash = model.indexOf('/')
  const rest = model.slice(slash + 1)
  if (slash <= 0 || rest === '') return { model, targets: [] }
  const name = model.slice(0, slash)
  const named = targets.filter(({ key, provider }) => key === name || goesBy(provider, name))
  return { model: rest, targets: strategy.order(owners(named, strategy, isCapable, rest)) }
}

function owners(
  targets: readonly CompiledTarget[],
  strategy: Strategy,
  isCapable: (target: CompiledTarget, model: string) => boolean,
  model: string,
): readonly CompiledTarget[] {
  const capable = targets.filter(target => isCapable(target, model))
  // A strategy that commits decides before the model is looked at: `single` is its first target or nothing.
  const considered = strategy.commits ? strategy.order(capable) : capable
  if (model === '') return considered
  const owning = considered.filter(target => target.serves(model))
  // Targets that take any model are asked only when nobody owns the id, or prompts would reach unrelated vendors.
  return owning.length > 0 ? owning : considered.filter(target => target.data.anyModel)
}

interface TargetParts {
  readonly data: TargetData
  readonly provider: Provider
  readonly snapshot: SnapshotData
  readonly upstream: Upstream
  readonly userAgent: string
  readonly catalog: Catalog | null
  readonly state: TargetRow
}

function compileTarget({ data, provider, snapshot, upstream, userAgent, catalog, state }: TargetParts): CompiledTarget {
  const { upstream: settings } = snapshot
  const authorizer = createAuthorizer(provider.auth(data.settings), {
    upstream,
    proxy: data.proxy,
    ca: data.tls?.ca,
  })
  authorizer.warmUp?.()
  const routes = new Routes({
    root: provider.origin(data.settings),
    hosts: provider.hosts ?? [],
    headers: [
      ['user-agent', userAgent],
      ...authorizer.fixed,
      ...Object.entries(provider.headers?.(data.settings) ?? {}),
    ],
    origin: url =>
      upstream.origin({
        url,
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
      }),
  })
  // Behind an own base URL there is no telling which of the provider's ids are served; they have no claim there.
  const isOwn = data.anyModel && provider.anyModel !== true
  const models = new Set([...data.models, ...(isOwn ? [] : (provider.models ?? []))])
  const prefixes = provider.modelPrefixes ?? []
  const forward = provider.forward ?? ownApi
  /** By what their chat is spoken with. */
  const derived = new Map<Surface, Map<ChatCodec | undefined, Codec | null>>()
  const answerHeaders = `${securityHeaders}x-gateway-provider: ${data.key}\r\n`
  const unknown = snapshot.series[`${data.key}\0unknown`] ?? 0
  // Most requests are for the model of the one before.
  let lastModel = 'unknown'
  let lastSeries = unknown

  return {
    key: data.key,
    data,
    provider,
    state,
    authorizer,
    routes,
    forward,
    forwardRoot: forward.root?.(data.settings) ?? routes.root,
    jsonHeaders: fixedHeaders(answerHeaders + jsonType),
    eventHeaders: fixedHeaders(answerHeaders + eventStreamType),
    plainHeaders: fixedHeaders(answerHeaders),
    retryStatuses: data.retry.onStatusCodes.length > 0 ? new Set(data.retry.onStatusCodes) : null,
    codec(surface, model) {
      const own: Codec<never> | undefined = provider.codecs[surface.id]
      if (own !== undefined && (model === '' ? own.defaultModel !== undefined : (own.serves?.(model) ?? true)))
        return own.forModel?.(model || own.defaultModel!) ?? own
      if (surface.derive === undefined || model === '') return null
      const chat = provider.codecs.chat?.forModel?.(model) ?? provider.codecs.chat
      const known = derived.get(surface) ?? new Map<ChatCodec | undefined, Codec | null>()
      derived.set(surface, known)
      let through = known.get(chat)
      if (through === undefined) {
        through = surface.derive({ ...provider.codecs, chat }) ?? null
        known.set(chat, through)
      }
      return (through?.serves?.(model) ?? true) ? through : null
    },
    series(model) {
      if (model !== lastModel) {
        lastSeries = snapshot.series[`${data.key}\0${model}`] ?? unknown
        lastModel = model
      }
      return lastSeries
    },
    serves: model =>
      models.has(model) ||
      prefixes.some(prefix => model.startsWith(prefix)) ||
      (!isOwn && catalog !== null && catalog.owns(provider.id, model)),
  }
}
