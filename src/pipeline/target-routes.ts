import { Failure } from '../core/failures.ts'
import type { Origin, PreparedHead } from '../upstream/upstream.ts'

/** Where one request of a target goes: a pool of connections, and all of its head that does not change. */
export interface Route {
  readonly origin: Origin
  readonly head: PreparedHead
  /** Of the origin, as the Host header has it. */
  readonly host: string
}

export interface RouteRequest {
  readonly method: string
  /** Absolute; its path comes before the one below. */
  readonly root: string
  /** Query included. */
  readonly path: string
  /** '' = none that is the same for all requests. */
  readonly contentType: string
  /** '' = none that is the same for all requests. */
  readonly accept: string
  readonly headers: Readonly<Record<string, string>> | undefined
}

export interface RoutesOptions {
  readonly root: string
  /** Where else absolute URLs may lead; `.example.com` stands for all hosts below it. */
  readonly hosts: readonly string[]
  readonly headers: readonly (readonly [string, string])[]
  origin(url: string): Origin
}

/** Model ids, and so paths, come from clients. */
const mostHeads = 256
/** A vendor has a handful of hosts; regions may come from model ids. */
const mostRoots = 64

/** A target's heads, made once per path, and its origins, once per root. */
export class Routes {
  readonly root: string
  readonly #options: RoutesOptions
  readonly #heads = new Map<string, Route>()
  /** Most requests are like the one before. */
  #lastAsked: RouteRequest | null = null
  #last!: Route
  readonly #roots = new Map<string, { readonly origin: Origin; readonly basePath: string; readonly host: string }>()

  constructor(options: RoutesOptions) {
    this.#options = options
    this.root = options.root
    // Opened now, so that a target that can't be is found out when the config is compiled.
    this.#open(options.root)
  }

  /** The only origin of a target whose surfaces share a root. */
  get origin(): Origin {
    return this.#open(this.root).origin
  }

  to(
    method: string,
    root: string,
    path: string,
    contentType: string,
    accept: string,
    headers: RouteRequest['headers'],
  ): Route {
    const last = this.#lastAsked
    if (
      last !== null &&
      last.path === path &&
      last.accept === accept &&
      last.contentType === contentType &&
      last.root === root &&
      last.method === method &&
      last.headers === headers
    )
      return this.#last
    const asked = { method, root, path, contentType, accept, headers }
    const key = `${method} ${accept} ${contentType} ${root} ${path} ${headers === undefined ? '' : JSON.stringify(headers)}`
    let route = this.#heads.get(key)
    if (route === undefined) {
      route = this.make(asked)
      if (this.#heads.size >= mostHeads) this.#heads.clear()
      this.#heads.set(key, route)
    }
    this.#lastAsked = asked
    this.#last = route
    return route
  }

  /** One that is not remembered: for paths that hardly come again. */
  make({ method, root, path, contentType, accept, headers }: RouteRequest): Route {
    const { origin, basePath, host } = this.#open(root)
    const lines: (readonly [string, string])[] = []
    if (contentType !== '') lines.push(['content-type', contentType])
    if (accept !== '') lines.push(['accept', accept])
    lines.push(...this.#options.headers, ...Object.entries(headers ?? {}))
    return { origin, head: origin.prepare(method, basePath + path, lines), host }
  }

  /** Root and path of what an upstream's answer leads to, or a failure when that is nobody's business. */
  follow(to: string, root: string): { readonly root: string; readonly path: string } | Failure {
    if (to.startsWith('/')) return { root, path: to }
    const own = new URL(root)
    const url = URL.canParse(to) ? new URL(to) : null
    const isKnown =
      url !== null &&
      url.username === '' &&
      url.password === '' &&
      (url.origin === own.origin || (url.protocol === 'https:' && url.port === '' && this.#trusts(url.hostname)))
    if (!isKnown)
      return new Failure('upstream_error', { cause: 'the answer leads to a host that is not the provider’s' })
    return { root: url.origin, path: url.pathname + url.search }
  }

  #trusts(hostname: string): boolean {
    return this.#options.hosts.some(host => (host.startsWith('.') ? hostname.endsWith(host) : hostname === host))
  }

  #open(root: string) {
    let open = this.#roots.get(root)
    if (open === undefined) {
      const url = root.startsWith('local:') ? null : new URL(root)
      open = {
        origin: this.#options.origin(url === null ? root : url.origin),
        basePath: url === null ? '' : url.pathname.replace(/\/+$/, ''),
        host: url === null ? '' : url.host,
      }
      if (this.#roots.size >= mostRoots) this.#roots.clear()
      this.#roots.set(root, open)
    }
    return open
  }
}
