import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { FailureKind } from '../../src/core/failures.ts'
import { failures } from '../../src/core/failures.ts'
import {
  counters,
  createMetricMemory,
  errorTypeOf,
  errorTypes,
  gauges,
  latencyBuckets,
  outcomeOf,
  outcomes,
  phases,
  readMetrics,
  threadMetrics,
  zeroGauges,
} from '../../src/shared/metric-rows.ts'
import { sampleRecord } from './support/records.ts'

test('no two numbers share a place: each write changes what it names and nothing else', () => {
  const memory = createMetricMemory({ threads: 2, series: 3 })
  const thread = threadMetrics(memory, 1)
  const writes: (() => void)[] = [
    ...counters.map(name => () => thread.add(name)),
    ...gauges.map(name => () => thread.set(name, 1)),
    ...phases.flatMap(name => [1, 1e9].map(ms => () => thread.observePhase(name, ms))),
    ...[0, 2].flatMap(series => [
      () => thread.retried(series),
      () => thread.fellBack(series),
      ...errorTypes.map(type => () => thread.providerError(series, type)),
    ]),
  ]
  const places = new Set<number>()
  let expected = 0
  for (const write of writes) {
    const before = new Float64Array(memory.buffer).slice()
    write()
    const after = new Float64Array(memory.buffer)
    const changed = [...after.keys()].filter(i => after[i] !== before[i])
    expected += changed.length
    // A phase has two observations, and both add to its sum.
    for (const place of changed) places.add(place)
  }
  assert.equal(places.size, expected - phases.length)
})

test('an observation lands in the first bucket whose bound is not below it', () => {
  for (const [ms, bucket] of [
    [0, 0],
    [5, 0],
    [5.001, 1],
    [10, 1],
    [60, 4],
    [100, 4],
    [30_000, 11],
    [30_000.1, 12],
    [1e12, 12],
    [-3, 0],
    [Number.NaN, 0],
  ]) {
    const memory = createMetricMemory({ threads: 1, series: 1 })
    threadMetrics(memory, 0).finish(sampleRecord({ series: 0, durationMs: ms, firstByteMs: -1 }), 'success')
    const totals = readMetrics(memory).series(0)
    assert.ok(totals !== null)
    assert.equal(totals.duration.cumulative.indexOf(1), bucket, `${ms} ms`)
    assert.equal(totals.duration.cumulative.length, latencyBuckets.length + 1)
    assert.equal(totals.duration.sumSeconds, Math.max(0, ms || 0) / 1000)
    assert.equal(totals.firstByte.cumulative.at(-1), 0, 'no first byte was sent')
  }
})

test('readers see the sum of the threads', () => {
  const memory = createMetricMemory({ threads: 3, series: 4 })
  for (let thread = 0; thread < 3; thread++) {
    const metrics = threadMetrics(memory, thread)
    metrics.finish(
      sampleRecord({ series: 3, tokensIn: 10, tokensOut: 20, tokensReasoning: 3, tokensCacheRead: 4 }),
      'success',
      500,
    )
    metrics.add('framesDropped', 2)
    metrics.set('inFlight', 5)
  }
  const reader = readMetrics(memory)
  const totals = reader.series(3)
  assert.ok(totals !== null)
  assert.deepEqual(
    [
      totals.outcome.success,
      totals.tokensIn,
      totals.tokensOut,
      totals.tokensReasoning,
      totals.tokensCacheRead,
      totals.costNanoUsd,
    ],
    [3, 30, 60, 9, 12, 1500],
  )
  assert.ok(Object.values(totals.errors).every(count => count === 0))
  assert.deepEqual([totals.retries, totals.fallbacks, totals.outcome.error, totals.outcome.rejected], [0, 0, 0, 0])
  assert.equal(reader.counter('framesDropped'), 6)
  assert.equal(reader.gauge('inFlight'), 15)
  assert.equal(reader.series(1), null)
})

