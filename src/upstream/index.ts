import { Call } from './call.ts'
import { Deadlines } from './deadlines.ts'
import { Http1Origin } from './http1/origin.ts'
import { UndiciOrigin } from './undici.ts'
import type { Origin, OriginOptions, Upstream } from './upstream.ts'

export interface UpstreamParts {
  /** Answers `local:<id>` urls in the process. */
  readonly local?: (id: string) => Origin
}

/** The upstream side of one thread. */
export function createUpstream({ local }: UpstreamParts = {}): Upstream {
  const deadlines = new Deadlines()
  const shared = new SharedOrigins(deadlines)
  return {
    origin(options) {
      if (!options.url.startsWith('local:')) return shared.get(options)
      if (local === undefined) throw new TypeError('this process answers no local origins')
      return local(options.url.slice('local:'.length))
    },
    async close(graceMs) {
      shared.close()
      await deadlines.empty(graceMs)
      for (const call of deadlines.members()) {
        if (call instanceof Call) call.fail('upstream_error', 'the gateway is shutting down')
      }
      await shared.destroy()
    },
  }
}

type RemoteOrigin = Http1Origin | UndiciOrigin

/** Equal options share one pool, for as long as someone uses it: a reload leaves nothing behind. */
class SharedOrigins {
  readonly #origins = new Map<string, WeakRef<RemoteOrigin>>()
  readonly #deadlines: Deadlines
  readonly #forgotten = new FinalizationRegistry<string>(key => {
    if (this.#origins.get(key)?.deref() === undefined) this.#origins.delete(key)
  })

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  get(options: OriginOptions): Origin {
    const key = keyOf(options)
    const known = this.#origins.get(key)?.deref()
    if (known !== undefined) return known
    const Transport = options.http2 || options.proxy !== '' ? UndiciOrigin : Http1Origin
    const origin = new Transport(options, this.#deadlines)
    this.#origins.set(key, new WeakRef(origin))
    this.#forgotten.register(origin, key)
    return origin
  }

  close(): void {
    for (const origin of this.#origins.values()) origin.deref()?.close()
  }

  async destroy(): Promise<void> {
    for (const origin of this.#origins.values()) await origin.deref()?.destroy()
  }
}

/** Independent of the order in which the options were written down. */
function keyOf(options: OriginOptions): string {
  return JSON.stringify(options, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}
