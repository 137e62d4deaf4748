/** What a config that says nothing means. Shown by the schema, filled in when a config is compiled. */
export const defaults = {
  server: {
    host: '0.0.0.0',
    port: 8080,
    engine: 'auto',
    max_head_bytes: 65_536,
    head_timeout: '10s',
    body_timeout: '30s',
    keep_alive_timeout: '60s',
    write_stall_timeout: '15s',
    max_connections: 0,
    shutdown_grace: '15s',
    pre_stop_delay: '0s',
    tls: { min_version: 'TLSv1.2' },
  },
  runtime: { worker_memory_mb: 512, stuck_after: '10s', ring_budget_mb: 64 },
  upstream: {
    connect_timeout: '10s',
    first_byte_timeout: '600s',
    idle_timeout: '120s',
    total_timeout: '0s',
    max_connections: 1024,
    max_queue: 1024,
    keep_alive: '90s',
    max_connection_age: '300s',
    max_response_bytes: 50 * 1024 * 1024,
    max_head_bytes: 65_536,
    retry_stale: true,
    http2: false,
    proxy: '',
  },
  target: { weight: 0, retry: { attempts: 1, initial_backoff_ms: 100 } },
  stream: { heartbeat: '0s' },
  compatibility: { on_unsupported_param: 'warn', stream_usage: 'requested' },
  max_request_bytes: 10 * 1024 * 1024,
} as const

/** For `n` processor cores. Acceptors only move bytes, so one serves about three workers. */
export function defaultThreads(cores: number): { acceptors: number; workers: number } {
  const acceptors = Math.max(1, Math.floor(cores / 4))
  return { acceptors, workers: Math.max(1, cores - acceptors) }
}
