import { spawn, spawnSync } from 'node:child_process'

/** Instructions from the `-x,` output of `perf stat`; null when it could not count. */
export function parsePerf(csv: string): number | null {
  for (const line of csv.split('\n')) {
    const [value, , event] = line.split(',')
    if (event?.startsWith('instructions')) return /^\d+$/.test(value) ? Number(value) : null
  }
  return null
}

let usable: boolean | null = null

/** Whether `perf` is there and may count instructions: virtual machines often hide the counters. */
export function perfCounts(): boolean {
  if (usable === null) {
    const probe = spawnSync('perf', ['stat', '-x,', '-e', 'instructions', 'true'], { encoding: 'utf8' })
    usable = probe.status === 0 && parsePerf(probe.stderr) !== null
  }
  return usable
}

/** Counts the instructions of these processes and what they start, until `stop`. */
export function countInstructions(pids: readonly number[]): { stop(): Promise<number | null> } {
  if (!perfCounts()) return { stop: async () => null }
  const perf = spawn('perf', ['stat', '-x,', '-e', 'instructions', '-p', pids.join(',')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  perf.stderr.on('data', chunk => {
    output += chunk
  })
  // It ends by itself when the processes do.
  const counted = new Promise<number | null>((resolve, reject) => {
    perf.once('error', reject)
    perf.once('close', () => resolve(parsePerf(output)))
  })
  counted.catch(() => {}) // told by `stop`
  return {
    stop: () => {
      perf.kill('SIGINT')
      return counted
    },
  }
}
