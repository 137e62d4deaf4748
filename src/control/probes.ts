import type { SnapshotData } from '../core/snapshot.ts'
import type { ControlAnswer } from './routes.ts'
import { jsonAnswer } from './routes.ts'

/** What `/health` and `/readyz` are made from. */
export interface GatewayState {
  readonly snapshot: SnapshotData
  readonly version: string
  readonly engine: string
  readonly startedAtMs: number
  readonly draining: boolean
  readonly crashLooping: boolean
  readonly workers: Readonly<Record<string, number>>
  readonly acceptors: number
  readonly config: ConfigState
  /** Ids a provider is known to serve. */
  modelsOf(provider: string): readonly string[]
}

export interface ConfigState {
  /** The file, or '' for built-in defaults. */
  readonly source: string
  readonly loadedAtMs: number
  /** Of the last reload that was refused since; the config before it stays in force. */
  readonly failure: { readonly atMs: number; readonly problems: number } | null
}

/** Inventory: what is configured, not whether it can be reached. */
export function health(state: GatewayState): ControlAnswer {
  const { snapshot, config } = state
  const providers = snapshot.targets.map(target => ({
    name: target.key,
    status: 'available',
    models: new Set([...target.models, ...state.modelsOf(target.provider)]).size,
    circuit: 'closed',
  }))
  const ok = providers.length > 0
  return jsonAnswer(ok ? 200 : 503, {
    status: ok ? 'ok' : 'no_providers',
    providers,
    version: state.version,
    engine: state.engine,
    uptime_seconds: Math.round((Date.now() - state.startedAtMs) / 1000),
    threads: { acceptors: state.acceptors, workers: state.workers },
    config: {
      version: snapshot.version,
      source: config.source === '' ? 'defaults' : 'file',
      loaded_at: new Date(config.loadedAtMs).toISOString(),
      reload: config.failure === null ? 'ok' : 'failed',
      ...(config.failure === null
        ? {}
        : { failed_at: new Date(config.failure.atMs).toISOString(), problems: config.failure.problems }),
    },
  })
}

/** Whether the next request could be served here. */
export function readiness(state: GatewayState): ControlAnswer {
  const reason = unreadyReason(state)
  if (reason !== null) return jsonAnswer(503, { status: 'not_ready', reason })
  return jsonAnswer(200, {
    status: 'ready',
    providers: state.snapshot.targets.map(({ key }) => ({ name: key, circuit: 'closed' })),
    targets: state.snapshot.targets.map(({ key }) => ({ name: key, routable: true })),
  })
}

function unreadyReason({ snapshot, draining, crashLooping, workers, acceptors }: GatewayState): string | null {
  if (draining) return 'shutting down'
  if (snapshot.targets.length === 0) return 'no routable targets'
  if (crashLooping) return 'threads keep dying'
  const total = Object.values(workers).reduce((sum, n) => sum + n, 0)
  if (total > 0 && (workers.live ?? 0) === 0) return 'no live worker'
  return acceptors === 0 ? 'no live acceptor' : null
}
