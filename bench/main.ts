import { join } from 'node:path'
import { type Checkout, checkOut } from './compare.ts'
import { checkGoals, goalRows } from './goals.ts'
import { chooseGenerator, closedGenerators } from './load/generators/choose.ts'
import { planCores } from './measure/cores.ts'
import { canPin, killAll } from './measure/launch.ts'
import { commitOf, describeMachine, onPath } from './measure/machine.ts'
import { perfCounts } from './measure/perf.ts'
import { type BenchOptions, parseOptions } from './options.ts'
import { choosePeer, knownPeers } from './peers/choose.ts'
import { withoutHeaders } from './peers/custom.ts'
import { gateway, relayingName } from './peers/gateway.ts'
import type { Peer } from './peers/peer.ts'
import { createProgress } from './progress.ts'
import { mostRequests, remoteScenarios, remoteTable, runRemote } from './remote.ts'
import { saveResult } from './report/result-files.ts'
import { summaryTables } from './report/summary-table.ts'
import { textTable } from './report/table.ts'
import type { ResultFile } from './result.ts'
import { run } from './runner.ts'
import { quickScenarios, type Scenario, scenarios, selectScenarios } from './scenarios.ts'
import { checkTargets, targetRows, targetScenarios } from './targets.ts'

const MISSED = 1
const UNMEASURED = 2

const root = process.cwd()
const say = (line: string) => process.stderr.write(`${line}\n`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.once('exit', killAll)

try {
  const options = parseOptions(process.argv.slice(2))
  if (options.list) list()
  else if (options.url !== undefined) process.exitCode = await remote(options, options.url)
  else process.exitCode = await bench(options)
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = UNMEASURED
}

async function bench(options: BenchOptions): Promise<number> {
  const chosen = chooseScenarios(options)
  if (options.hours !== undefined && !chosen.some(({ name }) => name === 'soak'))
    throw new Error('--hours is the length of the soak: add --scenario soak')
  const seconds = options.quick ? Math.min(3, options.duration) : options.duration
  const rounds = options.quick ? 1 : options.rounds
  const generator = chooseGenerator(options.generator)
  const cores = planCores(options.pin)
  const pinning = cores.gateway !== undefined && canPin() ? JSON.stringify(cores) : 'none'
  const machine = describeMachine()
  const commit = commitOf(root)
  const startedAt = new Date()
  let checkout: Checkout | null = null
  try {
    if (options.compare !== undefined) checkout = checkOut(root, options.compare, say)
    const sides = await prepare(chooseSides(options, checkout))
    if (sides.length === 0) throw new Error('nothing to measure')
    say(
      `${machine.cores} × ${machine.cpu}, Node ${machine.node}, load ${machine.load}; ${generator.name}; pinning: ${pinning}`,
    )
    if (!perfCounts()) say('perf may not count instructions here: CPU time only')
    const outcome = await run({
      scenarios: chosen,
      sides,
      rounds,
      seconds,
      soakSeconds: options.hours === undefined ? undefined : options.hours * 3600,
      generator,
      cores,
      onProgress: createProgress(process.stderr, seconds),
    })
    const usual = scenarios.filter(scenario => scenario.onRequest !== true)
    const result: ResultFile = {
      format: 1,
      startedAt: startedAt.toISOString(),
      finishedAt: new Date().toISOString(),
      machine,
      commit,
      command: withoutHeaders(['npm run bench --', ...process.argv.slice(2)]),
      pinning,
      seconds,
      rounds,
      // As it is by itself, so that the page it fills says what a user gets.
      full:
        options.gateway &&
        [options.engine, options.workers, options.acceptors].every(option => option === undefined) &&
        seconds >= 5 &&
        rounds >= 3 &&
        usual.every(scenario => chosen.includes(scenario)) &&
        outcome.failed.length === 0 &&
        !commit.endsWith('+changes'),
      ...outcome,
    }
    const file = options.save ? saveResult(join(root, 'bench/results'), result) : null
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `\n${summary(result, options)}\n`)
    if (file !== null) say(`saved as ${file}`)
    if (outcome.cells.length === 0) return UNMEASURED
    if (!options.targets) return outcome.failed.length > 0 ? UNMEASURED : 0
    const { met } = checkTargets(result.cells, machine.cores)
    if (met === false) return MISSED
    return met === null || outcome.failed.length > 0 ? UNMEASURED : 0
  } finally {
    checkout?.remove()
  }
}

