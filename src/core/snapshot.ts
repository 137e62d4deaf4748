import type { DiscoveredModel } from './provider.ts'

/**
 * What main hands the data-plane threads on start and after each reload: plain data (it crosses threads by
 * structured clone), already checked. Each worker compiles it once (`pipeline/compile.ts`) and swaps one reference.
 */
export interface SnapshotData {
  readonly version: number
  readonly strategy: { readonly mode: 'single' | 'fallback' }
  readonly targets: readonly TargetData[]
  readonly aliases: Readonly<Record<string, string>>
  /** Keys of the targets that take files and batches, and stored responses; '' = none. */
  readonly batchTarget: string
  readonly responsesTarget: string
  readonly maxRequestBytes: number
  /** 0 = none. */
  readonly requestTimeoutMs: number
  readonly compatibility: {
    readonly onUnsupportedParam: 'warn' | 'drop' | 'reject'
    /** `requested`: the usage chunk reaches the client only when asked for. `always`: unless refused. */
    readonly streamUsage: 'requested' | 'always'
  }
  readonly stream: {
    /** Comment lines while a committed stream is silent; 0 = none. */
    readonly heartbeatMs: number
  }
  readonly auth: {
    readonly allowUnauthenticated: boolean
    /** SHA-256 of the master key as lower-case hex; '' = none. */
    readonly masterKeySha256: string
    /** Client keys as `shared/key-table.ts` lays them out; null = none. Not copied: all threads see the same memory. */
    readonly keys: SharedArrayBuffer | null
  }
  /** Models and prices as `catalog/table.ts` lays them out; null = none. Not copied: all threads see the same memory. */
  readonly catalog?: SharedArrayBuffer | null
  readonly cors: { readonly origins: readonly string[] }
  readonly rateLimit: { readonly requestsPerSecond: number; readonly burst: number }
  /** CIDRs. */
  readonly trustedProxies: readonly string[]
  readonly upstream: UpstreamSettings
  /** Metric series by `provider\0model`; row 0 is (`none`, `unknown`). Rows keep their number across reloads. */
  readonly series: Readonly<Record<string, number>>
  /** For the redactor: values that must never leave, with the name to show in their place. */
  readonly secrets: readonly { readonly name: string; readonly value: string }[]
  /** Data-plane threads send an `ExchangeRecord` per request only when something reads it. */
  readonly recordRequests: boolean
  readonly startedUnixMs: number
}

export interface TargetData {
  /** `targets[].name`, else `virtual_key`, made unique; the label in metrics, logs and `X-Gateway-Provider`. */
  readonly key: string
  readonly provider: string
  /** Resolved values of the provider's settings. */
  readonly settings: Readonly<Record<string, string>>
  readonly models: readonly string[]
  /** What the upstream said it serves, when it was last asked; these ids are in `models`, too. */
  readonly discovered?: readonly DiscoveredModel[]
  /** Serves any model: its base URL is the operator's own, or the provider says so. */
  readonly anyModel: boolean
  readonly weight: number
  readonly retry: {
    readonly attempts: number
    readonly onStatusCodes: readonly number[]
    readonly initialBackoffMs: number
  }
  readonly maxConnections: number
  /** Row in the shared target state, kept across reloads while the target is unchanged. */
  readonly row: number
  readonly tls: {
    readonly ca?: readonly string[]
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
    readonly rejectUnauthorized?: boolean
  } | null
  readonly http2: boolean
  readonly proxy: string
}

/** What is known of a client's key, once it was recognised. */
export interface KeyData {
  readonly id: string
  readonly name: string
  readonly scopes: readonly ('admin' | 'read_only')[]
  /** ms since the epoch; 0 = never. */
  readonly expiresAtMs: number
}

export interface StoredKey extends KeyData {
  /** Lower-case hex. */
  readonly sha256: string
}

export interface UpstreamSettings {
  readonly connectTimeoutMs: number
  readonly firstByteTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly totalTimeoutMs: number
  readonly maxConnections: number
  readonly maxQueue: number
  readonly keepAliveMs: number
  readonly maxConnectionAgeMs: number
  readonly maxResponseBytes: number
  readonly maxHeadBytes: number
  readonly retryStale: boolean
}
