import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkGoals } from '../../bench/goals.ts'
import { readmeNumbers, replaceBetweenMarkers } from '../../bench/readme-numbers.ts'
import { figuresOf, pairedRatios } from '../../bench/report/figures.ts'
import { number, spread } from '../../bench/report/format.ts'
import { lineChart } from '../../bench/report/line-chart.ts'
import { newestBesideOthers, newestFull, saveResult } from '../../bench/report/result-files.ts'
import { summaryTables } from '../../bench/report/summary-table.ts'
import { textTable } from '../../bench/report/table.ts'
import { writeGatewaysReport, writeReport } from '../../bench/report.ts'
import { withAdded } from '../../bench/runner.ts'
import { checkTargets } from '../../bench/targets.ts'
import { cell, resultFile } from './fixture.ts'

const thousand = 'high-concurrency-1000'

test('numbers are short and grouped, and what was not measured is a dash', () => {
  assert.deepEqual([13925.4, 12.345, 0.1234, 0.01234, 0, null, Number.NaN, 1234567].map(number), [
    '13,925',
    '12.3',
    '0.12',
    '0.012',
    '0',
    '–',
    '–',
    '1,234,567',
  ])
  assert.equal(spread({ median: 100, min: 95, max: 105, spread: 0.05, count: 3 }), '100 ±5%')
})

test('a table lines its columns up', () => {
  assert.deepEqual(
    textTable(
      ['', 'req/s'],
      [
        ['nginx', '1'],
        ['x', '10,000'],
      ],
    ).split('\n'),
    ['        req/s', '─────  ──────', 'nginx       1', 'x      10,000'],
  )
})

test('a refused round is left out of the medians, and a side with no other is marked', () => {
  const cells = [
    cell(thousand, 'a', { requestsPerSecond: 100 }),
    cell(thousand, 'a', { requestsPerSecond: 10 }, { flags: ['generator-bound'], round: 1 }),
    cell(thousand, 'b', { requestsPerSecond: 10 }, { flags: ['mock-bound'] }),
  ]
  assert.equal(figuresOf(cells, thousand, 'a')?.of('requestsPerSecond')?.median, 100)
  const [table] = summaryTables({ cells })
  assert.deepEqual(
    table.rows.map(row => row[0]),
    ['a', 'b (mock-bound)'],
  )
})

test('ratios pair the rounds of one run, and skip a round in which either side was refused', () => {
  const cells = [
    cell(thousand, 'ferrite', { cpuUsPerRequest: 30 }),
    cell(thousand, 'nginx', { cpuUsPerRequest: 20 }),
    cell(thousand, 'ferrite', { cpuUsPerRequest: 90 }, { round: 1 }),
    cell(thousand, 'nginx', { cpuUsPerRequest: 30 }, { round: 1, flags: ['mock-bound'] }),
  ]
  assert.deepEqual(pairedRatios(cells, thousand, 'ferrite', 'nginx', 'cpuUsPerRequest'), [1.5])
})

test('what a side added is counted from the direct run of its own round', () => {
  const [, nginx] = withAdded([
    cell('smoke', 'direct', { p50Ms: 60, p99Ms: 62 }),
    cell('smoke', 'nginx', { p50Ms: 61.5, p99Ms: 70 }),
  ])
  assert.equal(nginx.metrics.addedP50Ms, 1.5)
  assert.equal(nginx.metrics.addedP99Ms, 8)
  assert.equal(withAdded([cell('smoke', 'nginx', { p50Ms: 61 })])[0].metrics.addedP50Ms, null)
})

