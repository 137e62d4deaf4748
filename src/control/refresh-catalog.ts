import { modelCount, parseDocument } from '../catalog/document.ts'
import { packCatalog } from '../catalog/table.ts'
import { type ProxyVariables, proxyFor } from '../config/proxy.ts'
import { Failure } from '../core/failures.ts'
import type { Json } from '../core/json.ts'
import type { Log } from '../telemetry/worker-log.ts'
import { type Fetched, fetchWhole } from '../upstream/fetch.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { ModelCatalog } from './model-catalog.ts'

export interface CatalogFetch {
  readonly url: string
  readonly upstream: Upstream
  readonly timeoutMs: number
  readonly proxies: ProxyVariables
  readonly log: Log
}

/** True when another catalog is in force than before. A failure changes nothing. */
export async function refreshCatalog(catalog: ModelCatalog, { url, log, ...options }: CatalogFetch): Promise<boolean> {
  const fetched = await fetchFollowing(new URL(url), options)
  const found = fetched instanceof Failure ? fetched : parse(fetched)
  // Without user and query: they may hold a credential.
  const { host, pathname } = new URL(url)
  if (found instanceof Failure) {
    log.warn('the catalog of models was not refreshed', { url: host + pathname, cause: found.details.cause })
    return catalog.replace(null)
  }
  const isNew = catalog.replace(found.memory)
  if (isNew) log.info('the catalog of models was refreshed', { url: host + pathname, models: found.models })
  return isNew
}

const mostBytes = 8 << 20
const mostRedirects = 5

/** Release assets are served by redirect. No credential goes along, so that following one gives nothing away. */
async function fetchFollowing(
  start: URL,
  { upstream, timeoutMs, proxies }: Omit<CatalogFetch, 'url' | 'log'>,
): Promise<Buffer | Failure> {
  const until = performance.now() + timeoutMs
  let url = start
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const left = Math.ceil(until - performance.now())
    if (left <= 0) return refused(`no answer within ${timeoutMs} ms`)
    const fetched = await fetchWhole(
      originOf(url, upstream, left, proxies),
      url.pathname + url.search,
      headersOf(url),
      {
        timeoutMs: left,
        maxBytes: mostBytes,
      },
    )
    if (fetched instanceof Failure) return fetched
    const next = redirectOf(fetched, url)
    if (next === null) return fetched.status === 200 ? fetched.body : refused(`answered ${fetched.status}`)
    if (next instanceof Failure) return next
    url = next
  }
  return refused('too many redirects')
}

function redirectOf({ status, location }: Fetched, from: URL): URL | Failure | null {
  if (![301, 302, 303, 307, 308].includes(status)) return null
  if (!URL.canParse(location, from.href)) return refused('a redirect to nowhere')
  const next = new URL(location, from)
  // Nobody tells us who to be.
  next.username = ''
  next.password = ''
  const isSafe = next.protocol === 'https:' || (next.protocol === 'http:' && from.protocol === 'http:')
  return isSafe ? next : refused('a redirect away from https')
}

function headersOf({ username, password }: URL): [string, string][] {
  const headers: [string, string][] = [
    ['accept', 'application/json, application/octet-stream'],
    ['user-agent', 'ferrite'],
  ]
  if (username === '' && password === '') return headers
  const credential = Buffer.from(`${unescaped(username)}:${unescaped(password)}`).toString('base64')
  return [...headers, ['authorization', `Basic ${credential}`]]
}

/** As it stands where it is no escape. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a password may well have a `%` in it
  }
}

const originOf = (url: URL, upstream: Upstream, timeoutMs: number, proxies: ProxyVariables) =>
  upstream.origin({
    url: url.origin,
    maxConnections: 1,
    maxQueue: 1,
    connectTimeoutMs: timeoutMs,
    idleTimeoutMs: 1,
    maxConnectionAgeMs: 60_000,
    maxHeadBytes: 65_536,
    retryStale: false,
    http2: false,
    proxy: proxyFor(url, proxies),
    tls: null,
  })

function parse(body: Buffer): { memory: SharedArrayBuffer; models: number } | Failure {
  try {
    const document = parseDocument(JSON.parse(body.toString()) as Json)
    return { memory: packCatalog(document), models: modelCount(document) }
  } catch (error) {
    return refused(`not a catalog: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const refused = (cause: string): Failure => new Failure('upstream_error', { cause })
