import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { figuresOf, pairedRatios, sidesIn } from './report/figures.ts'
import { number } from './report/format.ts'
import { type FoundResult, newestBesideOthers, newestFull } from './report/result-files.ts'
import { markdownTable } from './report/table.ts'
import type { Metric, ResultFile } from './result.ts'
import { median } from './stats/summary.ts'

const START = '<!-- bench:start -->'
const END = '<!-- bench:end -->'

/** README.md's few numbers: of a full run, and of one beside other gateways. */
export function readmeNumbers(full: FoundResult, besideOthers: FoundResult | null): string {
  const parts = [numbersOf(full.result, 'README.md')]
  if (besideOthers !== null && besideOthers.file !== full.file)
    parts.push('Beside other gateways:', numbersOf(besideOthers.result, 'gateways.md'))
  return parts.join('\n\n')
}

function numbersOf(result: ResultFile, page: string): string {
  // Some sides take part in scenarios of their own only.
  const sides = sidesIn(result).filter(
    side => side !== 'direct' && figuresOf(result.cells, 'high-concurrency-1000', side) !== null,
  )
  const base = sides.includes('nginx') ? 'nginx' : null
  const row = (what: string, scenario: string, metric: Metric, unit: string) => [
    what,
    ...sides.map(side => {
      const figures = figuresOf(result.cells, scenario, side)
      const value = figures?.of(metric)?.median
      if (figures === null || figures.refused || value === undefined) return '–'
      const ratios = base === null || side === base ? [] : pairedRatios(result.cells, scenario, side, base, metric)
      const times = ratios.length === 0 || unit === 'MB' || unit === 'ms' ? '' : ` (${number(median(ratios))} ×)`
      return `${number(value)} ${unit}${times}`.trimEnd()
    }),
  ]
  const rows = [
    row('requests/s, 1,000 connections, 60 ms upstream', 'high-concurrency-1000', 'requestsPerSecond', ''),
    row('p50 there', 'high-concurrency-1000', 'p50Ms', 'ms'),
    row('p99 there', 'high-concurrency-1000', 'p99Ms', 'ms'),
    row('CPU per request there', 'high-concurrency-1000', 'cpuUsPerRequest', 'µs'),
    row('memory there', 'high-concurrency-1000', 'rssPeakMb', 'MB'),
    row('CPU per streamed event, 400 streams', 'streams-400', 'cpuUsPerEvent', 'µs'),
    row('CPU per request, 50 connections', 'baseline', 'cpuUsPerRequest', 'µs'),
    row('p50 there', 'baseline', 'p50Ms', 'ms'),
    row('requests/s, saturated', 'saturation', 'requestsPerSecond', ''),
    row('p50, one connection', 'one-connection', 'p50Ms', 'ms'),
  ]
  const { machine } = result
  const times = base === null ? '' : ` In brackets: multiples of ${base} in the same run.`
  const silent = sides.filter(side => figuresOf(result.cells, 'high-concurrency-1000', side)?.of('p50Ms') === null)
  const none =
    silent.length === 0 ? '' : ` With 1,000 connections ${silent.join(' and ')} answered nobody within a run.`
  // A closed loop connects anew in each run: with 60 ms a request, that many of the first are on fresh connections.
  const short =
    result.seconds < 8
      ? ` Runs of ${result.seconds} s: more than 1 % of the requests are the first on fresh connections, and p99 is theirs.`
      : ''
  return [
    markdownTable(['', ...sides], rows),
    `${machine.cores} × ${machine.cpu}, Node ${machine.node.slice(1)}, load generator and mock on the same cores, ${result.startedAt.slice(0, 10)}, \`${result.commit}\`.${times}${none}${short} All of it: [bench/results](bench/results/${page}).`,
  ].join('\n\n')
}

/** The text with what stands between the markers replaced; null: it has no markers. */
export function replaceBetweenMarkers(text: string, inside: string): string | null {
  const start = text.indexOf(START)
  const end = text.indexOf(END)
  if (start === -1 || end < start) return null
  return `${text.slice(0, start + START.length)}\n${inside}\n${text.slice(end)}`
}

// node .build/bench/readme-numbers.js
if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = resolve('bench/results')
  const found = newestFull(folder)
  const readme = resolve('README.md')
  const numbers = found === null ? '' : readmeNumbers(found, newestBesideOthers(folder))
  const text = found === null ? null : replaceBetweenMarkers(readFileSync(readme, 'utf8'), numbers)
  if (text === null) {
    process.stderr.write(found === null ? 'no full run in bench/results\n' : `README.md lacks ${START} and ${END}\n`)
    process.exitCode = 1
  } else writeFileSync(readme, text)
}