test('a goal that was not measured is neither reached nor missed', () => {
  const cells = [
    cell(thousand, 'ferrite', { cpuUsPerRequest: 34, requestsPerSecond: 90, p50Ms: 66, p99Ms: 90, rssPeakMb: 116 }),
    cell(thousand, 'nginx', { cpuUsPerRequest: 20, requestsPerSecond: 100, p50Ms: 62, p99Ms: 70 }),
  ]
  const reached = new Map(checkGoals(cells).map(goal => [goal.what, goal.reached]))
  assert.equal(reached.get('CPU per request, 1,000 connections'), true)
  assert.equal(reached.get('requests/s, 1,000 connections'), false)
  assert.equal(reached.get('p50 over nginx, 1,000 connections'), true)
  assert.equal(reached.get('RSS, 1,000 connections'), false)
  assert.equal(reached.get('requests/s, saturated'), null)
})

function targetCells(requests: number, direct: number) {
  return ['baseline', 'stress', '300', 'high-concurrency-500', thousand].flatMap((scenario, index) => {
    const connections = [50, 150, 300, 500, 1000][index]
    const share = connections / 1000
    const good = { p50Ms: 62, p95Ms: 70, p99Ms: 80, rssPeakMb: 100 }
    return [
      cell(scenario, 'direct', { requestsPerSecond: direct * share }),
      cell(scenario, 'ferrite', { ...good, requestsPerSecond: requests * share }),
    ]
  })
}

