import type { ClosedGenerator } from './load/generators/generator.ts'
import type { CorePlan } from './measure/cores.ts'
import { direct } from './peers/direct.ts'
import type { Peer } from './peers/peer.ts'
import type { Cell, Failed } from './result.ts'
import { runCell } from './run-cell.ts'
import type { Scenario } from './scenarios.ts'

export interface RunOptions {
  readonly scenarios: readonly Scenario[]
  readonly sides: readonly Peer[]
  readonly rounds: number
  readonly seconds: number
  /** Set: wins over a scenario's own length, for a soak of hours. */
  readonly soakSeconds?: number
  readonly generator: ClosedGenerator
  readonly cores: CorePlan
  readonly onProgress: (progress: Progress) => void
}

export interface Progress {
  readonly scenario: Scenario
  readonly side: string
  readonly round: number
  readonly rounds: number
  /** Of all runs, this one included. */
  readonly done: number
  readonly total: number
  /** Null while it runs. */
  readonly outcome: Cell | Failed | null
}

export interface RunOutcome {
  readonly cells: Cell[]
  readonly failed: Failed[]
}

/**
 * Every scenario × round × side. Within a round all sides run one after the other beside a direct run, in an order that
 * turns from round to round, so that what the machine does meanwhile hits each side alike.
 */
export async function run(options: RunOptions): Promise<RunOutcome> {
  const cells: Cell[] = []
  const failed: Failed[] = []
  const plan = options.scenarios.map(scenario => ({
    scenario,
    sides: [direct, ...options.sides].filter(side => side.supports(scenario)),
    rounds: scenario.rounds ?? options.rounds,
  }))
  const total = plan.reduce((sum, { sides, rounds }) => sum + sides.length * rounds, 0)
  let done = 0
  for (const { scenario, sides, rounds } of plan) {
    const seconds = scenario.seconds === undefined ? options.seconds : (options.soakSeconds ?? scenario.seconds)
    for (let round = 0; round < rounds; round++) {
      const inRound: Cell[] = []
      for (const side of turn(sides, round)) {
        // The mock's ability was proven in minutes; there is no point in soaking it for hours.
        const length = side === direct ? Math.min(seconds, Math.max(10, options.seconds)) : seconds
        done++
        const progress = { scenario, side: side.name, round, rounds, done, total }
        options.onProgress({ ...progress, outcome: null })
        try {
          const { generator, cores } = options
          const cell = await runCell({ scenario, side, round, seconds: length, generator, cores })
          inRound.push(cell)
          options.onProgress({ ...progress, outcome: cell })
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error)
          const failure: Failed = { scenario: scenario.name, side: side.name, round, reason }
          failed.push(failure)
          options.onProgress({ ...progress, outcome: failure })
        }
      }
      cells.push(...withAdded(inRound))
    }
  }
  return { cells, failed }
}

/** Odd rounds run backwards: A B B A cancels a steady drift. */
function turn(sides: readonly Peer[], round: number): Peer[] {
  return round % 2 === 0 ? [...sides] : [...sides].reverse()
}

/** Fills in what each side added over the direct run of its round. */
export function withAdded(cells: readonly Cell[]): Cell[] {
  const base = cells.find(cell => cell.side === direct.name)
  const over = (value: number | null, floor: number | null | undefined) =>
    value === null || floor === null || floor === undefined ? null : value - floor
  return cells.map(cell =>
    // The rates that two sides of a sweep held differ, and so no difference of their latencies means anything.
    cell === base || cell.steps !== undefined
      ? cell
      : {
          ...cell,
          metrics: {
            ...cell.metrics,
            addedP50Ms: over(cell.metrics.p50Ms, base?.metrics.p50Ms),
            addedP99Ms: over(cell.metrics.p99Ms, base?.metrics.p99Ms),
          },
        },
  )
}
