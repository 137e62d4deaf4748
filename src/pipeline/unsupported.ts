import type { Codec } from '../core/provider.ts'

/** Writes to the log of this thread. */
export type Warn = (msg: string, fields: Readonly<Record<string, string>>) => void

const everyMs = 60_000

/** Names parameters that a provider does not know, once a minute for each target and parameter. */
export class UnsupportedNotes {
  readonly #warn: Warn
  readonly #now: () => number
  /** When each was named last. Both halves of a key come from the config and the codecs, so it stays small. */
  readonly #named = new Map<string, number>()

  constructor(warn: Warn, now: () => number = () => performance.now()) {
    this.#warn = warn
    this.#now = now
  }

  note(target: string, { params }: Pick<Codec<never>, 'params'>, request: object, traceId: string): void {
    const now = this.#now()
    const fresh: string[] = []
    for (const name in params) {
      if (params[name] !== 'unsupported') continue
      const value = (request as Readonly<Record<string, unknown>>)[name]
      if (value === undefined || value === null) continue
      const key = `${target}\0${name}`
      if (now - (this.#named.get(key) ?? Number.NEGATIVE_INFINITY) < everyMs) continue
      this.#named.set(key, now)
      fresh.push(name)
    }
    if (fresh.length === 0) return
    this.#warn('the provider does not know these parameters', { target, params: fresh.join(', '), trace_id: traceId })
  }
}
