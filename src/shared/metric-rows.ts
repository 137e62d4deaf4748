import type { FailureKind } from '../core/failures.ts'
import { failures } from '../core/failures.ts'
import type { ExchangeRecord } from '../core/record.ts'

/**
 * Counters of the data plane: one block per thread, written by that thread alone, summed by whoever reads. Writer and
 * reader are one file because they share one memory map.
 *
 *   block of thread t:  globals (counters, gauges, 2 histograms) · series 0 · series 1 · …
 *   series row:         see `field`; 48 numbers, 6 cache lines
 *   histogram:          one number per bucket, not cumulative, then the sum of what was observed
 *
 * Plain Float64 reads and writes: with one writer there is no update to lose, and a 64-bit store to an aligned address
 * does not tear on the 64-bit platforms we run on (the language does not promise it). A reader may see a count whose
 * sum is one observation behind; the next read has it. Float64 counts exactly up to 2^53.
 *
 * Memory is zero pages until touched, so rows of series that are not used cost address space only.
 */
export interface MetricMemory {
  readonly threads: number
  readonly series: number
  readonly buffer: SharedArrayBuffer
}

/** Upper bounds in seconds; one more bucket is above them all. */
export const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

export const outcomes = ['success', 'error', 'rejected'] as const
export type Outcome = (typeof outcomes)[number]

export const errorTypes = [
  'provider_error',
  'circuit_open',
  'timeout',
  'client_canceled',
  'backpressure',
  'plugin_error',
] as const
export type ErrorType = (typeof errorTypes)[number]

/** Only ever grow. */
export const counters = [
  'rateLimitedByIp',
  'rateLimitedByAdminSession',
  'rateLimitedByPlugin',
  'connectionsAccepted',
  'connectionsClosed',
  'connectionsRefused',
  'connectionsBecameActive',
  'connectionsBecameIdle',
  'ringFullWaits',
  'framesDropped',
  'logRecordsDropped',
  'upstreamConnectionsOpened',
  'upstreamConnectionsReused',
] as const
export type Counter = (typeof counters)[number]

/** What is so right now; a thread that died has none of it. */
export const gauges = [
  'inFlight',
  'connectionsOpen',
  'connectionsActive',
  'upstreamConnectionsOpen',
  'upstreamConnectionsIdle',
  'upstreamRequestsQueued',
] as const
export type Gauge = (typeof gauges)[number]

export const phases = ['connect', 'firstByte'] as const
export type Phase = (typeof phases)[number]

export interface Histogram {
  /** As Prometheus wants them: each counts all observations up to its bound; the last has them all. */
  readonly cumulative: number[]
  readonly sumSeconds: number
}

/** The facts of a finished exchange that are counted. */
export type Counted = Pick<
  ExchangeRecord,
  'series' | 'durationMs' | 'firstByteMs' | 'tokensIn' | 'tokensOut' | 'tokensReasoning' | 'tokensCacheRead'
>

const bounds = Float64Array.from(latencyBuckets, seconds => seconds * 1000)
const bucketCount = bounds.length + 1
const histogramLength = bucketCount + 1

/** Offsets in a series row. */
const field = {
  outcome: 0,
  duration: 3,
  firstByte: 3 + histogramLength,
  tokensIn: 3 + 2 * histogramLength,
  tokensOut: 4 + 2 * histogramLength,
  tokensReasoning: 5 + 2 * histogramLength,
  tokensCacheRead: 6 + 2 * histogramLength,
  costNanoUsd: 7 + 2 * histogramLength,
  retries: 8 + 2 * histogramLength,
  fallbacks: 9 + 2 * histogramLength,
  error: 10 + 2 * histogramLength,
  unpriced: 10 + 2 * histogramLength + errorTypes.length,
} as const
const seriesLength = 48

/** Offsets in a thread's block. */
const gaugesAt = counters.length
const phasesAt = gaugesAt + gauges.length
const seriesAt = 64

