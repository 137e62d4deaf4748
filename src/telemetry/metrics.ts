import type { Allowance } from '../core/rate-limits.ts'
import type { Counter, Gauge, Histogram, MetricMemory, MetricReader, SeriesTotals } from '../shared/metric-rows.ts'
import { errorTypes, latencyBuckets, outcomes, readMetrics } from '../shared/metric-rows.ts'
import type { TargetFacts } from '../shared/target-state.ts'
import type { Family, Sample } from './exposition.ts'
import { expositionType, histogramSamples, joinLabels, renderFamilies, renderLabels } from './exposition.ts'
import { processFamilies } from './process-metrics.ts'

/**
 * Every metric of the gateway, as one list: what is counted is in shared/metric-rows.ts, how it is spelled is here. A name
 * is listed only when something writes it.
 */
export interface MetricSources {
  readonly memory: MetricMemory
  /** The labels of each series, by its row. `model` is one that is configured, else `unknown`, so a client cannot add series. */
  seriesLabels(): readonly SeriesLabels[]
  processInfo(): ProcessInfo
  /** Catalogs of models that were read, by where they are from. */
  catalogLoads?(): readonly { readonly source: string; readonly result: string; readonly count: number }[]
  /** What the newest answer of each target said. */
  targets?(): readonly TargetFigures[]
  /** What each breaker says at this moment: 0 closed, 1 open, 2 half-open. Left out while there are no breakers. */
  breakers?(): readonly { readonly provider: string; readonly state: 0 | 1 | 2 }[]
}

/** By target, as metrics call it. */
export interface TargetFigures extends TargetFacts {
  readonly provider: string
}

export interface SeriesLabels {
  readonly provider: string
  readonly model: string
}

/** What main knows of the process and its threads. */
export interface ProcessInfo {
  readonly version: string
  readonly engine: string
  /** Workers by state: `ready`, `starting`, `draining`… */
  readonly workers: Readonly<Record<string, number>>
  readonly workerRestarts: number
  /** By main's own log; those of the other threads are in the rows. */
  readonly logRecordsDropped: number
  readonly threads: readonly ThreadInfo[]
}

export interface ThreadInfo {
  /** `main`, `acceptor-0`, `worker-1`… */
  readonly name: string
  readonly heapUsedBytes: number
  readonly arrayBuffersBytes: number
  readonly eventLoopLagMs: number
}

export interface Metrics {
  render(): Promise<{ contentType: string; body: string }>
}

export function createMetrics(sources: MetricSources): Metrics {
  const rows = readMetrics(sources.memory)
  return {
    async render() {
      const families = [
        ...exchangeFamilies(usedSeries(rows, sources)),
        ...gatewayFamilies(rows),
        ...threadFamilies(sources.processInfo(), rows),
        ...(sources.catalogLoads === undefined ? [] : [catalogFamily(sources.catalogLoads())]),
        ...(sources.targets === undefined ? [] : targetFamilies(sources.targets())),
        ...(sources.breakers === undefined ? [] : [breakerFamily(sources.breakers())]),
        ...(await processFamilies()),
      ]
      return { contentType: expositionType, body: renderFamilies(families) }
    },
  }
}

interface UsedSeries {
  readonly provider: string
  readonly labels: string
  readonly totals: SeriesTotals
}

function usedSeries(rows: MetricReader, { memory, seriesLabels }: MetricSources): UsedSeries[] {
  const used: UsedSeries[] = []
  const labels = seriesLabels()
  for (let row = 0; row < Math.min(labels.length, memory.series); row++) {
    const totals = rows.series(row)
    if (totals === null) continue
    const { provider, model } = labels[row]
    used.push({ provider, labels: renderLabels({ provider, model }), totals })
  }
  return used
}

