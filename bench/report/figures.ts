import type { Cell, Metric, ResultFile } from '../result.ts'
import { type Summary, summarise } from '../stats/summary.ts'

/** The rounds of one side in one scenario, drawn together. */
export interface Figures {
  readonly scenario: string
  readonly side: string
  readonly cells: readonly Cell[]
  /** No round may be judged by: the generator or the mock was at its limit in each. */
  readonly refused: boolean
  of(metric: Metric): Summary | null
  /** Of the worst round: a median would hide one that failed. */
  readonly errorShare: number
}

export function figuresOf(cells: readonly Cell[], scenario: string, side: string): Figures | null {
  const all = cells.filter(cell => cell.scenario === scenario && cell.side === side)
  if (all.length === 0) return null
  const sound = all.filter(cell => cell.flags.length === 0)
  const used = sound.length > 0 ? sound : all
  return {
    scenario,
    side,
    cells: used,
    refused: sound.length === 0,
    of: metric => summarise(used.map(cell => cell.metrics[metric])),
    errorShare: Math.max(...used.map(cell => cell.metrics.errorShare)),
  }
}

/** In the order they first appear. */
export function scenariosIn(result: Pick<ResultFile, 'cells'>): string[] {
  return [...new Set(result.cells.map(cell => cell.scenario))]
}

/** The direct run first, then in the order they first appear. */
export function sidesIn(result: Pick<ResultFile, 'cells'>, scenario?: string): string[] {
  const cells = scenario === undefined ? result.cells : result.cells.filter(cell => cell.scenario === scenario)
  const sides = [...new Set(cells.map(cell => cell.side))]
  return sides.sort((a, b) => Number(b === 'direct') - Number(a === 'direct'))
}

/** Median of the ratios of the two sides' rounds, round by round. */
export function pairedRatios(
  cells: readonly Cell[],
  scenario: string,
  side: string,
  base: string,
  metric: Metric,
): number[] {
  const ratios: number[] = []
  for (const cell of cells) {
    if (cell.scenario !== scenario || cell.side !== side || cell.flags.length > 0) continue
    const other = cells.find(
      each => each.scenario === scenario && each.side === base && each.round === cell.round && each.flags.length === 0,
    )
    const above = cell.metrics[metric]
    const below = other?.metrics[metric]
    if (typeof above === 'number' && typeof below === 'number' && below > 0) ratios.push(above / below)
  }
  return ratios
}
