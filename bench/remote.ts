import { runStreamClients } from './load/generators/clients.ts'
import { errorCount, type LoadResult } from './load/generators/generator.ts'
import { runOpenLoop } from './load/generators/open-loop.ts'
import { jsonHeaders } from './peers/peer.ts'
import { number, percent } from './report/format.ts'
import { textTable } from './report/table.ts'
import { connectionsOf, requestBody, type Scenario, selectScenarios } from './scenarios.ts'
import { quantileOf } from './stats/histogram.ts'

export interface RemoteOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly model: string
  readonly scenarios: readonly Scenario[]
  readonly perSecond: number
  readonly maxConnections: number
  readonly seconds: number
  readonly maxP99Ms?: number
  readonly maxErrorShare: number
}

export interface RemoteOutcome {
  readonly scenario: string
  readonly result: LoadResult
  readonly errorShare: number
  readonly p99Ms: number | null
  /** What was wrong with it; empty: nothing. */
  readonly broken: readonly string[]
}

/** Scenarios whose point lies in the mock mean nothing against somebody's provider. */
export function remoteScenarios(names: readonly string[] | undefined): Scenario[] {
  return selectScenarios(names ?? ['baseline']).map(scenario => {
    const special = scenario.needs !== undefined || scenario.expectedErrors !== undefined
    if (special) throw new Error(`"${scenario.name}" needs our own mock behind the gateway`)
    return scenario
  })
}

/** How many requests this can send at most. */
export function mostRequests(options: Pick<RemoteOptions, 'scenarios' | 'perSecond' | 'seconds'>): number {
  return options.scenarios.length * Math.ceil(options.perSecond * options.seconds)
}

export async function runRemote(options: RemoteOptions): Promise<RemoteOutcome[]> {
  const outcomes: RemoteOutcome[] = []
  for (const scenario of options.scenarios) {
    const target = {
      url: options.url,
      headers: { ...jsonHeaders, ...options.headers },
      body: requestBody(scenario, options.model),
      seconds: options.seconds,
    }
    const limit = connections(scenario, options)
    const { load } = scenario
    const result =
      load.kind === 'clients'
        ? await runStreamClients({
            ...target,
            connections: limit,
            streamShare: load.streamShare,
            abortShare: load.abortShare ?? 0,
            // Slow readers have no latency to judge by.
            slowReaders: Math.min(load.slowReaders ?? 0, limit - 1),
            slowBytesPerSecond: load.slowBytesPerSecond ?? 0,
            churn: load.churn ?? false,
            eventsPerStream: 10,
            perSecond: options.perSecond,
          })
        : await runOpenLoop({ ...target, perSecond: options.perSecond, maxConnections: limit, paced: true })
    outcomes.push(judgeRemote(scenario.name, result, options))
  }
  return outcomes
}

export function judgeRemote(
  scenario: string,
  result: LoadResult,
  limits: Pick<RemoteOptions, 'maxP99Ms' | 'maxErrorShare'>,
): RemoteOutcome {
  const errors = errorCount(result.errors)
  const errorShare = errors / Math.max(1, result.requests + errors)
  const p99Ms = quantileOf(result.latency, 0.99)
  const broken: string[] = []
  if (result.requests === 0) broken.push('no request succeeded')
  if (errorShare > limits.maxErrorShare) broken.push(`errors ${percent(errorShare)} > ${percent(limits.maxErrorShare)}`)
  if (limits.maxP99Ms !== undefined && !(p99Ms !== null && p99Ms <= limits.maxP99Ms)) {
    broken.push(`p99 ${number(p99Ms)} ms > ${number(limits.maxP99Ms)} ms`)
  }
  return { scenario, result, errorShare, p99Ms, broken }
}

export function remoteTable(outcomes: readonly RemoteOutcome[]): string {
  return textTable(
    ['', 'req/s', 'events/s', 'p50 ms', 'p99 ms', 'first p50', 'errors', 'verdict'],
    outcomes.map(({ scenario, result, errorShare, p99Ms, broken }) => [
      scenario,
      number(result.requests / result.seconds),
      result.events === 0 ? '–' : number(result.events / result.seconds),
      number(quantileOf(result.latency, 0.5)),
      number(p99Ms),
      number(quantileOf(result.firstByte, 0.5)),
      percent(errorShare),
      broken.length === 0 ? 'ok' : broken.join('; '),
    ]),
  )
}

function connections(scenario: Scenario, options: Pick<RemoteOptions, 'maxConnections'>): number {
  return Math.min(connectionsOf(scenario), options.maxConnections)
}