/** What exchanges did, by provider and model. A series that was never used has no lines. */
function exchangeFamilies(series: readonly UsedSeries[]): Family[] {
  const counter = (name: string, help: string, value: (totals: SeriesTotals) => number): Family => ({
    name,
    help,
    type: 'counter',
    samples: series.map(({ labels, totals }) => ({ labels, value: value(totals) })),
  })
  const histogram = (name: string, help: string, value: (totals: SeriesTotals) => Histogram): Family => ({
    name,
    help,
    type: 'histogram',
    samples: series.flatMap(({ labels, totals }) => latencySamples(labels, value(totals))),
  })
  return [
    {
      name: 'gateway_requests_total',
      help: 'Requests by outcome: success, error, or rejected by the gateway.',
      type: 'counter',
      samples: series.flatMap(({ labels, totals }) =>
        outcomes.map(status => ({ labels: joinLabels(labels, `status="${status}"`), value: totals.outcome[status] })),
      ),
    },
    histogram(
      'gateway_request_duration_seconds',
      'From the accepted head to the end of the answer, failures included.',
      t => t.duration,
    ),
    histogram(
      'gateway_time_to_first_token_seconds',
      'From the accepted head to the first content byte sent.',
      t => t.firstByte,
    ),
    counter('gateway_tokens_input_total', 'Prompt tokens, cached ones included.', t => t.tokensIn),
    counter('gateway_tokens_output_total', 'Completion tokens, reasoning included.', t => t.tokensOut),
    counter('gateway_tokens_reasoning_total', 'Completion tokens spent on reasoning.', t => t.tokensReasoning),
    counter(
      'gateway_tokens_cache_read_total',
      'Prompt tokens read from a cache of the provider.',
      t => t.tokensCacheRead,
    ),
    counter('gateway_request_cost_usd_total', 'Cost of requests whose price is known.', t => t.costNanoUsd / 1e9),
    counter(
      'gateway_requests_unpriced_total',
      'Requests whose cost is not known: a model without a price, or an answer that broke off before its usage was reported.',
      t => t.unpriced,
    ),
    perProvider('gateway_provider_errors_total', 'Failed attempts.', series, totals =>
      errorTypes.map(type => [`error_type="${type}"`, totals.errors[type]]),
    ),
    perProvider('gateway_retries_total', 'Attempts repeated at the same target.', series, t => [['', t.retries]]),
    perProvider('gateway_fallbacks_total', 'Requests moved on to the next target, by the target left.', series, t => [
      ['', t.fallbacks],
    ]),
  ]
}

/** Adds up the models of a provider. `parts` are further labels, and the value under them. */
function perProvider(
  name: string,
  help: string,
  series: readonly UsedSeries[],
  parts: (totals: SeriesTotals) => [labels: string, value: number][],
): Family {
  const sums = new Map<string, number>()
  for (const { provider, totals } of series) {
    const providerLabel = renderLabels({ provider })
    for (const [more, value] of parts(totals)) {
      const labels = more === '' ? providerLabel : joinLabels(providerLabel, more)
      sums.set(labels, (sums.get(labels) ?? 0) + value)
    }
  }
  return { name, help, type: 'counter', samples: Array.from(sums, ([labels, value]) => ({ labels, value })) }
}

