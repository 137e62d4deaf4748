import { createLog } from '../../../src/telemetry/log.ts'

/** A process whose standard output is someone else's problem: it logs what the test asks for over IPC. */
export type Ask = { log: number } | { flush: number } | { exit: true }
export interface Answer {
  readonly dropped: number
  readonly flushed: boolean
}

const log = await createLog({ level: 'info', format: 'json', redact: text => text, maxQueueBytes: 256 * 1024 })
let logged = 0

process.on('message', async (ask: Ask) => {
  if ('exit' in ask) process.exit(0)
  for (let i = 0; 'log' in ask && i < ask.log; i++) log.info('line', { n: logged++, padding: 'x'.repeat(900) })
  const flushed = 'flush' in ask ? await log.flush(ask.flush) : false
  process.send?.({ dropped: log.dropped, flushed } satisfies Answer)
})
process.send?.('ready')
