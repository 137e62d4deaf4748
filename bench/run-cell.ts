import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { availableCores } from '../src/control/available-cores.ts'
import { runStreamClients } from './load/generators/clients.ts'
import { type ClosedGenerator, errorCount, type LoadResult } from './load/generators/generator.ts'
import { runOpenLoop } from './load/generators/open-loop.ts'
import type { CorePlan } from './measure/cores.ts'
import type { Running } from './measure/launch.ts'
import { countInstructions } from './measure/perf.ts'
import { processTree, residentMb } from './measure/procfs.ts'
import { startSampling, type Usage } from './measure/sampler.ts'
import type { Peer, StartedPeer } from './peers/peer.ts'
import type { Cell, Flag, SweepStep } from './result.ts'
import { requestBody, type Scenario } from './scenarios.ts'
import { type StartedMock, startMock } from './start-mock.ts'
import { quantileOf } from './stats/histogram.ts'

export interface CellOptions {
  readonly scenario: Scenario
  readonly side: Peer
  readonly round: number
  readonly seconds: number
  readonly generator: ClosedGenerator
  readonly cores: CorePlan
  /** Looks at the side's process while it is measured, warm-up left out; awaited before the process is stopped. */
  readonly watch?: (pid: number) => { stop(): Promise<void> }
}

const BUSY = 0.9
const SETTLE_MS = 500
/** A rate is held when this share of it is answered, with a p99 a user would still accept. */
const HELD_SHARE = 0.98
const HELD_P99_MS = 250

/**
 * A gateway runs for weeks: what its compiler does in the first seconds is not what a request costs. Each side is loaded
 * in turns until its rate no longer rises. Turns, because clients connect anew in each, as they will when it is measured:
 * that path has to be warm too. A quick look takes each side as it is.
 */
const warmTurnSeconds = 3
const fewestWarmTurns = 3
const mostWarmTurns = 8
const stillRising = 1.03

async function warm(context: LoadContext, seconds: number): Promise<void> {
  if (seconds < 5) {
    await runLoad(context, 1)
    return
  }
  let best = 0
  for (let turn = 1; turn <= mostWarmTurns; turn++) {
    const { requests, seconds: took } = await runLoad(context, warmTurnSeconds)
    const rate = requests / took
    if (turn >= fewestWarmTurns && rate < best * stillRising) return
    best = Math.max(best, rate)
  }
}

/** One side, once: everything started fresh, warmed, loaded, measured and stopped. */
export async function runCell(options: CellOptions): Promise<Cell> {
  return withStage(options, [options.side], async stage => {
    const [context] = stage.contexts
    await warm(context, options.seconds)
    return measure(stage, context, options)
  })
}

export interface PairOptions extends Omit<CellOptions, 'side'> {
  readonly sides: readonly [Peer, Peer]
  /** How often each side has its turn. */
  readonly turns: number
}

/**
 * Two sides started fresh behind one mock, then loaded by turns, A B B A: what else the machine does within these seconds
 * hits both, so their ratio holds on a busy machine too.
 */
export async function runPair(options: PairOptions): Promise<[Cell, Cell][]> {
  return withStage(options, options.sides, async stage => {
    const [first, second] = stage.contexts
    for (const context of stage.contexts) await runLoad(context, 1)
    const pairs: [Cell, Cell][] = []
    for (let turn = 0; turn < options.turns; turn++) {
      if (turn % 2 === 0) {
        const before = await measure(stage, first, options)
        pairs.push([before, await measure(stage, second, options)])
      } else {
        const before = await measure(stage, second, options)
        pairs.push([await measure(stage, first, options), before])
      }
    }
    return pairs
  })
}

/** A mock and one or more sides in front of it. */
interface Stage {
  readonly mock: StartedMock
  readonly contexts: readonly LoadContext[]
}

