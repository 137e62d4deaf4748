import { createRequire, syncBuiltinESMExports } from 'node:module'
import type * as WorkerThreads from 'node:worker_threads'
import { BroadcastChannel, getEnvironmentData, isMainThread, setEnvironmentData, workerData } from 'node:worker_threads'
import type { Command, Fault, Figures, ThreadInfo } from './faults.ts'

/**
 * Loaded into a gateway under test with `node --import`, which every thread of the process inherits: the product needs no
 * hook of its own. The test speaks to main over the child's IPC channel, main to its threads over a BroadcastChannel.
 */
const channelName = 'ferrite-test-faults'
const atStart = 'ferrite-test-at-start'

type Role = ThreadInfo['role']
const roleOf = (data: unknown): Role | null =>
  typeof data !== 'object' || data === null
    ? null
    : 'listen' in data
      ? 'acceptor'
      : 'snapshot' in data
        ? 'worker'
        : null
const rowOf = (data: unknown): number => (data as { thread: number }).thread

const collect = (): void => (globalThis as { gc?: () => void }).gc?.()

function figures(): Figures {
  collect()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo()
  return { heapUsed, external, arrayBuffers, resources: resources.length }
}

function commit(fault: Fault): void {
  switch (fault.kind) {
    case 'throw':
      throw new Error('injected fault')
    case 'loop':
      for (;;);
    case 'block': {
      const until = performance.now() + fault.ms
      while (performance.now() < until);
      return
    }
    case 'out-of-memory': {
      // Small objects: what a leak in JavaScript looks like, and what the limits of a thread catch.
      let chain: unknown = null
      for (;;) chain = [chain]
    }
    case 'buffers':
      kept.push(Buffer.alloc(fault.mb << 20, 1))
      return
    case 'exit':
      process.exit(fault.code)
  }
}
const kept: Buffer[] = []

if (isMainThread) watchMain()
else if (roleOf(workerData) !== null) watchThread(roleOf(workerData)!, rowOf(workerData))

function watchThread(role: Role, row: number): void {
  const planned = getEnvironmentData(atStart) as { role: Role; fault: Fault } | undefined
  if (planned !== undefined && planned.role === role) commit(planned.fault)
  const channel = new BroadcastChannel(channelName)
  channel.onmessage = event => {
    const { data } = event as { data: { row: number; fault?: Fault; id: number; isFull: boolean } }
    if (data.row !== row) return
    // On a turn of its own: a throw from a message handler is not what a bug in the thread's code looks like.
    if (data.fault !== undefined) setImmediate(commit, data.fault)
    // A turn later: what came through another port in this one is dealt with by then.
    else setImmediate(() => channel.postMessage({ answers: data.id, row, figures: data.isFull ? figures() : null }))
  }
  channel.unref()
}

function watchMain(): void {
  const threads = new Map<number, { role: Role; worker: WorkerThreads.Worker }>()
  const builtin = createRequire(import.meta.url)('node:worker_threads') as {
    -readonly [K in keyof typeof WorkerThreads]: (typeof WorkerThreads)[K]
  }
  builtin.Worker = class extends builtin.Worker {
    constructor(file: string | URL, options?: WorkerThreads.WorkerOptions) {
      super(file, options)
      const role = roleOf(options?.workerData)
      if (role === null) return
      const row = rowOf(options?.workerData)
      threads.set(row, { role, worker: this })
      this.on('exit', () => {
        if (threads.get(row)?.worker === this) threads.delete(row)
      })
    }
  }
  syncBuiltinESMExports()

  const channel = new BroadcastChannel(channelName)
  channel.unref()
  const asked = new Map<number, { waiting: Set<number>; found: Record<string, Figures> }>()
  channel.onmessage = event => {
    const { data } = event as { data: { answers: number; row: number; figures: Figures } }
    const question = asked.get(data.answers)
    if (question === undefined) return
    question.waiting.delete(data.row)
    question.found[`${threads.get(data.row)?.role ?? 'gone'}-${data.row}`] = data.figures
    if (question.waiting.size > 0) return
    asked.delete(data.answers)
    answer(data.answers, { ...question.found, main: figures() })
  }
  const answer = (id: number, result: unknown): void => {
    process.send?.({ id, result })
  }

  process.on('message', (message: { id: number; command: Command }) => {
    const { id, command } = message
    switch (command.kind) {
      case 'threads':
        return answer(
          id,
          [...threads].map(([row, { role }]) => ({ row, role })),
        )
      case 'fault':
        channel.postMessage({ row: command.row, fault: command.fault, id })
        return answer(id, null)
      case 'fault-in-main':
        answer(id, null)
        setImmediate(commit, command.fault)
        return
      case 'terminate':
        void threads.get(command.row)?.worker.terminate()
        return answer(id, null)
      case 'at-start':
        setEnvironmentData(atStart, command.fault === null ? undefined : { role: command.role, fault: command.fault })
        return answer(id, null)
      case 'settle':
      case 'figures':
        asked.set(id, { waiting: new Set(threads.keys()), found: {} })
        for (const row of threads.keys()) channel.postMessage({ row, id, isFull: command.kind === 'figures' })
        return
    }
  })
  // A test that was killed can't clean up.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  // The test's line to this process keeps nothing alive.
  process.channel?.unref()
}
