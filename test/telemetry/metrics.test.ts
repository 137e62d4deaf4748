import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter as OracleCounter, Histogram as OracleHistogram, Registry } from 'prom-client'
import {
  counters,
  createMetricMemory,
  errorTypes,
  gauges,
  latencyBuckets,
  outcomes,
  phases,
  threadMetrics,
} from '../../src/shared/metric-rows.ts'
import { createMetrics, type MetricSources } from '../../src/telemetry/metrics.ts'
import { sampleRecord } from './support/records.ts'

const labels = [
  { provider: 'none', model: 'unknown' },
  { provider: 'primary', model: 'gpt-4o' },
  { provider: 'primary', model: 'we"ird\\mo\ndel' },
  { provider: 'backup', model: 'unused' },
]

const setUp = (more: Partial<MetricSources> = {}) => {
  const memory = createMetricMemory({ threads: 2, series: 16 })
  const metrics = createMetrics({
    memory,
    seriesLabels: () => labels,
    processInfo: () => ({
      version: '1.2.3',
      engine: 'uws',
      workers: { ready: 2, starting: 1 },
      workerRestarts: 4,
      logRecordsDropped: 5,
      threads: [{ name: 'worker-0', heapUsedBytes: 1024, arrayBuffersBytes: 2048, eventLoopLagMs: 1.5 }],
    }),
    ...more,
  })
  return {
    threads: [threadMetrics(memory, 0), threadMetrics(memory, 1)],
    scrape: async () =>
      new Map(
        (await metrics.render()).body
          .split('\n')
          .filter(line => line !== '' && line[0] !== '#')
          .map(splitSample),
      ),
    metrics,
  }
}
const splitSample = (line: string): [string, number] => {
  const at = line.lastIndexOf(' ')
  return [line.slice(0, at), Number(line.slice(at + 1))]
}

