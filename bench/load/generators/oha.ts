import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onPath, versionOf } from '../../measure/machine.ts'
import type { Cdf } from '../../stats/histogram.ts'
import { isSuccess } from '../clients/connection.ts'
import type { ClosedGenerator, LoadErrors } from './generator.ts'
import { runMeasured } from './run-measured.ts'

export const oha: ClosedGenerator = {
  name: 'oha',
  available: () => onPath('oha'),
  async run(load) {
    const bodyFile = join(load.directory, 'oha-body')
    writeFileSync(bodyFile, load.body)
    const headers = Object.entries(load.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    // `--json` became `--output-format json` in 1.9.
    const help = spawnSync('oha', ['--help'], { encoding: 'utf8' }).stdout ?? ''
    const format = help.includes('--output-format') ? ['--output-format', 'json'] : ['--json']
    const { output, usage } = await runMeasured({
      cores: load.cores,
      command: [
        'oha',
        '--no-tui',
        ...format,
        '-m',
        'POST',
        '-c',
        String(load.connections),
        '-z',
        `${load.seconds}s`,
        ...headers,
        '-D',
        bodyFile,
        load.url,
      ],
    })
    return {
      generator: versionOf('oha', '--version'),
      ...parseOha(output),
      events: 0,
      aborted: 0,
      firstByte: [],
      gaps: [],
      busiestThread: usage.busiestThread,
    }
  },
}

interface OhaReport {
  summary: { total: number; slowest: number | null; fastest: number | null }
  latencyPercentiles: Record<string, number | null>
  statusCodeDistribution: Record<string, number>
  errorDistribution: Record<string, number>
}

/** oha's JSON: times in seconds, percentiles as `p50`, `p99.9`. Requests cut at the deadline are not errors. */
export function parseOha(output: string): { seconds: number; requests: number; errors: LoadErrors; latency: Cdf } {
  const report = JSON.parse(output) as OhaReport
  let requests = 0
  let status = 0
  for (const [code, count] of Object.entries(report.statusCodeDistribution)) {
    if (isSuccess(Number(code))) requests += count
    else status += count
  }
  let connect = 0
  let broken = 0
  let timeout = 0
  for (const [text, count] of Object.entries(report.errorDistribution)) {
    if (/deadline/i.test(text)) continue
    if (/timed?.?out/i.test(text)) timeout += count
    else if (/connect/i.test(text)) connect += count
    else broken += count
  }
  const latency: [number, number][] = []
  if (report.summary.fastest !== null) latency.push([0, report.summary.fastest * 1000])
  for (const [name, seconds] of Object.entries(report.latencyPercentiles)) {
    if (seconds !== null) latency.push([Number(name.slice(1)) / 100, seconds * 1000])
  }
  if (report.summary.slowest !== null) latency.push([1, report.summary.slowest * 1000])
  return {
    seconds: report.summary.total,
    requests,
    errors: { connect, broken, timeout, status },
    latency: latency.sort(([a], [b]) => a - b),
  }
}
