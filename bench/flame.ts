import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { flameGraph } from './flame/flame-svg.ts'
import { type Frame, foldProfile, type Profile } from './flame/fold.ts'
import { resolverFor } from './flame/source-positions.ts'
import { chooseGenerator } from './load/generators/choose.ts'
import { killAll } from './measure/launch.ts'
import { commitOf, describeMachine } from './measure/machine.ts'
import { gateway } from './peers/gateway.ts'
import { relayWith } from './peers/relay.ts'
import { number } from './report/format.ts'
import { runCell } from './run-cell.ts'
import { selectScenarios } from './scenarios.ts'

interface Options {
  scenario: string
  duration: number
  out?: string
  subject: 'gateway' | 'relay'
  interval: number
  generator?: string
}

const options = new Command('npm run flame --')
  .description('Records a CPU profile of every thread of the gateway under load, and draws one self-contained SVG.')
  .option('--scenario <name>', 'the load; npm run bench -- --list shows them', 'high-concurrency-1000')
  .option('--duration <seconds>', 'length of the load', Number, 10)
  .option('--out <file>', 'default: flamegraphs/<date>-<scenario>.svg')
  .option('--interval <microseconds>', 'between two samples', Number, 500)
  .option('--generator <name>', 'wrk, oha or autocannon')
  .option('--subject <what>', 'gateway, or relay', 'gateway')
  .parse()
  .opts<Options>()

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.once('exit', killAll)

const root = process.cwd()
const directory = mkdtempSync(join(tmpdir(), 'ferrite-flame-'))
try {
  // Written by each thread when it ends, so the process has to end by itself; SIGTERM makes it.
  const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${options.interval}`]
  const side =
    options.subject === 'relay' ? relayWith('relay', nodeOptions) : gateway({ name: 'ferrite', root, nodeOptions })
  const missing = await side.prepare()
  if (missing !== null) throw new Error(missing)
  const [scenario] = selectScenarios([options.scenario])
  const generator = chooseGenerator(options.generator)
  const cell = await runCell({ scenario, side, round: 0, seconds: options.duration, generator, cores: {} })

  const files = readdirSync(directory).filter(name => name.endsWith('.cpuprofile'))
  if (files.length === 0) throw new Error('no thread wrote a profile: did the process end by itself?')
  const resolve = resolverFor(root)
  const threads: Frame[] = files.map(name => {
    const profile = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Profile
    return foldProfile(profile, resolve)
  })
  const machine = describeMachine()
  const svg = flameGraph(threads, {
    title: `${side.name}, ${scenario.name}`,
    subtitle: `${number(cell.metrics.requestsPerSecond)} req/s with the profiler on; ${machine.cores} × ${machine.cpu}, Node ${machine.node}, ${commitOf(root)}; waiting not shown`,
  })
  const day = new Date().toISOString().slice(0, 10)
  const out = options.out ?? join(root, 'flamegraphs', `${day}-${scenario.name}.svg`)
  mkdirSync(join(out, '..'), { recursive: true })
  writeFileSync(out, svg)
  process.stdout.write(`${out}\n`)
  for (const thread of threads) process.stdout.write(`  ${thread.name}: ${number(thread.totalUs / 1e6)} s busy\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
} finally {
  rmSync(directory, { recursive: true, force: true })
}
