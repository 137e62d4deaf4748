import type { WriteStream } from 'node:tty'
import { duration, number } from './report/format.ts'
import type { Progress } from './runner.ts'

/** One line for each run: what is under way (on a terminal), then what came of it. */
export function createProgress(
  out: Pick<WriteStream, 'write' | 'isTTY'>,
  seconds: number,
): (progress: Progress) => void {
  let announced = ''
  return ({ scenario, side, round, rounds, done, total, outcome }) => {
    if (announced !== scenario.name) {
      announced = scenario.name
      out.write(`\n${scenario.name}: ${scenario.about}\n`)
    }
    const label = `  ${String(done).padStart(String(total).length)}/${total} ${side}, round ${round + 1} of ${rounds}`
    if (outcome === null) {
      if (out.isTTY) out.write(`${label} … (about ${duration((total - done + 1) * (seconds + 12))} left)`)
      return
    }
    const start = out.isTTY ? '\r\x1b[K' : ''
    if ('reason' in outcome) {
      out.write(`${start}${label}: could not be measured: ${outcome.reason.split('\n')[0]}\n`)
      return
    }
    const { metrics, flags } = outcome
    const parts = [
      `${number(metrics.requestsPerSecond)} req/s`,
      metrics.eventsPerSecond === null
        ? `p99 ${number(metrics.p99Ms)} ms`
        : `${number(metrics.eventsPerSecond)} events/s`,
      metrics.eventsPerSecond === null
        ? metrics.cpuUsPerRequest === null
          ? ''
          : `${number(metrics.cpuUsPerRequest)} µs CPU`
        : metrics.cpuUsPerEvent === null
          ? ''
          : `${number(metrics.cpuUsPerEvent)} µs CPU an event`,
      metrics.rssPeakMb === null ? '' : `${number(metrics.rssPeakMb)} MB`,
      metrics.errors === 0 ? '' : `${number(metrics.errors)} errors`,
      flags.join(', '),
    ]
    out.write(`${start}${label}: ${parts.filter(part => part !== '').join(', ')}\n`)
  }
}
