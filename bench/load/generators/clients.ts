import type { Cdf } from '../../stats/histogram.ts'
import type { ClientLoad, LoadErrors, LoadResult } from './generator.ts'
import { runClients } from './run-measured.ts'

export interface ClientsAnswer {
  readonly seconds: number
  readonly requests: number
  readonly events: number
  readonly aborted: number
  readonly errors: LoadErrors
  readonly latency: Cdf
  readonly firstByte: Cdf
  readonly gaps: Cdf
}

/** Streaming, mixed, slow and fickle clients, in a process of their own. */
export async function runStreamClients(load: ClientLoad): Promise<LoadResult> {
  const { answer, usage } = await runClients<ClientLoad, ClientsAnswer>(
    new URL('../clients/clients-process.js', import.meta.url),
    load,
    load.cores,
  )
  return { generator: 'stream clients', ...answer, busiestThread: usage.busiestThread }
}