test('each registered metric has a line once its source was written, and none is dead', async () => {
  const { threads, metrics } = setUp({
    breakers: () => [{ provider: 'primary', state: 2 }],
    catalogLoads: () => [{ source: 'remote', result: 'failed', count: 3 }],
    targets: () => [
      {
        provider: 'primary',
        restUntilMs: 1000,
        limits: {
          requests: { limit: 60, remaining: 59, resetMs: 2000 },
          tokens: { limit: -1, remaining: -1, resetMs: -1 },
        },
      },
    ],
  })
  for (const thread of threads) {
    for (const outcome of outcomes)
      thread.finish(sampleRecord({ series: 1, tokensReasoning: 2, tokensCacheRead: 3 }), outcome, 4e9)
    thread.finish(sampleRecord({ series: 1 }), 'success', null)
    for (const type of errorTypes) thread.providerError(1, type)
    for (const counter of counters) thread.add(counter, 6)
    for (const gauge of gauges)
      thread.set(gauge, gauge === 'connectionsOpen' || gauge === 'upstreamConnectionsOpen' ? 9 : 4)
    for (const phase of phases) thread.observePhase(phase, 7)
    thread.retried(1)
    thread.fellBack(1)
  }
  const { body, contentType } = await metrics.render()
  assert.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8')

  const families = [...body.matchAll(/^# TYPE (\w+) (counter|gauge|histogram)$/gm)].map(match => match[1])
  assert.equal(new Set(families).size, families.length, 'no name twice')
  const lines = body.split('\n')
  for (const name of families) {
    assert.ok(lines.includes(lines.find(line => line.startsWith(`# HELP ${name} `)) ?? 'none'), `${name} has help`)
    const values = lines
      .filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `) || line.startsWith(`${name}_sum`))
      .map(line => splitSample(line)[1])
    assert.ok(values.length > 0 && values.every(value => value > 0), `${name} was written: ${values}`)
  }
  for (const line of lines) assert.match(line, /^($|# (HELP|TYPE) |\w+(\{[^}]*\})? [\d.e+-]+$)/)
})

test('names, labels and buckets are those that dashboards for the gateway expect', async () => {
  const { threads, scrape } = setUp()
  threads[0].finish(sampleRecord({ series: 1, durationMs: 60 }), 'success', 1_500_000)
  threads[0].providerError(1, 'timeout')
  threads[1].add('rateLimitedByIp', 3)
  const samples = await scrape()
  const series = 'provider="primary",model="gpt-4o"'
  assert.equal(samples.get(`gateway_requests_total{${series},status="success"}`), 1)
  assert.equal(samples.get(`gateway_requests_total{${series},status="error"}`), 0)
  assert.equal(samples.get(`gateway_tokens_input_total{${series}}`), 57)
  assert.equal(samples.get(`gateway_tokens_output_total{${series}}`), 212)
  assert.equal(samples.get(`gateway_request_cost_usd_total{${series}}`), 0.0015)
  assert.equal(samples.get('gateway_provider_errors_total{provider="primary",error_type="timeout"}'), 1)
  assert.equal(samples.get('gateway_rate_limit_rejections_total{key_type="ip"}'), 3)
  assert.equal(samples.get(`gateway_request_duration_seconds_count{${series}}`), 1)
  assert.deepEqual(
    [...samples.keys()].flatMap(
      key => /^gateway_request_duration_seconds_bucket\{.*le="([^"]*)"\}$/.exec(key)?.[1] ?? [],
    ),
    [...latencyBuckets.map(String), '+Inf'],
  )
})

test('the samples equal those of prom-client for the same observations', async () => {
  const { threads, metrics } = setUp()
  const registry = new Registry()
  const requests = new OracleCounter({
    name: 'gateway_requests_total',
    help: '-',
    labelNames: ['provider', 'model', 'status'],
    registers: [registry],
  })
  const duration = new OracleHistogram({
    name: 'gateway_request_duration_seconds',
    help: '-',
    labelNames: ['provider', 'model'],
    buckets: [...latencyBuckets],
    registers: [registry],
  })
  for (const durationMs of [0, 5, 5.5, 10, 249.5, 250, 30_000, 30_001, 1e6]) {
    for (const series of [0, 1, 2]) {
      threads[series % 2].finish(sampleRecord({ series, durationMs }), 'success')
      requests.inc({ ...labels[series], status: 'success' })
      duration.observe(labels[series], durationMs / 1000)
    }
  }
  const normalised = (text: string) =>
    text
      .split('\n')
      .filter(
        line => /^gateway_request(s_total|_duration_seconds)/.test(line) && !/status="(error|rejected)"/.test(line),
      )
      .map(line => (/_sum/.test(line) ? `${splitSample(line)[0]} ${splitSample(line)[1].toFixed(6)}` : line))
      .map(line =>
        line.replace(
          /\{(.*)\}/,
          (_, inner: string) => `{${(inner.match(/\w+="(?:[^"\\]|\\.)*"/g) ?? []).sort().join(',')}}`,
        ),
      )
      .sort()
  assert.deepEqual(normalised((await metrics.render()).body), normalised(await registry.metrics()))
})

test('series that were never used have no lines, and what a client asks for adds none', async () => {
  const { threads, scrape } = setUp()
  threads[0].finish(sampleRecord({ series: 12_345, model: 'anything-a-client-says' }), 'rejected')
  threads[0].finish(sampleRecord({ series: -1 }), 'rejected')
  const samples = await scrape()
  const requests = [...samples].filter(([key, value]) => key.startsWith('gateway_requests_total') && value > 0)
  assert.deepEqual(requests, [['gateway_requests_total{provider="none",model="unknown",status="rejected"}', 2]])
  assert.ok(![...samples.keys()].some(key => key.includes('unused') || key.includes('anything')))
})

test('provider metrics add up the models of a provider', async () => {
  const { threads, scrape } = setUp()
  threads[0].providerError(1, 'provider_error')
  threads[1].providerError(2, 'provider_error')
  threads[1].finish(sampleRecord({ series: 2 }), 'error')
  threads[1].retried(2)
  const samples = await scrape()
  assert.equal(samples.get('gateway_provider_errors_total{provider="primary",error_type="provider_error"}'), 2)
  assert.equal(samples.get('gateway_retries_total{provider="primary"}'), 1)
})

test('the breaker gauge says what is so at the scrape', async () => {
  let state: 0 | 1 = 1
  const { scrape } = setUp({ breakers: () => [{ provider: 'primary', state }] })
  assert.equal((await scrape()).get('gateway_circuit_breaker_state{provider="primary"}'), 1)
  state = 0
  assert.equal((await scrape()).get('gateway_circuit_breaker_state{provider="primary"}'), 0)
  assert.ok(![...(await setUp().scrape()).keys()].some(key => key.startsWith('gateway_circuit_breaker_state')))
})

test('process metrics have the usual names and plausible values', async () => {
  const samples = await setUp().scrape()
  assert.ok((samples.get('process_resident_memory_bytes') ?? 0) > 1e6)
  assert.ok((samples.get('process_cpu_seconds_total') ?? 0) > 0)
  if (process.platform === 'linux')
    assert.ok((samples.get('process_open_fds') ?? 0) >= 3 && (samples.get('process_max_fds') ?? 0) > 3)
})
