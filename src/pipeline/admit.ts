import { bearerToken } from '../core/authenticate.ts'
import { Failure } from '../core/failures.ts'
import { staysBelowRoot } from '../core/paths.ts'
import type { Surface } from '../core/surface.ts'
import type { ThreadMetrics } from '../shared/metric-rows.ts'
import type { TokenBuckets } from '../shared/token-buckets.ts'
import type { Exchange } from './exchange.ts'

/**
 * What is decided from a request's head alone, in this order: where it comes from, whether its origin and address may
 * ask now, who asks, and whether there is such a route and method. A wrong method of a caller without a key is a 401.
 */

export type Route =
  | { readonly kind: 'surface'; readonly surface: Surface }
  | { readonly kind: 'models' }
  | { readonly kind: 'model'; readonly id: string }
  | { readonly kind: 'capabilities' }
  | { readonly kind: 'preflight' }
  | ForwardRoute

/** What goes through as it comes. */
export interface ForwardRoute {
  readonly kind: 'forward'
  /** `responses`: one is created; `stored`: one that there is, or what else its provider keeps. */
  readonly to: 'responses' | 'stored' | 'files' | 'batches' | 'passthrough'
}

export interface RouteTable {
  find(path: string): { readonly methods: readonly string[]; readonly route: Route } | null
}

export function routeTable(surfaces: readonly Surface[]): RouteTable {
  const exact = new Map<string, { methods: readonly string[]; route: Route }>()
  for (const surface of surfaces)
    exact.set(surface.path, { methods: surface.methods, route: { kind: 'surface', surface } })
  exact.set('/v1/models', { methods: ['GET', 'HEAD'], route: { kind: 'models' } })
  exact.set('/v1/capabilities', { methods: ['GET', 'HEAD'], route: { kind: 'capabilities' } })
  exact.set('/v1/responses', { methods: ['POST'], route: { kind: 'forward', to: 'responses' } })
  const one = '/v1/models/'

  return {
    find(path) {
      const found = exact.get(path)
      if (found !== undefined) return found
      if (!path.startsWith(one) || path.length === one.length) return forwarded(path)
      const id = decodePath(path.slice(one.length))
      return id === null ? null : { methods: ['GET', 'HEAD'], route: { kind: 'model', id } }
    },
  }
}

/** What the gateway has no endpoint of its own for. */
function forwarded(path: string): { methods: readonly string[]; route: Route } | null {
  if (!path.startsWith('/v1/') || path.length === '/v1/'.length) return null
  const end = path.indexOf('/', '/v1/'.length)
  const first = end < 0 ? path : path.slice(0, end)
  return { methods: anyMethod, route: { kind: 'forward', to: families.get(first) ?? 'passthrough' } }
}

const anyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const families = new Map<string, ForwardRoute['to']>([
  ['/v1/files', 'files'],
  ['/v1/batches', 'batches'],
  ['/v1/responses', 'stored'],
])

/** Methods of our own endpoints that are another's business: completions it keeps, and its own use of model paths. */
function forwardedInstead(exchange: Exchange): ForwardRoute | null {
  const { place, incoming, snapshot } = exchange
  const isNamed = incoming.header('x-provider') !== ''
  const isStored = place.path === '/v1/chat/completions' && incoming.method === 'GET'
  if (isStored && (isNamed || snapshot.data.responsesTarget !== '')) return { kind: 'forward', to: 'passthrough' }
  return isNamed && place.path.startsWith('/v1/models/') ? { kind: 'forward', to: 'passthrough' } : null
}

/** Model ids may hold slashes and arrive escaped or not. */
function decodePath(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

export interface AdmitParts {
  readonly routes: RouteTable
  /** Null: no limit per address. */
  readonly buckets: TokenBuckets | null
  readonly metrics: ThreadMetrics
}

export function admit(exchange: Exchange, { routes, buckets, metrics }: AdmitParts): Route | Failure {
  const { incoming, snapshot } = exchange
  const { clientAddress } = snapshot
  exchange.remote =
    clientAddress === null
      ? incoming.remote
      : clientAddress(
          incoming.remote,
          () => incoming.header('x-forwarded-for'),
          () => incoming.header('x-real-ip'),
        )
  if (snapshot.corsOrigins !== null)
    exchange.extraHeaders = corsHeaders(snapshot.corsOrigins, incoming.header('origin'))
  if (incoming.method === 'OPTIONS' && incoming.header('origin') !== '') return { kind: 'preflight' }

  if (buckets !== null) {
    const waitMs = buckets.take(exchange.remote, performance.timeOrigin + exchange.startedAt)
    if (waitMs > 0) {
      metrics.add('rateLimitedByIp')
      return new Failure('rate_limit_exceeded', { retryAfterMs: waitMs })
    }
  }

  const denied = authenticate(exchange)
  if (denied !== null) return denied

  const found = routes.find(exchange.place.path)
  if (found === null)
    return new Failure('not_found', { message: `there is nothing at ${snapshot.redact(printable(exchange.path))}` })
  if (!found.methods.includes(incoming.method)) {
    const instead = forwardedInstead(exchange)
    if (instead !== null) return checkPath(exchange, instead)
    const accepted = found.methods.join(', ')
    return new Failure('method_not_supported', {
      message: `Only ${accepted} requests are accepted on ${printable(exchange.path)}.`,
      allow: accepted,
    })
  }
  return found.route.kind === 'forward' ? checkPath(exchange, found.route) : found.route
}

const checkPath = (exchange: Exchange, route: ForwardRoute): ForwardRoute | Failure =>
  staysBelowRoot(exchange.place.path) ? route : new Failure('invalid_proxy_path')

/** A valid credential is resolved even where none is needed, so that requests stay attributed. */
function authenticate(exchange: Exchange): Failure | null {
  const { snapshot, incoming } = exchange
  const header = incoming.header('authorization')
  const open = snapshot.data.auth.allowUnauthenticated
  const token = bearerToken(header) || (exchange.place.isAlias ? incoming.header('api-key') : '')
  if (token === '') return open ? null : new Failure('missing_api_key')
  exchange.key = snapshot.authenticate(token, exchange.startedMs)
  return exchange.key === null && !open ? new Failure('invalid_api_key') : null
}

function corsHeaders(origins: ReadonlySet<string>, origin: string): string {
  if (origin === '' || !origins.has(origin)) return 'vary: Origin\r\n'
  return (
    `vary: Origin\r\naccess-control-allow-origin: ${origin}\r\n` +
    'access-control-allow-methods: GET, POST, PUT, DELETE, OPTIONS\r\n' +
    'access-control-allow-headers: Content-Type, Authorization, X-Provider\r\n' +
    'access-control-max-age: 86400\r\n'
  )
}

const printable = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}…` : path)
