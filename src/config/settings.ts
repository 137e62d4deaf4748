import type { UpstreamSettings } from '../core/snapshot.ts'
import { defaults, defaultThreads } from './defaults.ts'
import { parseDuration } from './duration.ts'
import type { Config } from './schema.ts'

export interface ServerSettings {
  readonly host: string
  readonly port: number
  readonly engine: 'auto' | 'uws' | 'node'
  readonly maxHeadBytes: number
  readonly headTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly writeStallTimeoutMs: number
  /** 0 = from the limit of open files. */
  readonly maxConnections: number
  readonly shutdownGraceMs: number
  readonly preStopDelayMs: number
  readonly tls: ServerTls | null
}

export interface ServerTls {
  readonly certFile: string
  readonly keyFile: string
  readonly passphrase?: string
  readonly caFile?: string
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

export interface RuntimeSettings {
  readonly acceptors: number
  /** 0 = the pipeline runs inside the acceptors. */
  readonly workers: number
  readonly workerMemoryMb: number
  readonly stuckAfterMs: number
  readonly ringBudgetMb: number
}

/** `port` is the one of the environment, which wins. */
export function serverSettings(config: Partial<Config>, port: number | null, tls: ServerTls | null): ServerSettings {
  const server = { ...defaults.server, ...config.server }
  return {
    host: server.host,
    port: port ?? server.port,
    engine: server.engine,
    maxHeadBytes: server.max_head_bytes,
    headTimeoutMs: toMs(server.head_timeout),
    bodyTimeoutMs: toMs(server.body_timeout),
    keepAliveTimeoutMs: toMs(server.keep_alive_timeout),
    writeStallTimeoutMs: toMs(server.write_stall_timeout),
    maxConnections: server.max_connections,
    shutdownGraceMs: toMs(server.shutdown_grace),
    preStopDelayMs: toMs(server.pre_stop_delay),
    tls,
  }
}

export function runtimeSettings(config: Partial<Config>, cores: number): RuntimeSettings {
  const runtime = { ...defaults.runtime, ...defaultThreads(cores), ...config.runtime }
  return {
    acceptors: runtime.acceptors,
    workers: runtime.workers,
    workerMemoryMb: runtime.worker_memory_mb,
    stuckAfterMs: toMs(runtime.stuck_after),
    ringBudgetMb: runtime.ring_budget_mb,
  }
}

export function upstreamSettings(config: Partial<Config>): UpstreamSettings {
  const upstream = { ...defaults.upstream, ...config.upstream }
  return {
    connectTimeoutMs: toMs(upstream.connect_timeout),
    firstByteTimeoutMs: toMs(upstream.first_byte_timeout),
    idleTimeoutMs: toMs(upstream.idle_timeout),
    totalTimeoutMs: toMs(upstream.total_timeout),
    maxConnections: upstream.max_connections,
    maxQueue: upstream.max_queue,
    keepAliveMs: toMs(upstream.keep_alive),
    maxConnectionAgeMs: toMs(upstream.max_connection_age),
    maxResponseBytes: upstream.max_response_bytes,
    maxHeadBytes: upstream.max_head_bytes,
    retryStale: upstream.retry_stale,
  }
}

/** The loader has checked the form. */
export const toMs = (duration: string): number => parseDuration(duration) ?? 0