const counterIndex = Object.fromEntries(counters.map((name, i) => [name, i])) as Record<Counter, number>
const gaugeIndex = Object.fromEntries(gauges.map((name, i) => [name, gaugesAt + i])) as Record<Gauge, number>
const phaseIndex = Object.fromEntries(phases.map((name, i) => [name, phasesAt + i * histogramLength])) as Record<
  Phase,
  number
>
const outcomeIndex = Object.fromEntries(outcomes.map((name, i) => [name, field.outcome + i])) as Record<Outcome, number>
const errorIndex = Object.fromEntries(errorTypes.map((name, i) => [name, field.error + i])) as Record<ErrorType, number>

/** Two threads on one page would share its cache lines at the seam. */
const pageLength = 4096 / 8
const blockLength = (series: number): number => Math.ceil((seriesAt + series * seriesLength) / pageLength) * pageLength

export const createMetricMemory = ({ threads, series }: { threads: number; series: number }): MetricMemory => ({
  threads,
  series,
  buffer: new SharedArrayBuffer(threads * blockLength(series) * 8),
})

/** The writer's side; exactly one thread may hold it for a given number. It goes on where an earlier holder stopped. */
export function threadMetrics(memory: MetricMemory, thread: number): ThreadMetrics {
  if (!(thread >= 0 && thread < memory.threads)) throw new RangeError(`there is no metric block ${thread}`)
  return new ThreadMetrics(blockOf(memory, thread), memory.series)
}

const blockOf = ({ buffer, series }: MetricMemory, thread: number): Float64Array => {
  const length = blockLength(series)
  return new Float64Array(buffer, thread * length * 8, length)
}

export class ThreadMetrics {
  readonly #block: Float64Array
  readonly #series: number

  constructor(block: Float64Array, series: number) {
    this.#block = block
    this.#series = series
  }

  /**
   * One finished exchange, in the series of the target that answered (or failed) last. A cost of null is one that is not
   * known, of 0 one that is nothing.
   */
  finish(record: Counted, outcome: Outcome, costNanoUsd: number | null = 0): void {
    const block = this.#block
    const row = this.#row(record.series)
    block[row + outcomeIndex[outcome]]++
    observe(block, row + field.duration, record.durationMs)
    if (record.firstByteMs >= 0) observe(block, row + field.firstByte, record.firstByteMs)
    block[row + field.tokensIn] += record.tokensIn
    block[row + field.tokensOut] += record.tokensOut
    block[row + field.tokensReasoning] += record.tokensReasoning
    block[row + field.tokensCacheRead] += record.tokensCacheRead
    if (costNanoUsd === null) block[row + field.unpriced]++
    else block[row + field.costNanoUsd] += costNanoUsd
  }

  /** One failed attempt, in the series of the target that was asked. */
  providerError(series: number, type: ErrorType): void {
    this.#block[this.#row(series) + errorIndex[type]]++
  }
  /** The same target is asked again. */
  retried(series: number): void {
    this.#block[this.#row(series) + field.retries]++
  }
  /** This target is given up, and the next is asked. */
  fellBack(series: number): void {
    this.#block[this.#row(series) + field.fallbacks]++
  }

