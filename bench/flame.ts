import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Command, Option } from 'commander'
import { flameGraph } from './flame/flame-svg.ts'
import { type Frame, foldProfile, type Profile } from './flame/fold.ts'
import { namesForPerf, perfProblem, readStacks, recordStacks } from './flame/perf-record.ts'
import { foldSamples, parsePerfScript, parts, type ThreadCost } from './flame/perf-stacks.ts'
import { resolverFor } from './flame/source-positions.ts'
import { chooseGenerator } from './load/generators/choose.ts'
import { killAll } from './measure/launch.ts'
import { commitOf, describeMachine } from './measure/machine.ts'
import { processTree } from './measure/procfs.ts'
import { count, endUnmeasured, positive } from './options.ts'
import { gateway } from './peers/gateway.ts'
import { haproxy } from './peers/haproxy.ts'
import { nginx } from './peers/nginx.ts'
import type { Peer } from './peers/peer.ts'
import { relayWith } from './peers/relay.ts'
import { number } from './report/format.ts'
import { textTable } from './report/table.ts'
import type { Cell } from './result.ts'
import { runCell } from './run-cell.ts'
import { selectScenarios } from './scenarios.ts'

type Subject = 'gateway' | 'relay' | 'nginx' | 'haproxy'

interface Options {
  scenario: string
  duration: number
  out?: string
  subject: Subject
  perf: boolean
  interval: number
  generator?: string
  workers?: number
}

const options = new Command('npm run flame --')
  .description('Records a CPU profile of every thread of the gateway under load, and draws one self-contained SVG.')
  .option('--scenario <name>', 'the load; npm run bench -- --list shows them', 'high-concurrency-1000')
  .option('--duration <seconds>', 'length of the load', positive, 10)
  .option('--out <file>', 'default: flamegraphs/<date>-<scenario>.svg')
  .option('--perf', 'with perf in place of the profiler: the kernel, the collector and native code, too', false)
  .option('--interval <microseconds>', 'between two samples, without --perf', positive, 500)
  .option('--generator <name>', 'wrk, oha or autocannon')
  .option('--workers <number>', "the gateway's worker threads", count)
  .addOption(
    new Option('--subject <what>', 'what to look at; nginx and haproxy only with --perf')
      .choices(['gateway', 'relay', 'nginx', 'haproxy'])
      .default('gateway'),
  )
  .exitOverride(endUnmeasured)
  .parse()
  .opts<Options>()

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.once('exit', killAll)

const root = process.cwd()
const directory = mkdtempSync(join(tmpdir(), 'ferrite-flame-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
try {
  const { graphs, cell, table } = options.perf ? await withPerf() : await withProfiler()
  const machine = describeMachine()
  const svg = flameGraph(graphs, {
    title: `${cell.side}, ${cell.scenario}`,
    subtitle: `${number(cell.metrics.requestsPerSecond)} req/s while it was recorded; ${machine.cores} × ${machine.cpu}, Node ${machine.node}, ${commitOf(root)}; waiting not shown`,
  })
  const day = new Date().toISOString().slice(0, 10)
  const name = [day, cell.scenario, ...(cell.side === 'ferrite' ? [] : [cell.side]), ...(options.perf ? ['perf'] : [])]
  const out = options.out ?? join(root, 'flamegraphs', `${name.join('-')}.svg`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, svg)
  process.stdout.write(`${out}\n${table}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}

interface Recording {
  readonly graphs: readonly Frame[]
  readonly cell: Cell
  /** What is said about it on the terminal. */
  readonly table: string
}

async function withProfiler(): Promise<Recording> {
  // Written by each thread when it ends, so the process has to end by itself; SIGTERM makes it.
  const side = subject(['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${options.interval}`])
  const cell = await load(side)
  const files = readdirSync(directory).filter(name => name.endsWith('.cpuprofile'))
  if (files.length === 0) throw new Error('no thread wrote a profile: did the process end by itself?')
  const resolve = resolverFor(root)
  const graphs = files.map(name =>
    foldProfile(JSON.parse(readFileSync(join(directory, name), 'utf8')) as Profile, resolve),
  )
  const table = graphs.map(({ name, totalUs }) => `  ${name}: ${number(totalUs / 1e6)} s busy`).join('\n')
  return { graphs, cell, table }
}

async function withPerf(): Promise<Recording> {
  const problem = perfProblem(directory)
  if (problem !== null) throw new Error(problem)
  const cell = await load(subject(namesForPerf), pid =>
    recordStacks(
      processTree(pid).map(stat => stat.pid),
      directory,
    ),
  )
  const threads = foldSamples(parsePerfScript(readStacks(directory)), resolverFor(root))
  if (threads.length === 0) throw new Error('perf saw nothing of the process')
  return { graphs: threads.map(({ graph }) => graph), cell, table: costTable(threads, cell) }
}

function subject(nodeOptions: readonly string[]): Peer {
  switch (options.subject) {
    case 'gateway':
      return gateway({ name: 'ferrite', root, nodeOptions, workers: options.workers, workingFolder: directory })
    case 'relay':
      return relayWith('relay', nodeOptions, directory)
    default:
      if (!options.perf) throw new Error(`--subject ${options.subject} is no program of Node's: add --perf`)
      return options.subject === 'nginx' ? nginx : haproxy
  }
}

async function load(side: Peer, watch?: (pid: number) => { stop(): Promise<void> }): Promise<Cell> {
  const missing = await side.prepare()
  if (missing !== null) throw new Error(missing)
  const [scenario] = selectScenarios([options.scenario])
  if (!side.supports(scenario)) throw new Error(`${side.name} can't serve "${scenario.name}"`)
  const generator = chooseGenerator(options.generator)
  return runCell({ scenario, side, round: 0, seconds: options.duration, generator, cores: {}, watch })
}

/** The CPU of a request, or of an event of a stream, by thread and by whose code it was spent in. */
function costTable(threads: readonly ThreadCost[], { metrics }: Cell): string {
  const isStream = metrics.eventsPerSecond !== null
  const each = isStream ? metrics.cpuUsPerEvent : metrics.cpuUsPerRequest
  const total = threads.reduce((sum, { graph }) => sum + graph.totalUs, 0)
  // Without a count of requests the shares are all there is.
  const cell = (us: number) => number((us / total) * (each ?? 100))
  const rows = threads.map(({ graph, us }) => [graph.name, ...parts.map(part => cell(us[part])), cell(graph.totalUs)])
  const sums = parts.map(part => cell(threads.reduce((sum, { us }) => sum + us[part], 0)))
  const unit = each === null ? '% of CPU' : isStream ? 'µs of CPU per event' : 'µs of CPU per request'
  return textTable([unit, ...parts, 'all'], [...rows, ['all', ...sums, cell(total)]])
}
