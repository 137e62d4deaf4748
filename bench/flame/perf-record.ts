import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { onPath } from '../measure/machine.ts'

/** What Node must be told so that perf can name what V8 compiles; each process writes a dump into its working folder. */
export const namesForPerf: readonly string[] = ['--perf-prof', '--interpreted-frames-native-stack']

const samplesPerSecond = 999
const howTo =
  'it takes Linux, the package linux-perf (linux-tools), and root or kernel.perf_event_paranoid at 1 or less'

/** Why perf can't record on this machine; null when it can. */
export function perfProblem(directory: string): string | null {
  if (!onPath('perf')) return `perf is not on the PATH: ${howTo}`
  const probe = spawnSync('perf', ['record', '-e', 'cpu-clock', '-o', join(directory, 'probe.data'), 'true'], {
    encoding: 'utf8',
  })
  if (probe.status === 0) return null
  return `perf may not record here: ${howTo}\n${probe.stderr.trim().split('\n').slice(0, 3).join('\n')}`
}

/** Samples the stacks of these processes, and of all threads they have or start, until `stop`. */
export function recordStacks(pids: readonly number[], directory: string): { stop(): Promise<void> } {
  const perf = spawn(
    'perf',
    // The clock of V8's dump is the monotonic one.
    // biome-ignore format: one option, one value
    ['record', '-g', '-k', 'mono', '-e', 'cpu-clock', '-F', String(samplesPerSecond), '-o', join(directory, 'perf.data'), '-p', pids.join(',')],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let output = ''
  perf.stderr.on('data', chunk => {
    output += chunk
  })
  const closed = new Promise<void>((resolve, reject) => {
    perf.once('error', reject)
    // Stopped by SIGINT it ends with that signal, or 0.
    perf.once('close', (code, signal) =>
      code === 0 || signal === 'SIGINT' || code === 130
        ? resolve()
        : reject(new Error(`perf record failed:\n${output.trim()}`)),
    )
  })
  closed.catch(() => {}) // told by `stop`
  return {
    stop: () => {
      perf.kill('SIGINT')
      return closed
    },
  }
}

/** The recording as text, once the processes have ended: only then is V8's dump complete. */
export function readStacks(directory: string): string {
  const named = join(directory, 'named.data')
  run(['inject', '--jit', '-i', join(directory, 'perf.data'), '-o', named], directory)
  return run(['script', '-i', named, '-F', 'comm,tid,period,ip,sym,dso'], directory)
}

function run(words: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync('perf', words, { cwd, encoding: 'utf8', maxBuffer: 1 << 30 })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`perf ${words[0]} failed:\n${stderr.trim()}`)
  return stdout
}