/** What the threads did, whatever the request. */
function gatewayFamilies(rows: MetricReader): Family[] {
  const single = (type: Family['type'], name: string, help: string, value: number): Family => ({
    name,
    help,
    type,
    samples: [{ labels: '', value }],
  })
  const counter = (name: string, help: string, key: Counter): Family => single('counter', name, help, rows.counter(key))
  const gauge = (name: string, help: string, key: Gauge): Family => single('gauge', name, help, rows.gauge(key))
  const by = (label: string, values: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(values).map(([name, value]) => ({ labels: renderLabels({ [label]: name }), value }))

  // Each is read at its own moment, so a difference may be off by the few connections that changed in between.
  const active = rows.gauge('connectionsActive')
  const upstreamIdle = rows.gauge('upstreamConnectionsIdle')
  return [
    gauge('gateway_in_flight_requests', 'Requests under way.', 'inFlight'),
    {
      name: 'gateway_server_connections_current',
      help: 'Open client connections: with a request under way, and without.',
      type: 'gauge',
      samples: by('state', { active, idle: Math.max(0, rows.gauge('connectionsOpen') - active) }),
    },
    {
      name: 'gateway_server_connection_transitions_total',
      help: 'Client connections that entered a state.',
      type: 'counter',
      samples: by('state', {
        new: rows.counter('connectionsAccepted'),
        active: rows.counter('connectionsBecameActive'),
        idle: rows.counter('connectionsBecameIdle'),
        closed: rows.counter('connectionsClosed'),
      }),
    },
    counter(
      'gateway_server_connections_refused_total',
      'Client connections turned away at the limit.',
      'connectionsRefused',
    ),
    {
      name: 'gateway_rate_limit_rejections_total',
      help: 'Requests refused by a rate limit.',
      type: 'counter',
      samples: by('key_type', {
        ip: rows.counter('rateLimitedByIp'),
        admin_session: rows.counter('rateLimitedByAdminSession'),
        plugin: rows.counter('rateLimitedByPlugin'),
      }),
    },
    {
      name: 'gateway_upstream_connections_current',
      help: 'Open connections to upstreams.',
      type: 'gauge',
      samples: by('state', {
        active: Math.max(0, rows.gauge('upstreamConnectionsOpen') - upstreamIdle),
        idle: upstreamIdle,
      }),
    },
    {
      name: 'gateway_upstream_requests_total',
      help: 'Calls to upstreams, by the connection they went over.',
      type: 'counter',
      samples: by('connection', {
        new: rows.counter('upstreamConnectionsOpened'),
        reused: rows.counter('upstreamConnectionsReused'),
      }),
    },
    gauge('gateway_upstream_queue_depth', 'Calls waiting for a connection to an upstream.', 'upstreamRequestsQueued'),
    {
      name: 'gateway_upstream_connect_seconds',
      help: 'Time to open a connection to an upstream, TLS included.',
      type: 'histogram',
      samples: latencySamples('', rows.phase('connect')),
    },
    {
      name: 'gateway_upstream_first_byte_seconds',
      help: "From the request sent to the upstream to its answer's head.",
      type: 'histogram',
      samples: latencySamples('', rows.phase('firstByte')),
    },
    counter(
      'gateway_ring_full_waits_total',
      'Times a thread had to wait because the ring to another was full.',
      'ringFullWaits',
    ),
    counter('gateway_ring_frames_dropped_total', 'Frames for an exchange that had ended.', 'framesDropped'),
  ]
}

function threadFamilies(info: ProcessInfo, rows: MetricReader): Family[] {
  const perThread = (name: string, help: string, value: (thread: ThreadInfo) => number): Family => ({
    name,
    help,
    type: 'gauge',
    samples: info.threads.map(thread => ({ labels: renderLabels({ thread: thread.name }), value: value(thread) })),
  })
  return [
    {
      name: 'gateway_build_info',
      help: 'What is running.',
      type: 'gauge',
      samples: [
        { labels: renderLabels({ version: info.version, engine: info.engine, node: process.versions.node }), value: 1 },
      ],
    },
    {
      name: 'gateway_workers',
      help: 'Worker threads by state.',
      type: 'gauge',
      samples: Object.entries(info.workers).map(([state, value]) => ({ labels: renderLabels({ state }), value })),
    },
    {
      name: 'gateway_worker_restarts_total',
      help: 'Worker threads replaced.',
      type: 'counter',
      samples: [{ labels: '', value: info.workerRestarts }],
    },
    {
      name: 'gateway_log_records_dropped_total',
      help: 'Log records lost because nothing took them fast enough.',
      type: 'counter',
      samples: [{ labels: '', value: info.logRecordsDropped + rows.counter('logRecordsDropped') }],
    },
    perThread('gateway_thread_heap_used_bytes', 'JavaScript heap in use.', thread => thread.heapUsedBytes),
    perThread('gateway_thread_array_buffers_bytes', 'Memory in buffers.', thread => thread.arrayBuffersBytes),
    perThread(
      'gateway_thread_event_loop_lag_seconds',
      'How late the last timer of the thread was.',
      thread => thread.eventLoopLagMs / 1000,
    ),
  ]
}

const catalogFamily = (loads: readonly { source: string; result: string; count: number }[]): Family => ({
  name: 'gateway_catalog_loads_total',
  help: 'Catalogs of models read: the built-in one (fallback), or one from the URL (remote).',
  type: 'counter',
  samples: loads.map(({ source, result, count }) => ({ labels: renderLabels({ source, result }), value: count })),
})

/** What is left of each account, from the headers of its newest answer. What was not said has no line. */
function targetFamilies(targets: readonly TargetFigures[]): Family[] {
  const allowances = (name: string, help: string, value: (allowance: Allowance) => number): Family => ({
    name,
    help,
    type: 'gauge',
    samples: targets
      .flatMap(({ provider, limits }) =>
        (['requests', 'tokens'] as const).map(type => ({
          labels: renderLabels({ provider, type }),
          value: value(limits[type]),
        })),
      )
      .filter(sample => sample.value >= 0),
  })
  return [
    allowances('gateway_provider_rate_limit', 'Allowance of the account at the provider.', ({ limit }) => limit),
    allowances('gateway_provider_rate_limit_remaining', 'What is left of it.', ({ remaining }) => remaining),
    allowances('gateway_provider_rate_limit_reset_seconds', 'Unix time when it is whole again.', ({ resetMs }) =>
      resetMs < 0 ? -1 : resetMs / 1000,
    ),
    {
      name: 'gateway_provider_retry_after_seconds',
      help: 'Unix time until which the provider asked to be left alone.',
      type: 'gauge',
      samples: targets
        .filter(({ restUntilMs }) => restUntilMs > 0)
        .map(({ provider, restUntilMs }) => ({ labels: renderLabels({ provider }), value: restUntilMs / 1000 })),
    },
  ]
}

/** Asked at the scrape: a breaker whose cool-down is over says so without traffic. */
const breakerFamily = (breakers: readonly { provider: string; state: number }[]): Family => ({
  name: 'gateway_circuit_breaker_state',
  help: 'State of the circuit breaker: 0 closed, 1 open, 2 half-open.',
  type: 'gauge',
  samples: breakers.map(({ provider, state }) => ({ labels: renderLabels({ provider }), value: state })),
})

const latencySamples = (labels: string, { cumulative, sumSeconds }: Histogram): Sample[] =>
  histogramSamples(labels, latencyBuckets, cumulative, sumSeconds)
