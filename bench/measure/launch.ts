import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { availableParallelism } from 'node:os'

export interface Launch {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Cores to run on, as taskset takes them; undefined: any. */
  readonly cores?: string
  /** A channel to the child, on which it also learns that we are gone. */
  readonly ipc?: boolean
}

export interface Running {
  readonly process: ChildProcess
  readonly pid: number
  /** The first line of standard output. */
  readonly firstLine: Promise<string>
  /** The last of what it wrote to standard error. */
  errors(): string
  stop(): Promise<void>
}

const living = new Set<ChildProcess>()
const STOP_GRACE_MS = 20_000

let pinning: boolean | null = null

/** `taskset` exists, and there is more than one core to choose from. */
export function canPin(): boolean {
  pinning ??= availableParallelism() > 1 && spawnSync('taskset', ['-p', String(process.pid)]).status === 0
  return pinning
}

export function launch(options: Launch): Running {
  const words = options.cores !== undefined && canPin() ? ['taskset', '-c', options.cores] : []
  const [file, ...args] = [...words, ...options.command]
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    // A group of its own, so that what it starts ends with it.
    detached: true,
    stdio: options.ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  })
  living.add(child)
  let errors = ''
  let output = ''
  child.stderr?.on('data', chunk => {
    errors = (errors + chunk).slice(-4000)
  })
  const closed = new Promise<void>(resolve => {
    child.once('close', () => {
      living.delete(child)
      resolve()
    })
  })
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      if (output.includes('\n')) return
      output += chunk
      if (output.includes('\n')) resolve(output.slice(0, output.indexOf('\n')))
    })
    child.once('error', reject)
    child.once('close', code => reject(new Error(`${file} ended with ${code} before it said anything\n${errors}`)))
  })
  // Not everyone waits for the first line.
  firstLine.catch(() => {})
  return {
    process: child,
    pid: child.pid ?? 0,
    firstLine,
    errors: () => errors,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const forced = setTimeout(() => killGroup(child), STOP_GRACE_MS)
      await closed
      clearTimeout(forced)
    },
  }
}

/** For the runner's own exit, however it comes about. */
export function killAll(): void {
  for (const child of living) killGroup(child)
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    // It ended a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Asks until the answer is 200; milliseconds that took. Rejects when the process ends first or the time is up. */
export async function untilAnswered(
  running: Running | null,
  ask: { url: string; headers: Readonly<Record<string, string>>; body: string },
  timeoutMs: number,
): Promise<number> {
  const startedAt = performance.now()
  let last = 'no answer'
  while (performance.now() - startedAt < timeoutMs) {
    if (running !== null && running.process.exitCode !== null) {
      throw new Error(`it ended with ${running.process.exitCode}:\n${running.errors()}`)
    }
    const result = await post(ask.url, ask.headers, ask.body)
    if (result.status === 200) return performance.now() - startedAt
    last = result.status === 0 ? result.text : `status ${result.status}: ${result.text.slice(0, 300)}`
    await new Promise(resolve => setTimeout(resolve, 4))
  }
  throw new Error(`no 200 from ${ask.url} within ${timeoutMs} ms (last: ${last})\n${running?.errors() ?? ''}`)
}

export function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<{ status: number; text: string }> {
  return new Promise(resolve => {
    const outgoing = request(
      url,
      {
        method: 'POST',
        agent: false,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        timeout: 5000,
      },
      incoming => {
        const parts: Buffer[] = []
        incoming.on('data', part => parts.push(part))
        incoming.on('error', error => resolve({ status: 0, text: error.message }))
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
        )
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')))
    outgoing.on('error', error => resolve({ status: 0, text: error.message }))
    outgoing.end(body)
  })
}