  add(counter: Counter, n = 1): void {
    this.#block[counterIndex[counter]] += n
  }
  set(gauge: Gauge, value: number): void {
    this.#block[gaugeIndex[gauge]] = value
  }
  observePhase(phase: Phase, ms: number): void {
    observe(this.#block, phaseIndex[phase], ms)
  }

  /** What a series beyond the table counts in is row 0, (`none`, `unknown`). */
  #row(series: number): number {
    return seriesAt + (series > 0 && series < this.#series ? series : 0) * seriesLength
  }
}

function observe(block: Float64Array, at: number, ms: number): void {
  // A clock that was set back, or no number at all, must not spoil the sum for ever.
  if (!(ms > 0)) ms = 0
  let bucket = 0
  while (bucket < bounds.length && ms > bounds[bucket]) bucket++
  block[at + bucket]++
  block[at + bucketCount] += ms
}

/** The threads summed up, for one series. */
export interface SeriesTotals {
  readonly outcome: Readonly<Record<Outcome, number>>
  readonly errors: Readonly<Record<ErrorType, number>>
  readonly duration: Histogram
  readonly firstByte: Histogram
  readonly tokensIn: number
  readonly tokensOut: number
  readonly tokensReasoning: number
  readonly tokensCacheRead: number
  readonly costNanoUsd: number
  readonly unpriced: number
  readonly retries: number
  readonly fallbacks: number
}

/** The reader's side, for any thread. */
export interface MetricReader {
  counter(name: Counter): number
  gauge(name: Gauge): number
  phase(name: Phase): Histogram
  /** null: nothing was ever counted in it. */
  series(index: number): SeriesTotals | null
}

export function readMetrics(memory: MetricMemory): MetricReader {
  const blocks = Array.from({ length: memory.threads }, (_, thread) => blockOf(memory, thread))
  const total = (index: number): number => {
    let sum = 0
    for (const block of blocks) sum += block[index]
    return sum
  }
  const isZero = (at: number, length: number): boolean => {
    for (let i = at; i < at + length; i++) if (total(i) > 0) return false
    return true
  }
  const histogram = (at: number): Histogram => {
    const cumulative: number[] = []
    let count = 0
    for (let bucket = 0; bucket < bucketCount; bucket++) cumulative.push((count += total(at + bucket)))
    return { cumulative, sumSeconds: total(at + bucketCount) / 1000 }
  }
  const each = <K extends string>(names: readonly K[], at: number): Record<K, number> =>
    Object.fromEntries(names.map((name, i) => [name, total(at + i)])) as Record<K, number>

  return {
    counter: name => total(counterIndex[name]),
    gauge: name => total(gaugeIndex[name]),
    phase: name => histogram(phaseIndex[name]),
    series(index) {
      if (!(index >= 0 && index < memory.series)) throw new RangeError(`there is no metric series ${index}`)
      const row = seriesAt + index * seriesLength
      if (isZero(row + field.outcome, outcomes.length) && isZero(row + field.error, errorTypes.length)) return null
      return {
        outcome: each(outcomes, row + field.outcome),
        errors: each(errorTypes, row + field.error),
        duration: histogram(row + field.duration),
        firstByte: histogram(row + field.firstByte),
        tokensIn: total(row + field.tokensIn),
        tokensOut: total(row + field.tokensOut),
        tokensReasoning: total(row + field.tokensReasoning),
        tokensCacheRead: total(row + field.tokensCacheRead),
        costNanoUsd: total(row + field.costNanoUsd),
        unpriced: total(row + field.unpriced),
        retries: total(row + field.retries),
        fallbacks: total(row + field.fallbacks),
      }
    },
  }
}

/** For a thread that is gone: what it held at this moment it holds no longer; what it counted stays counted. */
export function zeroGauges(memory: MetricMemory, thread: number): void {
  blockOf(memory, thread).fill(0, gaugesAt, gaugesAt + gauges.length)
}

/** How the answer to a client is counted: `rejected` when the gateway or the request itself ruled it out. */
export function outcomeOf(failure: FailureKind | ''): Outcome {
  if (failure === '') return 'success'
  return failure in rejections || (failures[failure].source === 'downstream' && failure !== 'client_canceled')
    ? 'rejected'
    : 'error'
}

const rejections = {
  rate_limit_exceeded: true,
  overloaded: true,
  draining: true,
} satisfies Partial<Record<FailureKind, true>>

/** How a failed attempt is counted against its target; '' when the target is not to blame. */
export function errorTypeOf(failure: FailureKind): ErrorType | '' {
  if (failure in specificErrors) return specificErrors[failure as keyof typeof specificErrors]
  return failures[failure].source === 'upstream' ? 'provider_error' : ''
}

const specificErrors = {
  upstream_timeout: 'timeout',
  stream_timeout: 'timeout',
  gateway_timeout: 'timeout',
  client_canceled: 'client_canceled',
  provider_saturated: 'backpressure',
} satisfies Partial<Record<FailureKind, ErrorType>>
