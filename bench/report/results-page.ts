import { checkGoals, goalRows } from '../goals.ts'
import type { ResultFile } from '../result.ts'
import { scenarios } from '../scenarios.ts'
import { checkTargets, targetRows } from '../targets.ts'
import type { Chart } from './charts.ts'
import { sidesIn } from './figures.ts'
import { summaryTables } from './summary-table.ts'
import { markdownTable } from './table.ts'

/** The page about one full run. */
export function resultsPage(result: ResultFile, file: string, charts: readonly Chart[]): string {
  const goals = checkGoals(result.cells)
  const targets = checkTargets(result.cells, result.machine.cores)
  return page([
    '# Benchmark results',
    ...origin(result, file),
    ...charts.map(chart => `![${chart.caption}](${chart.file})`),
    '## Goals',
    markdownTable(['', 'goal', 'measured', ''], goalRows(goals)),
    '## The reference suite',
    `${targets.how}.`,
    markdownTable(['scenario', '', 'wanted', 'measured', ''], targetRows(targets)),
    '## Every scenario',
    ...everyScenario(result),
  ])
}

/** The page about a run beside other gateways. */
export function gatewaysPage(result: ResultFile, file: string): string {
  return page([
    '# Beside other gateways',
    ...origin(result, file),
    'Each is set up as its project recommends for production, with everything optional off; Ferrite checks the key of each request among 10,000, counts usage and keeps its metrics. `bench/peers/` has the configurations.',
    ...everyScenario(result),
  ])
}

function origin(result: ResultFile, file: string): string[] {
  const { machine } = result
  const versions = sidesIn(result)
    .map(side => ({ side, version: result.cells.find(cell => cell.side === side)?.version ?? '' }))
    .filter(({ version }) => version !== '')
  return [
    `Written by \`bench/report.ts\` from [${file}](${file}). Do not edit: run \`npm run bench\` and then \`node .build/bench/report.js\`.`,
    markdownTable(
      ['', ''],
      [
        [
          'machine',
          `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}, load ${machine.load} at the start`,
        ],
        ['node', machine.node],
        ['commit', result.commit],
        ['command', `\`${result.command}\``],
        ['when', `${result.startedAt} to ${result.finishedAt}`],
        ['runs', `${result.rounds} rounds of ${result.seconds} s a side; pinning: ${result.pinning}`],
        ['load', [...new Set(result.cells.map(cell => cell.generator))].join(', ')],
        ...versions.map(({ side, version }) => [side, version]),
      ],
    ),
    "Load generator, mock and gateway share the machine. Figures are medians of the rounds, ± is half the range. *added* is over the direct run (no gateway) of the same round. CPU is that of the gateway's whole process tree. *gen* and *mock* are the busiest thread of load generator and mock as a share of a core: above 90 % a run is refused, since it would measure them.",
  ]
}

function everyScenario(result: ResultFile): string[] {
  const about = new Map(scenarios.map(scenario => [scenario.name, scenario.about]))
  const tables = summaryTables(result).flatMap(table => [
    `### ${table.scenario}`,
    about.get(table.scenario) ?? '',
    markdownTable(table.header, table.rows),
  ])
  if (result.failed.length === 0) return tables
  const failed = result.failed.map(each => [
    each.scenario,
    each.side,
    String(each.round + 1),
    each.reason.split('\n')[0],
  ])
  return [...tables, '## Not measured', markdownTable(['scenario', 'side', 'round', 'why'], failed)]
}

function page(parts: readonly string[]): string {
  return parts
    .filter(part => part !== '')
    .join('\n\n')
    .concat('\n')
}