test("with eight cores the reference's figures hold as they are, with fewer they are scaled by the machine's own direct run", () => {
  const slow = targetCells(8_390, 8_400)
  assert.equal(checkTargets(slow, 8).met, false)
  assert.match(checkTargets(slow, 8).how, /absolute/)
  assert.equal(checkTargets(slow, 2).met, true)
  assert.match(checkTargets(slow, 2).how, /scaled by this machine's own direct/)
  // Half of what the machine can do is too little anywhere.
  assert.equal(checkTargets(targetCells(4_000, 8_400), 2).met, false)
  assert.equal(checkTargets(targetCells(16_300, 16_300), 8).met, true)
})

test('targets without a measurement are not met by silence', () => {
  assert.equal(checkTargets([], 8).met, null)
})

test('errors of one round are not lost among the others', () => {
  const rounds = [0, 0.3, 0].map((errorShare, round) => cell(thousand, 'ferrite', { errorShare }, { round }))
  const goal = checkGoals(rounds).find(({ what }) => what.startsWith('error share'))
  assert.deepEqual([goal?.value, goal?.reached], [0.3, false])
  const [table] = summaryTables({ cells: rounds })
  assert.match(String(table.rows[0]), /30/)
})

test('what failed is nothing to scale targets by, and nothing at all neither', () => {
  const good = targetCells(8_390, 8_400)
  const nginx = cell(thousand, 'nginx', { requestsPerSecond: 5, errorShare: 1 })
  assert.equal(checkTargets([...good, nginx], 2).met, null)
  assert.equal(checkTargets([...good, { ...nginx, metrics: { ...nginx.metrics, requestsPerSecond: 0 } }], 2).met, null)
  assert.equal(
    checkTargets(
      good.filter(({ side }) => side !== 'direct'),
      2,
    ).met,
    null,
  )
})

test('a chart is one well-formed file without links, whatever its texts hold, and follows light and dark', () => {
  const svg = lineChart({
    title: 'a < b & "c"',
    subtitle: '',
    x: { label: 'share', scale: 'tail' },
    y: { label: 'ms', scale: 'log' },
    series: [
      {
        name: 'one',
        points: [
          [0, 1],
          [0.5, 2],
          [0.99, 50],
          [1, 400],
        ],
      },
      { name: 'two', points: [] },
    ],
  })
  assert.ok(svg.includes('a &lt; b &amp; &quot;c&quot;'))
  assert.ok(svg.includes('prefers-color-scheme: dark'))
  assert.equal(/NaN|Infinity|undefined|href|url\(/.test(svg), false)
  const opened = svg.match(/<[a-z]+[ >]/g)?.length ?? 0
  const closed = (svg.match(/<\/[a-z]+>/g)?.length ?? 0) + (svg.match(/\/>/g)?.length ?? 0)
  assert.equal(opened, closed)
})

test('a full run becomes a page with its machine, command, tables and the charts it has data for', t => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-report-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const latency = [
    [0, 60],
    [0.5, 61],
    [0.99, 70],
    [1, 80],
  ] as const
  const rss = [
    [0, 50],
    [1, 60],
  ] as const
  const result = resultFile([
    cell('baseline', 'nginx', { requestsPerSecond: 800 }, { latency, rss }),
    cell(thousand, 'nginx', { requestsPerSecond: 16_000, cpuUsPerRequest: 20 }, { latency, rss }),
    cell(thousand, 'ferrite', { requestsPerSecond: 15_000, cpuUsPerRequest: 30 }, { latency, rss }),
  ])
  saveResult(folder, { ...result, full: false, startedAt: '2031-01-01T00:00:00.000Z' })
  saveResult(folder, result)
  writeFileSync(join(folder, 'notes.json'), '{}')
  const found = newestFull(folder)
  assert.equal(found?.file, '2030-01-02T03-04-05-abc123.json', 'a partial run is newer, and not taken')
  const files = writeReport(folder, found?.file ?? '', found?.result ?? result)
  assert.deepEqual(files, [
    'README.md',
    `latency-${thousand}.svg`,
    'latency-baseline.svg',
    'throughput.svg',
    'memory.svg',
  ])
  const page = readFileSync(join(folder, 'README.md'), 'utf8')
  for (const part of ['CPU <X> & Co', 'npm run bench --', 'abc123', '16,000', '## Goals', 'throughput.svg']) {
    assert.ok(page.includes(part), part)
  }
})

test("README's numbers stand between their markers, and nothing else changes", () => {
  const text = 'before\n<!-- bench:start -->\nold\n<!-- bench:end -->\nafter\n'
  assert.equal(replaceBetweenMarkers(text, 'new'), 'before\n<!-- bench:start -->\nnew\n<!-- bench:end -->\nafter\n')
  assert.equal(replaceBetweenMarkers('no markers', 'new'), null)
  const full = resultFile([
    cell(thousand, 'ferrite', { requestsPerSecond: 15_000, cpuUsPerRequest: 30 }),
    cell(thousand, 'nginx', { requestsPerSecond: 16_000, cpuUsPerRequest: 20 }),
  ])
  const alone = readmeNumbers({ file: 'full.json', result: full }, null)
  assert.match(alone, /CPU per request there \| 30\.0 µs \(1\.50 ×\) \| 20\.0 µs/)
  assert.doesNotMatch(alone, /other gateways|fresh connections/)
  const short = readmeNumbers({ file: 'full.json', result: { ...full, seconds: 5 } }, null)
  assert.match(short, /Runs of 5 s: .* first on fresh connections/)
})

test('a run beside other gateways has a page and a table of its own; a full run that has them says it once', t => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-gateways-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const cells = [cell(thousand, 'ferrite', { cpuUsPerRequest: 30 }), cell(thousand, 'nginx', { cpuUsPerRequest: 20 })]
  const others = [...cells, cell(thousand, 'portkey', { cpuUsPerRequest: 500 }, { version: 'portkey 1.15.2' })]
  saveResult(folder, resultFile(cells))
  assert.deepEqual(writeGatewaysReport(folder), [], 'nginx is no other gateway')
  saveResult(folder, { ...resultFile(others), full: false, startedAt: '2029-01-01T00:00:00.000Z' })
  assert.deepEqual(writeGatewaysReport(folder), ['gateways.md'])
  assert.match(readFileSync(join(folder, 'gateways.md'), 'utf8'), /portkey 1\.15\.2.*\| portkey \|[^\n]* 500 \|/s)
  const full = newestFull(folder)
  const beside = newestBesideOthers(folder)
  assert.ok(full !== null && beside !== null)
  assert.match(readmeNumbers(full, beside), /Beside other gateways:.*500 µs \(25\.0 ×\).*results\/gateways\.md/s)
  assert.doesNotMatch(readmeNumbers(beside, beside), /Beside other gateways/)
  assert.match(readmeNumbers(beside, null), /With 1,000 connections .*portkey answered nobody/)
})
