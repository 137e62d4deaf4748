import type { Metric, ResultFile } from '../result.ts'
import { type Figures, figuresOf, scenariosIn, sidesIn } from './figures.ts'
import { number, percent, spread } from './format.ts'

interface Column {
  readonly title: string
  readonly metric: Metric
  readonly text: (figures: Figures) => string
}

const plain = (title: string, metric: Metric): Column => ({
  title,
  metric,
  text: figures => spread(figures.of(metric)),
})
const bare = (title: string, metric: Metric): Column => ({
  title,
  metric,
  text: figures => number(figures.of(metric)?.median),
})

/** Shown when any row has something to say in it. */
const columns: readonly Column[] = [
  plain('req/s', 'requestsPerSecond'),
  plain('events/s', 'eventsPerSecond'),
  bare('p50 ms', 'p50Ms'),
  bare('p90', 'p90Ms'),
  bare('p99', 'p99Ms'),
  bare('p99.9', 'p999Ms'),
  bare('added p50', 'addedP50Ms'),
  bare('added p99', 'addedP99Ms'),
  bare('first p50', 'firstByteP50Ms'),
  bare('first p99', 'firstByteP99Ms'),
  bare('gap p99', 'gapP99Ms'),
  plain('CPU µs/req', 'cpuUsPerRequest'),
  plain('CPU µs/event', 'cpuUsPerEvent'),
  bare('instr/req', 'instructionsPerRequest'),
  bare('RSS idle', 'rssIdleMb'),
  bare('RSS MB', 'rssPeakMb'),
  bare('MB/min', 'rssSlopeMbPerMinute'),
  { title: 'errors', metric: 'errorShare', text: figures => percent(figures.errorShare) },
  { title: 'gen', metric: 'generatorShare', text: figures => share(figures.of('generatorShare')?.median) },
  { title: 'mock', metric: 'mockShare', text: figures => share(figures.of('mockShare')?.median) },
]

export interface SummaryTable {
  readonly scenario: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** One table for each scenario, a row for each side, without the columns nobody fills. */
export function summaryTables(result: Pick<ResultFile, 'cells'>): SummaryTable[] {
  return scenariosIn(result).map(scenario => {
    const figures = sidesIn(result, scenario)
      .map(side => figuresOf(result.cells, scenario, side))
      .filter(each => each !== null)
    const stream = figures.some(each => each.of('eventsPerSecond') !== null)
    const used = columns.filter(
      column =>
        figures.some(each => each.of(column.metric) !== null) &&
        // A whole stream's duration says nothing, and per request means per stream there.
        !(stream && ['addedP50Ms', 'addedP99Ms', 'cpuUsPerRequest', 'instructionsPerRequest'].includes(column.metric)),
    )
    return {
      scenario,
      header: ['', ...used.map(column => column.title)],
      rows: figures.map(each => [
        `${each.side}${each.refused ? ` (${[...new Set(each.cells.flatMap(cell => cell.flags))].join(', ')})` : ''}`,
        ...used.map(column => column.text(each)),
      ]),
    }
  })
}

function share(value: number | undefined): string {
  return value === undefined ? '–' : `${Math.round(value * 100)}%`
}