async function withStage<T>(
  { scenario, cores, generator }: Pick<CellOptions, 'scenario' | 'cores' | 'generator'>,
  sides: readonly Peer[],
  use: (stage: Stage) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'ferrite-bench-'))
  const clear = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', clear)
  // One process answers 140,000 requests a second; two where the load has no pause, so that neither fills a core.
  const pauses = scenario.mock.delay !== undefined || scenario.mock.every !== undefined
  let mock: StartedMock | undefined
  const contexts: LoadContext[] = []
  try {
    mock = await startMock(scenario.mock, pauses && availableCores() < 8 ? 1 : 2, cores.mock)
    const probe = requestBody({ ...scenario, promptBytes: 0 })
    for (const [index, side] of sides.entries()) {
      const own = join(directory, String(index))
      mkdirSync(own)
      const context = { upstreamPort: mock.port, directory: own, scenario, probe, cores: cores.gateway }
      const started = await side.start(context)
      contexts.push({ scenario, side, started, directory: own, generator, cores: cores.generator, idleMb: null })
    }
    await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
    for (const context of contexts) {
      const { running } = context.started
      if (running !== null) context.idleMb = residentMb(processTree(running.pid).map(stat => stat.pid))
    }
    return await use({ mock, contexts })
  } finally {
    for (const { started } of contexts) await started.running?.stop()
    await mock?.running.stop()
    process.removeListener('exit', clear)
    clear()
  }
}

async function measure(
  stage: Stage,
  context: LoadContext,
  options: Pick<CellOptions, 'round' | 'seconds' | 'watch'>,
): Promise<Cell> {
  const { load } = context.scenario
  const pid = context.started.running?.pid ?? null
  const watching = pid === null ? undefined : options.watch?.(pid)
  const gatewaySampler = pid === null ? null : startSampling(pid)
  const mockSampler = startSampling(stage.mock.running.pid)
  const instructions = pid === null ? null : countInstructions(processTree(pid).map(stat => stat.pid))
  try {
    const { result, steps } =
      load.kind === 'sweep'
        ? await sweep(load.perSecond, rate => runLoad(context, Math.min(5, options.seconds), rate))
        : { result: await runLoad(context, options.seconds), steps: undefined }
    const usage = gatewaySampler?.stop() ?? null
    const mockUsage = mockSampler.stop()
    const counted = (await instructions?.stop()) ?? null
    return toCell(context, options.round, { result, steps, usage, mockUsage, instructions: counted })
  } finally {
    gatewaySampler?.stop()
    mockSampler.stop()
    await instructions?.stop()
    await watching?.stop()
  }
}

/** A side's process ended while it was loaded. */
export class SideEnded extends Error {
  readonly side: string

  constructor(side: string, running: Running) {
    const { exitCode, signalCode } = running.process
    super(`${side} ended with ${signalCode ?? exitCode} under load\n${running.errors()}`.trim())
    this.side = side
  }
}

interface LoadContext {
  readonly scenario: Scenario
  readonly side: Peer
  readonly started: StartedPeer
  readonly directory: string
  readonly generator: ClosedGenerator
  readonly cores?: string
  /** Resident memory before any load. */
  idleMb: number | null
}

async function runLoad(context: LoadContext, seconds: number, perSecond?: number): Promise<LoadResult> {
  try {
    return await generate(context, seconds, perSecond)
  } catch (error) {
    const { running } = context.started
    const hasEnded = running !== null && (running.process.exitCode !== null || running.process.signalCode !== null)
    throw hasEnded ? new SideEnded(context.side.name, running) : error
  }
}

function generate(context: LoadContext, seconds: number, perSecond?: number): Promise<LoadResult> {
  const { scenario, started, directory, cores } = context
  const { load } = scenario
  const target = { url: started.url, headers: started.headers, body: requestBody(scenario), cores, seconds }
  switch (load.kind) {
    case 'closed':
      return context.generator.run({ ...target, connections: load.connections, directory })
    case 'sweep':
      return runOpenLoop({ ...target, perSecond: perSecond ?? load.perSecond[0], maxConnections: load.maxConnections })
    case 'clients':
      return runStreamClients({
        ...target,
        connections: load.connections,
        streamShare: load.streamShare,
        abortShare: load.abortShare ?? 0,
        slowReaders: load.slowReaders ?? 0,
        slowBytesPerSecond: load.slowBytesPerSecond ?? 0,
        churn: load.churn ?? false,
        eventsPerStream: scenario.mock.chunks ?? 10,
      })
  }
}