test('a cost that is not known adds nothing to the sum, and is counted apart from one that is nothing', () => {
  const memory = createMetricMemory({ threads: 1, series: 2 })
  const metrics = threadMetrics(memory, 0)
  for (const cost of [700, null, 0, null, null]) metrics.finish(sampleRecord({ series: 1 }), 'success', cost)
  const totals = readMetrics(memory).series(1)
  assert.deepEqual([totals?.costNanoUsd, totals?.unpriced, totals?.outcome.success], [700, 3, 5])
  assert.ok(
    Object.values(totals!.errors).every(count => count === 0),
    "it is in nobody else's place",
  )
})

test('a dead thread holds nothing, but what it counted stays, and its successor goes on from there', () => {
  const memory = createMetricMemory({ threads: 2, series: 1 })
  const first = threadMetrics(memory, 1)
  first.set('inFlight', 7)
  first.set('upstreamConnectionsOpen', 3)
  first.add('connectionsAccepted', 9)
  threadMetrics(memory, 0).set('inFlight', 1)
  zeroGauges(memory, 1)
  const reader = readMetrics(memory)
  assert.deepEqual(
    [reader.gauge('inFlight'), reader.gauge('upstreamConnectionsOpen'), reader.counter('connectionsAccepted')],
    [1, 0, 9],
  )
  threadMetrics(memory, 1).add('connectionsAccepted')
  assert.equal(reader.counter('connectionsAccepted'), 10)
})

test('threads that count at the same time lose nothing', async () => {
  const memory = createMetricMemory({ threads: 3, series: 2 })
  const rounds = 50_000
  const script = `
    const { workerData } = require('node:worker_threads')
    import(workerData.module).then(({ threadMetrics }) => {
      const metrics = threadMetrics(workerData.memory, workerData.thread)
      for (let i = 0; i < ${rounds}; i++) metrics.finish(workerData.record, 'success', 3)
    })`
  const module = new URL('../../src/shared/metric-rows.js', import.meta.url).href
  await Promise.all(
    [0, 1, 2].map(
      thread =>
        new Promise<void>((resolve, reject) => {
          new Worker(script, {
            eval: true,
            workerData: { memory, module, thread, record: sampleRecord({ series: 1, durationMs: 1 }) },
          })
            .once('error', reject)
            .once('exit', () => resolve())
        }),
    ),
  )
  const totals = readMetrics(memory).series(1)
  assert.equal(totals?.outcome.success, 3 * rounds)
  assert.equal(totals?.costNanoUsd, 9 * rounds)
  assert.equal(totals?.duration.cumulative[0], 3 * rounds)
})

test('rows that are not used take no memory', { skip: process.platform !== 'linux' }, () => {
  const residentKiB = () => Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  const before = residentKiB()
  const memory = createMetricMemory({ threads: 16, series: 16_384 }) // 100 MB of address space
  threadMetrics(memory, 7).finish(sampleRecord({ series: 9_000 }), 'success')
  assert.ok(memory.buffer.byteLength > 100e6)
  assert.ok(residentKiB() - before < 20_000)
})

test('outside of the table there is nothing to write to', () => {
  const memory = createMetricMemory({ threads: 2, series: 2 })
  assert.throws(() => threadMetrics(memory, 2), RangeError)
  assert.throws(() => threadMetrics(memory, -1), RangeError)
  assert.throws(() => readMetrics(memory).series(2), RangeError)
})

test('every failure has an outcome; a rejection is never charged to a provider', () => {
  assert.equal(outcomeOf(''), 'success')
  for (const failure of Object.keys(failures) as FailureKind[]) {
    assert.ok(outcomes.includes(outcomeOf(failure)) && outcomeOf(failure) !== 'success')
    if (outcomeOf(failure) === 'rejected') assert.equal(errorTypeOf(failure), '', failure)
  }
  assert.equal(outcomeOf('rate_limit_exceeded'), 'rejected')
  assert.equal(outcomeOf('client_canceled'), 'error')
  assert.equal(outcomeOf('upstream_error'), 'error')
  assert.equal(errorTypeOf('client_canceled'), 'client_canceled')
  assert.equal(errorTypeOf('upstream_unreachable'), 'provider_error')
  assert.equal(errorTypeOf('stream_timeout'), 'timeout')
  assert.equal(errorTypeOf('provider_saturated'), 'backpressure')
})