function chooseScenarios(options: BenchOptions): Scenario[] {
  if (options.scenario !== undefined) return selectScenarios(options.scenario)
  if (options.targets) return selectScenarios(targetScenarios)
  if (options.quick) return selectScenarios(quickScenarios)
  return scenarios.filter(scenario => scenario.onRequest !== true)
}

function chooseSides(options: BenchOptions, checkout: Checkout | null): Peer[] {
  const shape = { engine: options.engine, workers: options.workers, acceptors: options.acceptors }
  const usual = onPath('nginx') ? 'nginx' : 'relay'
  const names = options.peer.length > 0 ? options.peer : options.scenario?.every(name => name === 'soak') ? [] : [usual]
  const sides = [
    ...(options.gateway
      ? [
          gateway({ name: 'ferrite', root, ...shape }),
          gateway({ name: relayingName, root, ...shape, isRelaying: true }),
        ]
      : []),
    ...(checkout === null ? [] : [gateway({ name: checkout.commit, root: checkout.root, ...shape })]),
    ...names.map(name => choosePeer(name, join(root, '.build-peers'))),
  ]
  // Their figures would be mixed up.
  const twice = sides.find(({ name }, i) => name === 'direct' || sides.findIndex(side => side.name === name) < i)
  if (twice !== undefined) throw new Error(`--peer: the name "${twice.name}" is taken`)
  return sides
}

async function prepare(sides: readonly Peer[]): Promise<Peer[]> {
  for (const side of sides) {
    const missing = await side.prepare()
    if (missing !== null) throw new Error(`${side.name}: ${missing}`)
  }
  return [...sides]
}

function summary(result: ResultFile, options: BenchOptions): string {
  const parts = summaryTables(result).map(table => `${table.scenario}\n${textTable(table.header, table.rows)}`)
  const goals = checkGoals(result.cells).filter(goal => goal.reached !== null)
  if (goals.length > 0) parts.push(`Goals\n${textTable(['', 'goal', 'measured', ''], goalRows(goals))}`)
  if (options.targets) {
    const check = checkTargets(result.cells, result.machine.cores)
    parts.push(
      `Reference suite: ${check.how}\n${textTable(['scenario', '', 'wanted', 'measured', ''], targetRows(check))}`,
    )
  }
  for (const each of result.failed)
    parts.push(`${each.scenario}, ${each.side}, round ${each.round + 1}: ${each.reason}`)
  return parts.join('\n\n')
}

function list(): void {
  const rows = scenarios.map(({ name, suite, about, onRequest }) => [
    name,
    suite === 'reference' ? 'reference suite' : onRequest ? 'ours, on request' : 'ours',
    about,
  ])
  const width = Math.max(...rows.map(([name]) => name.length))
  for (const [name, suite, about] of rows) {
    process.stdout.write(`${name.padEnd(width)}  ${about} (${suite})\n`)
  }
  process.stdout.write('\nPeers\n')
  for (const [name, about] of Object.entries(knownPeers)) process.stdout.write(`${name.padEnd(width)}  ${about}\n`)
  process.stdout.write('\nGenerators\n')
  for (const { name, available } of closedGenerators) {
    process.stdout.write(`${name.padEnd(width)}  ${available() ? 'available' : 'not on the PATH'}\n`)
  }
}

async function remote(options: BenchOptions, url: string): Promise<number> {
  const headers: Record<string, string> = {}
  for (const line of options.header) {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error('--header: a header is "Name: value", and one has no colon')
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
  }
  if (options.keyEnv !== undefined) {
    const key = process.env[options.keyEnv]
    if (key === undefined || key === '') throw new Error(`${options.keyEnv} is not set`)
    headers.Authorization = `Bearer ${key}`
  }
  const load = {
    url: resolveUrl(url),
    headers,
    model: options.model,
    scenarios: remoteScenarios(options.scenario),
    perSecond: options.rate,
    maxConnections: options.maxConnections,
    seconds: options.duration,
    maxP99Ms: options.maxP99,
    maxErrorShare: options.maxErrors / 100,
  }
  say(`at most ${mostRequests(load)} requests for "${options.model}" to ${load.url.split('?')[0]}`)
  const outcomes = await runRemote(load)
  process.stdout.write(options.json ? `${JSON.stringify(outcomes)}\n` : `${remoteTable(outcomes)}\n`)
  return outcomes.every(outcome => outcome.broken.length === 0) ? 0 : MISSED
}

function resolveUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new Error(`--url: "${text}" is no URL that begins with http:// or https://`)
  }
  if (url.pathname === '/') url.pathname = '/v1/chat/completions'
  return url.href
}
