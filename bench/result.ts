import type { Machine } from './measure/machine.ts'
import type { Cdf } from './stats/histogram.ts'

/** Every figure of one run of one side. Null: not measurable here, or not a matter of this scenario. */
export interface Metrics {
  readonly requestsPerSecond: number
  readonly eventsPerSecond: number | null
  /** Time to the whole answer. */
  readonly p50Ms: number | null
  readonly p90Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
  readonly p999Ms: number | null
  /** Over the direct run of the same round. */
  readonly addedP50Ms: number | null
  readonly addedP99Ms: number | null
  /** Time to the first byte of a body, or the first event. */
  readonly firstByteP50Ms: number | null
  readonly firstByteP99Ms: number | null
  readonly gapP99Ms: number | null
  /** Of the gateway's whole process tree. */
  readonly cpuUsPerRequest: number | null
  readonly cpuUsPerEvent: number | null
  readonly instructionsPerRequest: number | null
  readonly cores: number | null
  readonly rssIdleMb: number | null
  readonly rssPeakMb: number | null
  readonly rssSlopeMbPerMinute: number | null
  readonly startMs: number | null
  readonly errors: number
  readonly errorShare: number
  /** Highest open-arrival rate that was held; null: not even the lowest. */
  readonly kneePerSecond: number | null
  /** The busiest thread's share of a core. */
  readonly generatorShare: number | null
  readonly mockShare: number | null
}

export type Metric = keyof Metrics

export type Flag = 'generator-bound' | 'mock-bound'

/** One run of one side: one row of raw data. */
export interface Cell {
  readonly scenario: string
  readonly side: string
  readonly round: number
  readonly version: string
  readonly generator: string
  readonly metrics: Metrics
  readonly latency: Cdf
  readonly firstByte: Cdf
  /** [seconds, megabytes]. */
  readonly rss: readonly (readonly [number, number])[]
  /** Why this run must not be judged by. */
  readonly flags: readonly Flag[]
  /** Offered and held rate, p50 and p99 of each step of a sweep. */
  readonly steps?: readonly SweepStep[]
}

export interface SweepStep {
  readonly offered: number
  /** Answered, per second. */
  readonly held: number
  /** It kept up, with a p99 a user would accept. Absent in older results. */
  readonly isHeld?: boolean
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  readonly errors: number
}

/** A side that could not be measured, and why. */
export interface Failed {
  readonly scenario: string
  readonly side: string
  readonly round: number
  readonly reason: string
}

export interface ResultFile {
  readonly format: 1
  readonly startedAt: string
  readonly finishedAt: string
  readonly machine: Machine
  readonly commit: string
  readonly command: string
  readonly pinning: string
  readonly seconds: number
  readonly rounds: number
  /** Every scenario that isn't on request only was run, at full length. */
  readonly full: boolean
  readonly cells: readonly Cell[]
  readonly failed: readonly Failed[]
}
