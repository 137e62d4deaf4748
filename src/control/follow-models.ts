import type { Environment } from '../config/env.ts'
import type { Provider } from '../core/provider.ts'
import type { Log } from '../telemetry/worker-log.ts'
import { createUpstream } from '../upstream/index.ts'
import { Discovery } from './discovery.ts'
import type { ModelCatalog } from './model-catalog.ts'
import { refreshCatalog } from './refresh-catalog.ts'
import type { Settings } from './settings.ts'

/** Keeps what is known of models up to date. Main loads this only when something is to be asked of others. */
export interface FollowParts {
  readonly env: Environment
  readonly providers: readonly Provider[]
  readonly userAgent: string
  readonly log: Log
  readonly catalog: ModelCatalog
  current(): Settings
  /** Something is known that was not: another snapshot is wanted. */
  onNews(reason: string): void
}

const catalogEveryMs = 24 * 3_600_000

export function followModels({
  env,
  providers,
  userAgent,
  log,
  catalog,
  current,
  onNews,
}: FollowParts): Discovery | null {
  const upstream = createUpstream()
  const { url, timeoutMs } = env.modelCatalog
  if (url !== '') {
    const refresh = async (): Promise<void> => {
      if (await refreshCatalog(catalog, { url, upstream, timeoutMs, proxies: env.proxy, log }))
        onNews('a newer catalog of models')
    }
    setInterval(() => void refresh(), catalogEveryMs).unref()
    void refresh()
  }
  if (env.modelDiscoveryMs === 0) return null
  const discovery = new Discovery({
    providers,
    upstream,
    log,
    userAgent,
    intervalMs: env.modelDiscoveryMs,
    targets() {
      const { snapshot, allocation } = current()
      return { snapshot, fingerprint: key => allocation.targets[key].fingerprint }
    },
    onChange: () => onNews('models were discovered'),
  })
  discovery.start()
  return discovery
}
