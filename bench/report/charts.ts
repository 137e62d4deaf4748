import type { Cell, ResultFile } from '../result.ts'
import { scenarios } from '../scenarios.ts'
import { median } from '../stats/summary.ts'
import { figuresOf, sidesIn } from './figures.ts'
import { lineChart, type Series } from './line-chart.ts'

export interface Chart {
  readonly file: string
  readonly caption: string
  readonly svg: string
}

/** The charts a result has data for. */
export function chartsOf(result: ResultFile): Chart[] {
  const where = `${result.machine.cores} × ${result.machine.cpu}, ${result.commit}, ${result.startedAt.slice(0, 10)}`
  return [
    latencyChart(result, 'high-concurrency-1000', where),
    latencyChart(result, 'baseline', where),
    throughputChart(result, where),
    memoryChart(result, where),
  ].filter(chart => chart !== null)
}

function latencyChart(result: ResultFile, scenario: string, where: string): Chart | null {
  const series: Series[] = []
  for (const side of sidesIn(result, scenario)) {
    const cells = figuresOf(result.cells, scenario, side)?.cells.filter(cell => cell.latency.length > 0) ?? []
    if (cells.length > 0) series.push({ name: side, points: medianCdf(cells) })
  }
  if (series.length === 0) return null
  return {
    file: `latency-${scenario}.svg`,
    caption: `Latency, ${scenario}`,
    svg: lineChart({
      title: `Latency, ${scenario}`,
      subtitle: `median of the rounds; ${where}`,
      x: { label: 'share of requests answered within', scale: 'tail' },
      y: { label: 'milliseconds', scale: 'log' },
      series,
    }),
  }
}

/** Point by point the median of the rounds. */
function medianCdf(cells: readonly Cell[]): [number, number][] {
  return cells[0].latency
    .map(([share], index): [number, number] => [
      share,
      median(cells.map(cell => cell.latency[index]?.[1] ?? Number.NaN)),
    ])
    .filter(([, value]) => Number.isFinite(value))
}

function throughputChart(result: ResultFile, where: string): Chart | null {
  const byConnections = scenarios
    .filter(
      scenario => scenario.load.kind === 'closed' && scenario.mock.delay === 60 && scenario.promptBytes === undefined,
    )
    .filter(scenario => scenario.expectedErrors === undefined && scenario.needs === undefined)
    .map(scenario => ({
      name: scenario.name,
      connections: scenario.load.kind === 'closed' ? scenario.load.connections : 0,
    }))
    .sort((a, b) => a.connections - b.connections)
  const series: Series[] = []
  for (const side of sidesIn(result)) {
    const points: [number, number][] = []
    for (const { name, connections } of byConnections) {
      const rate = figuresOf(result.cells, name, side)?.of('requestsPerSecond')?.median
      if (rate !== undefined && rate > 0) points.push([connections, rate])
    }
    if (points.length > 1) series.push({ name: side, points })
  }
  if (series.length === 0) return null
  return {
    file: 'throughput.svg',
    caption: 'Requests per second by connections, 60 ms mock',
    svg: lineChart({
      title: 'Requests per second by connections, 60 ms mock',
      subtitle: where,
      x: { label: 'connections', scale: 'log' },
      y: { label: 'requests per second', scale: 'linear' },
      series,
    }),
  }
}

function memoryChart(result: ResultFile, where: string): Chart | null {
  const scenario = ['soak', 'high-concurrency-1000'].find(name =>
    result.cells.some(cell => cell.scenario === name && cell.rss.length > 1),
  )
  if (scenario === undefined) return null
  const series: Series[] = []
  for (const side of sidesIn(result, scenario)) {
    const cell = result.cells.find(each => each.scenario === scenario && each.side === side && each.rss.length > 1)
    if (cell !== undefined) series.push({ name: side, points: cell.rss })
  }
  return {
    file: 'memory.svg',
    caption: `Resident memory over time, ${scenario}`,
    svg: lineChart({
      title: `Resident memory over time, ${scenario}`,
      subtitle: `whole process tree; ${where}`,
      x: { label: 'seconds', scale: 'linear' },
      y: { label: 'MB', scale: 'linear' },
      series,
    }),
  }
}