/**
 * Rates one after the other until one isn't held, twice in a row: a machine that did something else for a moment is not the
 * knee. The last one held is the result; if none is, the first.
 */
async function sweep(
  rates: readonly number[],
  run: (perSecond: number) => Promise<LoadResult>,
): Promise<{ result: LoadResult; steps: SweepStep[] }> {
  const steps: SweepStep[] = []
  let best: LoadResult | null = null
  const hold = async (offered: number): Promise<boolean> => {
    const result = await run(offered)
    const held = result.requests / result.seconds
    const p99Ms = quantileOf(result.latency, 0.99)
    const isHeld = held >= offered * HELD_SHARE && p99Ms !== null && p99Ms <= HELD_P99_MS
    const errors = errorCount(result.errors)
    steps.push({ offered, held, isHeld, p50Ms: quantileOf(result.latency, 0.5), p99Ms, errors })
    if (isHeld || best === null) best = result
    return isHeld && (result.busiestThread ?? 0) <= BUSY
  }
  for (const offered of rates) if (!(await hold(offered)) && !(await hold(offered))) break
  if (best === null) throw new Error('a sweep needs at least one rate')
  return { result: best, steps }
}

interface Measurements {
  readonly result: LoadResult
  readonly steps: SweepStep[] | undefined
  readonly usage: Usage | null
  readonly mockUsage: Usage
  readonly instructions: number | null
}

function toCell(context: LoadContext, round: number, measured: Measurements): Cell {
  const { scenario, side, started } = context
  const { result, usage, mockUsage, steps } = measured
  const errors = errorCount(result.errors)
  const streams = scenario.load.kind === 'clients'
  // A sweep's CPU covers all its steps and has no one count to go with.
  const per = (total: number | null | undefined, count: number) =>
    total === null || total === undefined || count === 0 || steps !== undefined ? null : total / count
  const cpuUs = usage?.cpuSeconds === null || usage === null ? null : usage.cpuSeconds * 1e6
  const answered = result.requests + result.errors.status + result.aborted
  // In a direct run one of the two is busy by definition: that run says what they are capable of.
  const flags: Flag[] = []
  if (started.running !== null) {
    if ((result.busiestThread ?? 0) > BUSY) flags.push('generator-bound')
    if ((mockUsage.busiestThread ?? 0) > BUSY) flags.push('mock-bound')
  }
  return {
    scenario: scenario.name,
    side: side.name,
    round,
    version: started.version,
    generator: result.generator,
    metrics: {
      requestsPerSecond: result.requests / result.seconds,
      eventsPerSecond: streams ? result.events / result.seconds : null,
      p50Ms: quantileOf(result.latency, 0.5),
      p90Ms: quantileOf(result.latency, 0.9),
      p95Ms: quantileOf(result.latency, 0.95),
      p99Ms: quantileOf(result.latency, 0.99),
      p999Ms: quantileOf(result.latency, 0.999),
      addedP50Ms: null,
      addedP99Ms: null,
      firstByteP50Ms: quantileOf(result.firstByte, 0.5),
      firstByteP99Ms: quantileOf(result.firstByte, 0.99),
      gapP99Ms: quantileOf(result.gaps, 0.99),
      cpuUsPerRequest: per(cpuUs, answered),
      cpuUsPerEvent: per(cpuUs, result.events),
      instructionsPerRequest: per(measured.instructions, answered),
      cores: usage?.cores ?? null,
      rssIdleMb: context.idleMb,
      rssPeakMb: usage?.peakMb ?? null,
      // What a rising load does to memory is no growth.
      rssSlopeMbPerMinute: steps === undefined ? (usage?.slopeMbPerMinute ?? null) : null,
      startMs: started.startMs,
      errors,
      errorShare: errors / Math.max(1, answered + errors - result.errors.status),
      kneePerSecond: steps?.some(step => step.isHeld) ? result.requests / result.seconds : null,
      generatorShare: result.busiestThread,
      mockShare: mockUsage.busiestThread,
    },
    latency: result.latency,
    firstByte: result.firstByte,
    rss: usage?.rss ?? [],
    flags,
    steps,
  }
}
