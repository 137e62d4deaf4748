import type { Cdf } from '../../stats/histogram.ts'
import type { LoadErrors, LoadResult, OpenLoad } from './generator.ts'
import { runClients } from './run-measured.ts'

export interface OpenAnswer {
  readonly seconds: number
  readonly offered: number
  readonly requests: number
  readonly errors: LoadErrors
  readonly latency: Cdf
  readonly firstByte: Cdf
}

/** Open arrival, in a process of its own. */
export async function runOpenLoop(load: OpenLoad): Promise<LoadResult> {
  const { answer, usage } = await runClients<OpenLoad, OpenAnswer>(
    new URL('../clients/open-loop-process.js', import.meta.url),
    load,
    load.cores,
  )
  return {
    generator: 'open loop',
    seconds: answer.seconds,
    requests: answer.requests,
    events: 0,
    aborted: 0,
    errors: answer.errors,
    latency: answer.latency,
    firstByte: answer.firstByte,
    gaps: [],
    busiestThread: usage.busiestThread,
  }
}
