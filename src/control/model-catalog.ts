import { readFileSync } from 'node:fs'
import { modelCount, parseDocument } from '../catalog/document.ts'
import { openTable, packCatalog } from '../catalog/table.ts'
import { type ProxyVariables, proxyFor } from '../config/proxy.ts'
import { Failure } from '../core/failures.ts'
import type { Json } from '../core/json.ts'
import type { Log } from '../telemetry/worker-log.ts'
import { type Fetched, fetchWhole } from '../upstream/fetch.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** `remote`: from the URL. `fallback`: the one that came with the gateway. */
export interface CatalogLoad {
  readonly source: 'remote' | 'fallback'
  readonly result: 'ok' | 'failed'
}

/** The catalog in force: the one beside the bundles, until a newer one was fetched and found good in every part. */
export class ModelCatalog {
  #memory: SharedArrayBuffer | null
  /** Why there is none; '' when there is. */
  readonly problem: string
  readonly loads = new Map<string, CatalogLoad & { count: number }>()

  constructor(file: URL) {
    const found = readCatalog(file)
    this.#memory = typeof found === 'string' ? null : found
    this.problem = typeof found === 'string' ? found : ''
    this.#count('fallback', this.problem === '' ? 'ok' : 'failed')
  }

  /** null: there is none. All models are unknown then, and nothing is priced. */
  get memory(): SharedArrayBuffer | null {
    return this.#memory
  }

  /** True when another catalog is in force than before. A failure changes nothing. */
  async refresh({ url, log, ...options }: CatalogFetch): Promise<boolean> {
    const fetched = await fetchFollowing(new URL(url), options)
    const found = fetched instanceof Failure ? fetched : parse(fetched)
    // Without user and query: they may hold a credential.
    const { host, pathname } = new URL(url)
    if (found instanceof Failure) {
      this.#count('remote', 'failed')
      log.warn('the catalog of models was not refreshed', { url: host + pathname, cause: found.details.cause })
      return false
    }
    this.#count('remote', 'ok')
    if (this.#memory !== null && Buffer.from(this.#memory).equals(Buffer.from(found.memory))) return false
    this.#memory = found.memory
    log.info('the catalog of models was refreshed', { url: host + pathname, models: found.models })
    return true
  }

  #count(source: CatalogLoad['source'], result: CatalogLoad['result']): void {
    const key = `${source} ${result}`
    const load = this.loads.get(key) ?? { source, result, count: 0 }
    load.count++
    this.loads.set(key, load)
  }
}

/** The text: why it can't be used. */
function readCatalog(file: URL): SharedArrayBuffer | string {
  try {
    const bytes = readFileSync(file)
    const memory = new SharedArrayBuffer(bytes.length)
    bytes.copy(new Uint8Array(memory))
    openTable(memory)
    return memory
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

export interface CatalogFetch {
  readonly url: string
  readonly upstream: Upstream
  readonly timeoutMs: number
  readonly proxies: ProxyVariables
  readonly log: Log
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
  const isSafe = next.protocol === 'https:' || (next.protocol === 'http:' && from.protocol === 'http:')
  return isSafe ? next : refused('a redirect away from https')
}

function headersOf({ username, password }: URL): [string, string][] {
  const headers: [string, string][] = [
    ['accept', 'application/json, application/octet-stream'],
    ['user-agent', 'ferrite'],
  ]
  if (username === '' && password === '') return headers
  const credential = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  return [...headers, ['authorization', `Basic ${credential}`]]
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
