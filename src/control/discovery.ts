import { Failure } from '../core/failures.ts'
import type { Json } from '../core/json.ts'
import type { DiscoveredModel, Provider } from '../core/provider.ts'
import type { SnapshotData, TargetData } from '../core/snapshot.ts'
import type { Log } from '../telemetry/worker-log.ts'
import { createAuthorizer } from '../upstream/auth/index.ts'
import { type Fetched, fetchWhole } from '../upstream/fetch.ts'
import type { Upstream } from '../upstream/upstream.ts'

/**
 * Asks the targets' upstreams which models they serve, every so often. What they say joins the routing and `/v1/models`
 * with the next snapshot, which is asked for only when a list has changed. A target that does not answer keeps its list.
 */
export interface DiscoveryParts {
  readonly providers: readonly Provider[]
  readonly upstream: Upstream
  readonly log: Log
  readonly userAgent: string
  readonly intervalMs: number
  /** What is configured now. The fingerprint of a target is equal as long as it is the same upstream. */
  targets(): { readonly snapshot: SnapshotData; fingerprint(key: string): string }
  /** A list is another than before. */
  onChange(): void
}

const atOnce = 8
const limits = { pages: 50, models: 20_000, bytes: 16 << 20, timeoutMs: 30_000, idLength: 256 }

export class Discovery {
  readonly #parts: DiscoveryParts
  /** By fingerprint. */
  #lists = new Map<string, readonly DiscoveredModel[]>()
  #timer: NodeJS.Timeout | null = null
  #running: Promise<void> | null = null

  constructor(parts: DiscoveryParts) {
    this.#parts = parts
  }

  /** The first round begins at once. */
  start(): void {
    const again = (): void => void this.round()
    this.#timer = setInterval(again, this.#parts.intervalMs).unref()
    again()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** What a target was last said to serve; none when it never answered. */
  of(fingerprint: string): readonly DiscoveredModel[] {
    return this.#lists.get(fingerprint) ?? []
  }

  /** A round that takes longer than the interval is not begun twice. */
  round(): Promise<void> {
    this.#running ??= this.#round().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #round(): Promise<void> {
    const { providers, targets, log, onChange } = this.#parts
    const { snapshot, fingerprint } = targets()
    const byId = new Map(providers.map(provider => [provider.id, provider]))
    // Two targets may be one upstream.
    const waiting = new Map(snapshot.targets.map(target => [fingerprint(target.key), target]))
    const lists = new Map<string, readonly DiscoveredModel[]>()
    for (const print of waiting.keys()) if (this.#lists.has(print)) lists.set(print, this.of(print))
    const queue = [...waiting]
    let hasChanged = false
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [print, target] = next
        const found = await this.#tryAsk(target, byId.get(target.provider), snapshot)
        if (found === null) continue
        if (found instanceof Failure) {
          log.warn('models could not be discovered', {
            target: target.key,
            cause: found.details.cause ?? found.kind,
            upstream_status: found.details.upstreamStatus,
          })
          continue
        }
        if (idsOf(found) !== idsOf(this.of(print))) hasChanged = true
        lists.set(print, found)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    this.#lists = lists
    if (hasChanged) onChange()
  }

  /** What a provider's reader trips over, or a root that is none, is that target's trouble, and no reason to end. */
  async #tryAsk(
    target: TargetData,
    provider: Provider | undefined,
    snapshot: SnapshotData,
  ): Promise<DiscoveredModel[] | Failure | null> {
    try {
      return await this.#ask(target, provider, snapshot)
    } catch (error) {
      return refused(`its list could not be read: ${String(error)}`)
    }
  }

  /** null: it can't be asked. */
  async #ask(
    target: TargetData,
    provider: Provider | undefined,
    { upstream: settings }: SnapshotData,
  ): Promise<DiscoveredModel[] | Failure | null> {
    const { discovery } = provider ?? {}
    if (provider === undefined || discovery === undefined) return null
    const { upstream, userAgent } = this.#parts
    const root = new URL(discovery.root?.(target.settings) ?? provider.origin(target.settings))
    const { proxy, tls } = target
    const authorizer = createAuthorizer(provider.auth(target.settings), { upstream, proxy, ca: tls?.ca })
    const origin = upstream.origin({
      url: root.origin,
      maxConnections: 1,
      maxQueue: limits.pages,
      connectTimeoutMs: settings.connectTimeoutMs,
      idleTimeoutMs: 1,
      maxConnectionAgeMs: settings.maxConnectionAgeMs,
      maxHeadBytes: settings.maxHeadBytes,
      retryStale: false,
      http2: target.http2,
      proxy: target.proxy,
      tls: target.tls,
    })
    const headers: [string, string][] = [
      ['accept', 'application/json'],
      ['user-agent', userAgent],
      ...authorizer.fixed.map(([name, value]): [string, string] => [name, value]),
      ...Object.entries(provider.headers?.(target.settings) ?? {}),
      ...Object.entries(provider.codecs.chat?.headers ?? {}),
    ]
    const base = root.pathname.replace(/\/+$/, '')
    const models = new Map<string, DiscoveredModel>()
    const asked = new Set<string>()
    for (let page: string | undefined = discovery.path; page !== undefined; ) {
      if (asked.has(page) || asked.size >= limits.pages) return refused('its list does not end')
      asked.add(page)
      const path = base + page
      const request = { method: 'GET', host: root.host, path, contentType: '', body: null, nowMs: Date.now() }
      const own = (await authorizer.authorize?.(request)) ?? ''
      if (own instanceof Failure) return own
      const fetched = await fetchWhole(origin, path, [...headers, ...pairsOf(own)], {
        timeoutMs: limits.timeoutMs,
        maxBytes: limits.bytes,
      })
      if (fetched instanceof Failure) return fetched
      const decoded = decode(fetched, discovery.decode)
      if (decoded instanceof Failure) return decoded
      for (const model of decoded.models) if (isId(model.id) && models.size < limits.models) models.set(model.id, model)
      page = decoded.next
    }
    return [...models.values()]
  }
}

function decode({ status, body }: Fetched, read: NonNullable<Provider['discovery']>['decode']) {
  if (status !== 200) return new Failure('upstream_error', { cause: `answered ${status}`, upstreamStatus: status })
  let parsed: Json
  try {
    parsed = JSON.parse(body.toString()) as Json
  } catch {
    return refused('its list is no JSON')
  }
  return read(parsed) ?? refused('its list has another form')
}

const refused = (cause: string): Failure => new Failure('upstream_error', { cause })

/** `name: value` lines, each ended by CRLF, as pairs. */
const pairsOf = (lines: string): [string, string][] =>
  lines
    .split('\r\n')
    .filter(Boolean)
    .map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })

/** What may stand in a config, a log and a metric. */
const isId = (id: string): boolean => id.length <= limits.idLength && !/[\x00-\x1f\x7f]/.test(id)

const idsOf = (models: readonly DiscoveredModel[]): string =>
  models
    .map(({ id }) => id)
    .sort()
    .join('\n')
