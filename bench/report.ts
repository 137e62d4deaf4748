import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chartsOf } from './report/charts.ts'
import { newestBesideOthers, newestFull, readResult } from './report/result-files.ts'
import { gatewaysPage, resultsPage } from './report/results-page.ts'
import type { ResultFile } from './result.ts'

/** Charts and page of one result, beside it. */
export function writeReport(folder: string, file: string, result: ResultFile): string[] {
  const charts = chartsOf(result)
  for (const chart of charts) writeFileSync(join(folder, chart.file), chart.svg)
  writeFileSync(join(folder, 'README.md'), resultsPage(result, file, charts))
  return ['README.md', ...charts.map(chart => chart.file)]
}

/** The page about the newest run beside other gateways, if there is one. */
export function writeGatewaysReport(folder: string): string[] {
  const beside = newestBesideOthers(folder)
  if (beside === null) return []
  writeFileSync(join(folder, 'gateways.md'), gatewaysPage(beside.result, beside.file))
  return ['gateways.md']
}

// node .build/bench/report.js [result.json]: from the newest full run, or from the one named; and from the newest beside
// other gateways.
if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = resolve('bench/results')
  const named = process.argv[2]
  const found = named === undefined ? newestFull(folder) : { file: named, result: readResult(join(folder, named)) }
  if (found === null) {
    process.stderr.write(`no full run in ${folder}: npm run bench makes one\n`)
    process.exitCode = 1
  } else {
    const written = [...writeReport(folder, found.file, found.result), ...writeGatewaysReport(folder)]
    process.stdout.write(`${written.join('\n')}\n`)
  }
}
