import { figuresOf } from './report/figures.ts'
import { number } from './report/format.ts'
import type { Cell } from './result.ts'

// What the reference suite published: 8 vCPU, mock and load on the same machine, 60 ms mock.

const REFERENCE_CORES = 8
/** What one request took there at low load: 50 connections gave 813 req/s. */
const REFERENCE_ROUND_TRIP_MS = 61.3

const reference = [
  { scenario: 'baseline', connections: 50, requestsPerSecond: 813 },
  { scenario: 'stress', connections: 150, requestsPerSecond: 2447 },
  { scenario: '300', connections: 300, requestsPerSecond: 4890 },
  { scenario: 'high-concurrency-500', connections: 500, requestsPerSecond: 8014 },
  {
    scenario: 'high-concurrency-1000',
    connections: 1000,
    requestsPerSecond: 13_925,
    p50Ms: 68.1,
    p99Ms: 111.9,
    rssMb: 135,
  },
] as const

/** The suite's own pass marks, for every load. */
const fence = { errorShare: 0.01, p95Ms: 100, p99Ms: 250 }

/** What a gateway here can't be asked to exceed. */
const scalingSides = ['direct', 'nginx']

export const targetScenarios: readonly string[] = reference.map(({ scenario }) => scenario)

export interface TargetRow {
  readonly scenario: string
  readonly what: string
  /** Null: nothing here to scale by. */
  readonly wanted: number | null
  readonly atLeast: boolean
  readonly value: number | null
  readonly met: boolean | null
}

export interface TargetCheck {
  readonly how: string
  readonly rows: readonly TargetRow[]
  /** Null: something was not measured, or the runs had to be refused. */
  readonly met: boolean | null
}

/**
 * With as many cores as the reference had, its figures as they are. With fewer, each is scaled by what this machine's own
 * direct run and nginx reach of the ideal rate (connections / round trip): a gateway can't be asked for more than the load
 * generator, the mock and the kernel leave. Memory is never scaled.
 */
export function checkTargets(cells: readonly Cell[], cores: number, side = 'ferrite'): TargetCheck {
  const scaled = cores < REFERENCE_CORES
  const rows: TargetRow[] = []
  const scales: string[] = []
  for (const goal of reference) {
    const figures = figuresOf(cells, goal.scenario, side)
    const value = (metric: 'requestsPerSecond' | 'p50Ms' | 'p95Ms' | 'p99Ms' | 'rssPeakMb') =>
      figures === null || figures.refused ? null : (figures.of(metric)?.median ?? null)
    const scale = scaled ? scaleFor(cells, goal.scenario, goal.connections) : 1
    if (scaled) scales.push(`${goal.connections}: ${scale?.toFixed(3) ?? 'none'}`)
    const add = (what: string, wanted: number | null, measured: number | null, atLeast = false) => {
      const met = measured === null || wanted === null ? null : atLeast ? measured >= wanted : measured <= wanted
      rows.push({ scenario: goal.scenario, what, wanted, atLeast, value: measured, met })
    }
    // A closed loop ends with requests under way; half a percent is what that and rounding are worth.
    add('req/s', scale && goal.requestsPerSecond * scale * 0.995, value('requestsPerSecond'), true)
    if ('p50Ms' in goal) {
      add('p50 ms', scale && goal.p50Ms / scale, value('p50Ms'))
      add('p99 ms', scale && goal.p99Ms / scale, value('p99Ms'))
      add('RSS MB', goal.rssMb, value('rssPeakMb'))
    }
    add(
      'error share',
      goal.connections === 1000 ? 0 : fence.errorShare,
      figures === null || figures.refused ? null : figures.errorShare,
    )
    add('p95 ms (fence)', fence.p95Ms, value('p95Ms'))
    add('p99 ms (fence)', fence.p99Ms, value('p99Ms'))
  }
  const measured = scalingSides.filter(side => cells.some(cell => cell.side === side))
  const how = scaled
    ? `${cores} cores here, ${REFERENCE_CORES} there: scaled by this machine's own ${measured.join(' and ') || 'direct and nginx'} runs (factor by connections: ${scales.join(', ')})`
    : `${cores} cores: the reference's absolute figures`
  const met = rows.some(row => row.met === false) ? false : rows.some(row => row.met === null) ? null : true
  return { how, rows, met }
}

/** Null: nothing was measured, or one that failed answers for nobody. */
function scaleFor(cells: readonly Cell[], scenario: string, connections: number): number | null {
  const ideal = (connections / REFERENCE_ROUND_TRIP_MS) * 1000
  const sides = scalingSides.map(side => figuresOf(cells, scenario, side)).filter(figures => figures !== null)
  const rates = sides.map(side =>
    side.refused || side.errorShare > 0 ? 0 : (side.of('requestsPerSecond')?.median ?? 0),
  )
  return rates.length === 0 || rates.includes(0) ? null : Math.min(1, ...rates.map(rate => rate / ideal))
}

export function targetRows(check: TargetCheck): string[][] {
  return check.rows.map(row => [
    row.scenario,
    row.what,
    `${row.atLeast ? '≥' : '≤'} ${number(row.wanted)}`,
    number(row.value),
    row.met === null ? 'not measured' : row.met ? 'met' : 'MISSED',
  ])
}
