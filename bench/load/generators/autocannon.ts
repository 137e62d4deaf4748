import type { Cdf } from '../../stats/histogram.ts'
import type { ClosedGenerator, ClosedLoad, LoadErrors } from './generator.ts'
import { runClients } from './run-measured.ts'

/** From npm, so always there. One thread of it makes 15,000 to 40,000 requests a second: enough for delayed upstreams. */
export const autocannon: ClosedGenerator = {
  name: 'autocannon',
  available: () => true,
  async run(load) {
    const { answer, usage } = await runClients<ClosedLoad, AutocannonAnswer>(
      new URL('../clients/autocannon-process.js', import.meta.url),
      load,
      load.cores,
    )
    return {
      generator: `autocannon ${answer.version}`,
      seconds: answer.seconds,
      requests: answer.requests,
      errors: answer.errors,
      latency: answer.latency,
      events: 0,
      aborted: 0,
      firstByte: [],
      gaps: [],
      busiestThread: usage.busiestThread,
    }
  },
}

export interface AutocannonAnswer {
  readonly version: string
  readonly seconds: number
  readonly requests: number
  readonly errors: LoadErrors
  readonly latency: Cdf
}
