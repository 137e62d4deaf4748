import { relayingName } from './peers/gateway.ts'
import { figuresOf, pairedRatios } from './report/figures.ts'
import { number } from './report/format.ts'
import type { Cell, Metric } from './result.ts'
import { median } from './stats/summary.ts'

/** What Ferrite sets out to reach, against nginx in the same run. */
interface Goal {
  readonly what: string
  readonly scenario: string
  readonly metric: Metric
  readonly kind: 'ratio-at-most' | 'ratio-at-least' | 'added-at-most' | 'at-most'
  readonly limit: number
  readonly unit: string
  /** The side it is compared with; absent: the one that is asked for. */
  readonly base?: string
}

export const goals: readonly Goal[] = [
  goal('CPU per request, 1,000 connections', 'high-concurrency-1000', 'cpuUsPerRequest', 'ratio-at-most', 1.7, '×'),
  goal('requests/s, 1,000 connections', 'high-concurrency-1000', 'requestsPerSecond', 'ratio-at-least', 0.92, '×'),
  goal('error share, 1,000 connections', 'high-concurrency-1000', 'errorShare', 'at-most', 0, ''),
  goal('p50 over nginx, 1,000 connections', 'high-concurrency-1000', 'p50Ms', 'added-at-most', 5, 'ms'),
  goal('p99 over nginx, 1,000 connections', 'high-concurrency-1000', 'p99Ms', 'added-at-most', 25, 'ms'),
  goal('CPU per streamed event, 400 streams', 'streams-400', 'cpuUsPerEvent', 'ratio-at-most', 1.4, '×'),
  goal('requests/s, saturated', 'saturation', 'requestsPerSecond', 'ratio-at-least', 0.6, '×'),
  goal('p50, one connection', 'one-connection', 'p50Ms', 'ratio-at-most', 1.7, '×'),
  goal('RSS, idle', 'high-concurrency-1000', 'rssIdleMb', 'at-most', 75, 'MB'),
  goal('RSS, 100 connections', 'connections-100', 'rssPeakMb', 'at-most', 90, 'MB'),
  goal('RSS, 1,000 connections', 'high-concurrency-1000', 'rssPeakMb', 'at-most', 115, 'MB'),
  goal('growth in a soak', 'soak', 'rssSlopeMbPerMinute', 'at-most', 0.5, 'MB/min'),
  translated('CPU per translated request', 'translation', 'cpuUsPerRequest', 1.6),
  translated('CPU per translated event', 'translation-streams', 'cpuUsPerEvent', 2),
  // Where the mock answers at once: elsewhere its delay would be counted as ours.
  goal('start to first 200', 'one-connection', 'startMs', 'at-most', 450, 'ms'),
]

export interface GoalResult {
  readonly what: string
  readonly limit: string
  /** Null: not measured in this run, or refused. */
  readonly value: number | null
  readonly reached: boolean | null
}

export function checkGoals(cells: readonly Cell[], side = 'ferrite', base = 'nginx'): GoalResult[] {
  return goals.map(({ what, scenario, metric, kind, limit, unit, base: own }) => {
    const against = own ?? base
    const atLeast = kind === 'ratio-at-least'
    const value = measured()
    return {
      what,
      limit: `${atLeast ? '≥' : '≤'} ${limit} ${kind.startsWith('ratio') ? `${unit} ${against}` : unit}`.trim(),
      value,
      reached: value === null ? null : atLeast ? value >= limit : value <= limit,
    }

    function measured(): number | null {
      if (kind.startsWith('ratio')) {
        const ratios = pairedRatios(cells, scenario, side, against, metric)
        return ratios.length === 0 ? null : median(ratios)
      }
      const ours = figuresOf(cells, scenario, side)
      if (ours === null || ours.refused) return null
      const value = metric === 'errorShare' ? ours.errorShare : (ours.of(metric)?.median ?? null)
      if (kind === 'at-most' || value === null) return value
      const theirs = figuresOf(cells, scenario, against)?.of(metric)?.median
      return theirs === undefined ? null : value - theirs
    }
  })
}

export function goalRows(results: readonly GoalResult[]): string[][] {
  return results.map(({ what, limit, value, reached }) => [
    what,
    limit,
    number(value),
    reached === null ? 'not measured' : reached ? 'reached' : 'MISSED',
  ])
}

function goal(what: string, scenario: string, metric: Metric, kind: Goal['kind'], limit: number, unit: string): Goal {
  return { what, scenario, metric, kind, limit, unit }
}

/** What a translation may cost, against a relay by the same gateway. */
function translated(what: string, scenario: string, metric: Metric, limit: number): Goal {
  return { what, scenario, metric, kind: 'ratio-at-most', limit, unit: '×', base: relayingName }
}
