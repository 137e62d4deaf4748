import { Worker } from 'node:worker_threads'
import type { SnapshotData } from '../core/snapshot.ts'
import type { AcceptorLimits } from '../link/acceptor-side.ts'
import { beatEveryMs, PulseWatch } from '../shared/heartbeat.ts'
import { maxThreads, pairLayout, pairSizes, type ThreadStateName } from '../shared/layout.ts'
import { createRecordRing, RecordReader } from '../shared/record-ring.ts'
import { Roster } from '../shared/roster.ts'
import type { Log, LogEntry, LogLevel } from '../telemetry/worker-log.ts'
import { fatal } from './fatal.ts'
import type {
  AcceptorData,
  FromThread,
  PairMessage,
  PipelineData,
  SharedMemory,
  ToAcceptor,
  ToWorker,
  WorkerData,
} from './messages.ts'

/**
 * Starts the threads, watches their hearts, and replaces what dies, hangs or leaks. One file because it is one table of
 * threads and the rules for moving between its states:
 *
 *   starting → live ⇄ suspect → (replaced) → draining → dead → (row free again)
 *
 * A worker may go at any moment. An acceptor is never terminated (its open sockets would take the process along): it
 * closes by itself, and one that can't any more ends the process on purpose.
 */

/** Without a beat for this long a worker gets no new requests, and a spare one starts. */
const suspectAfterMs = 400
/**
 * A spare one's start takes the very CPU that a starved machine lacks, and can make the next worker fall silent. So after a
 * silence that passed by itself the next spare has to wait, each time for longer; a long calm forgets that.
 */
const spareBackoffMs = { first: 2_000, longest: 60_000, forgottenAfter: 300_000 }
const startTimeoutMs = 20_000
/** So many deaths in so long are a crash loop. */
const crashes = 5
const crashWindowMs = 60_000
const longestBackoffMs = 30_000
/** An acceptor that was told to close has this long. */
const closeTimeoutMs = 1_500
const readRecordsEveryMs = 100
const noRowRetryMs = 1_000
/**
 * What is in flight has to fit, or each scavenge copies it and it ends in the old generation: at 1,000 requests in
 * flight 8 MB cost workers a tenth of their CPU. Larger still buys little and is resident (docs/decisions/0008).
 */
const youngGenerationMb = { worker: 24, acceptor: 8, acceptorWithPipeline: 32 }

export interface SupervisorOptions {
  readonly acceptors: number
  readonly workers: number
  readonly workerMemoryMb: number
  readonly stuckAfterMs: number
  readonly ringBudgetMb: number
  /** The threads' bundles. */
  readonly entries: { readonly acceptor: URL; readonly worker: URL }
  readonly memory: SharedMemory
  readonly engine: AcceptorData['engine']
  readonly listen: AcceptorData['listen']
  readonly logLevel: LogLevel
  readonly userAgent: string
  readonly log: Log & { entry(entry: LogEntry): void }
  /** Main's own end of the control pairs. */
  readonly control: { addAcceptor(thread: number, message: PairMessage): void; removeAcceptor(thread: number): void }
  readonly onRecord: (source: Buffer, offset: number, length: number) => void
  readonly onThreadGone: (thread: number) => void
}

interface Thread {
  readonly row: number
  readonly role: 'acceptor' | 'worker'
  readonly name: string
  readonly worker: Worker
  readonly records: RecordReader
  readonly startedAt: number
  readonly pulse: PulseWatch
  state: ThreadStateName
  /** Its successor was started already. */
  replaced: boolean
  /** Who came in its place, when it is a worker. */
  successor: Thread | null
  terminated: boolean
  /** Acceptors that still hold rings of this dead worker. */
  readonly heldBy: Set<number>
  closed: boolean
  drained: boolean
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #roster: Roster
  readonly #threads = new Map<number, Thread>()
  readonly #deaths: number[] = []
  #snapshot: SnapshotData
  #limits: AcceptorLimits
  #listening = false
  /** The first acceptors listen: from here on a failure is survived, not fatal. */
  #started = false
  #port = 0
  #stopping = false
  #timer: NodeJS.Timeout | null = null
  #recordsTimer: NodeJS.Timeout | null = null
  #ids = 0
  restarts = 0

  constructor(options: SupervisorOptions, snapshot: SnapshotData, limits: AcceptorLimits) {
    this.#options = options
    this.#snapshot = snapshot
    this.#limits = limits
    this.#roster = new Roster(options.memory.roster)
  }

  /** Resolves when requests are answered. Rejects when the port can't be had or no thread starts. */
  async start(): Promise<number> {
    this.#roster.setState(0, 'live')
    const acceptors = Array.from({ length: this.#options.acceptors }, () => this.#spawnAcceptor())
    const workers = Array.from({ length: this.#options.workers }, () => this.#spawnWorker())
    this.#timer = setInterval(() => this.#look(), beatEveryMs)
    this.#recordsTimer = setInterval(() => this.#readRecords(), readRecordsEveryMs)
    await Promise.all(
      [...acceptors, ...workers].map(thread => this.#becomes(thread, thread.role === 'acceptor' ? 'starting' : 'live')),
    )
    for (const thread of acceptors) this.#toAcceptor(thread, { kind: 'listen' })
    this.#listening = true
    await Promise.all(acceptors.map(thread => this.#becomes(thread, 'live')))
    this.#started = true
    return this.#port
  }

  reload(snapshot: SnapshotData, limits: AcceptorLimits): void {
    this.#snapshot = snapshot
    this.#limits = limits
    for (const thread of this.#threads.values()) {
      if (thread.role === 'worker') this.#toWorker(thread, { kind: 'snapshot', snapshot })
      else {
        this.#toAcceptor(thread, { kind: 'snapshot', snapshot })
        this.#toAcceptor(thread, { kind: 'limits', limits })
      }
    }
  }

  /**
   * Replaces the acceptors one after the other (new TLS files). The successor listens first where the port can be
   * shared; elsewhere connections are refused for as long as a thread takes to start.
   */
  rollAcceptors(): Promise<void> {
    // A certificate and its key change one after the other: two rolls at once would leave two successors each.
    if (this.#rolling !== null) this.#rollsAgain = true
    else
      this.#rolling = this.#roll().finally(() => {
        this.#rolling = null
      })
    return this.#rolling
  }

  #rolling: Promise<void> | null = null
  #rollsAgain = false

  async #roll(): Promise<void> {
    for (;;) {
      this.#rollsAgain = false
      try {
        await this.#rollOnce()
      } catch (error) {
        if (!this.#rollsAgain) throw error
      }
      if (!this.#rollsAgain) return
    }
  }

  async #rollOnce(): Promise<void> {
    for (const thread of this.#of('acceptor')) {
      if (thread.state !== 'live' || this.#stopping) continue
      thread.replaced = true
      const retire = (): void => {
        this.#setState(thread, 'draining')
        this.#toAcceptor(thread, { kind: 'drain' })
      }
      if (!this.#options.listen.sharedPort) retire()
      try {
        await this.#becomes(this.#spawnAcceptor(), 'live')
      } catch (error) {
        thread.replaced = false
        throw error
      }
      if (this.#options.listen.sharedPort) retire()
      await this.#until(() => thread.drained || thread.closed, 15_000)
      this.#toAcceptor(thread, { kind: 'close' })
      await this.#until(() => !this.#threads.has(thread.row), closeTimeoutMs)
    }
  }

  /** Acceptors take no new connection; resolves when every accepted request is answered, or after the grace. */
  async drain(graceMs: number): Promise<void> {
    this.#stopping = true
    for (const thread of this.#of('acceptor')) this.#toAcceptor(thread, { kind: 'drain' })
    // One that was idle may have been asked again while it waited for another: what counts is that all are idle now.
    const isIdle = (thread: Thread): boolean =>
      thread.closed || (thread.drained && this.#roster.view(thread.row).inFlight === 0)
    await this.#until(() => this.#of('acceptor').every(isIdle), graceMs)
  }

  /** Every acceptor closes, then the workers end. False: an acceptor did not; only `fatal` is left. */
  async close(): Promise<boolean> {
    this.#stopping = true
    for (const thread of this.#of('acceptor')) this.#toAcceptor(thread, { kind: 'close' })
    await this.#until(() => this.#of('acceptor').every(thread => thread.closed), closeTimeoutMs)
    const closed = this.#of('acceptor').every(thread => thread.closed)
    for (const thread of this.#of('worker')) this.#toWorker(thread, { kind: 'stop', graceMs: 200 })
    await this.#until(() => this.#of('worker').length === 0, 500)
    this.#readRecords()
    for (const thread of this.#of('worker')) void thread.worker.terminate()
    if (this.#timer !== null) clearInterval(this.#timer)
    if (this.#recordsTimer !== null) clearInterval(this.#recordsTimer)
    return closed
  }

  /** Crash loop, or no worker to serve with. */
  get isCrashLooping(): boolean {
    const since = performance.now() - crashWindowMs
    while (this.#deaths.length > 0 && this.#deaths[0]! < since) this.#deaths.shift()
    return this.#deaths.length >= crashes
  }

  workersByState(): Record<string, number> {
    const counts: Record<string, number> = { starting: 0, live: 0, suspect: 0, draining: 0, dead: 0 }
    for (const thread of this.#of('worker')) counts[thread.state] = (counts[thread.state] ?? 0) + 1
    return counts
  }

  threads(): {
    name: string
    thread: number
    state: ThreadStateName
    heapMb: number
    externalMb: number
    inFlight: number
    lagMs: number
  }[] {
    return [...this.#threads.values()].map(({ name, row }) => ({ name, thread: row, ...this.#roster.view(row) }))
  }

  // Starting.

  #of(role: Thread['role']): Thread[] {
    return [...this.#threads.values()].filter(thread => thread.role === role)
  }

  /** -1 when every row is taken, by threads that serve or that take long to end. */
  #freeRow(): number {
    const rows = Math.min(maxThreads, this.#options.memory.metrics.threads)
    for (let row = 1; row < rows; row++) if (!this.#threads.has(row)) return row
    return -1
  }

  #pipelineData(): PipelineData {
    const { userAgent, workerMemoryMb } = this.#options
    return { snapshot: this.#snapshot, userAgent, heldBytesBudget: (workerMemoryMb / 2) * 1024 * 1024 }
  }

  #spawnWorker(): Thread {
    const { options, row, records, common } = this.#prepare()
    const data: WorkerData = { ...common, ...this.#pipelineData() }
    const worker = new Worker(options.entries.worker, {
      workerData: data,
      name: 'worker',
      resourceLimits: {
        maxOldGenerationSizeMb: Math.ceil(options.workerMemoryMb * 1.5),
        maxYoungGenerationSizeMb: youngGenerationMb.worker,
      },
    })
    return this.#enter(row, 'worker', worker, records)
  }

  #spawnAcceptor(): Thread {
    const { options, row, records, common } = this.#prepare()
    const pipeline = options.workers === 0 ? this.#pipelineData() : null
    const data: AcceptorData = {
      ...common,
      engine: options.engine,
      listen: { ...options.listen, port: this.#port || options.listen.port },
      limits: this.#limits,
      pipeline,
    }
    const worker = new Worker(options.entries.acceptor, {
      workerData: data,
      name: 'acceptor',
      resourceLimits: {
        maxYoungGenerationSizeMb:
          pipeline === null ? youngGenerationMb.acceptor : youngGenerationMb.acceptorWithPipeline,
      },
    })
    return this.#enter(row, 'acceptor', worker, records)
  }

  #prepare() {
    const options = this.#options
    const row = this.#freeRow()
    this.#roster.clear(row)
    this.#roster.setState(row, 'starting')
    const records = createRecordRing()
    const common = {
      thread: row,
      memory: options.memory,
      logLevel: options.logLevel,
      records,
      stuckAfterMs: options.stuckAfterMs,
    }
    return { options, row, records, common }
  }

  #enter(row: number, role: Thread['role'], worker: Worker, records: SharedArrayBuffer): Thread {
    const thread: Thread = {
      row,
      role,
      name: `${role}-${this.#ids++}`,
      worker,
      records: new RecordReader(records),
      startedAt: performance.now(),
      pulse: new PulseWatch(this.#roster.words, row),
      state: 'starting',
      replaced: false,
      successor: null,
      terminated: false,
      heldBy: new Set(),
      closed: false,
      drained: false,
    }
    this.#threads.set(row, thread)
    worker.on('message', (message: FromThread) => this.#hear(thread, message))
    worker.on('error', error =>
      this.#options.log.error(`${role} failed`, { thread: thread.name, error: String(error) }),
    )
    worker.on('exit', code => this.#exited(thread, code))
    return thread
  }

  #hear(thread: Thread, message: FromThread): void {
    switch (message.kind) {
      case 'ready':
        // Said before it was terminated, heard after.
        if (thread.state === 'dead') break
        this.#connect(thread)
        if (thread.role === 'worker') this.#setState(thread, 'live')
        else if (this.#listening) this.#toAcceptor(thread, { kind: 'listen' })
        else thread.drained = false
        this.#readyRows.add(thread.row)
        this.#wake()
        break
      case 'listening':
        this.#port = message.port
        this.#setState(thread, 'live')
        break
      case 'listen-failed':
        if (!this.#started) this.#failure ??= new Error(message.message)
        else this.#options.log.error('an acceptor cannot listen', { thread: thread.name, error: message.message })
        this.#toAcceptor(thread, { kind: 'close' })
        this.#wake()
        break
      case 'log':
        this.#options.log.entry(message.entry)
        break
      case 'released':
        this.#threads.get(message.thread)?.heldBy.delete(thread.row)
        this.#sweepDead()
        break
      case 'drained':
        thread.drained = true
        this.#wake()
        break
      case 'fault':
        this.#options.log.error('acceptor fault', { thread: thread.name, error: message.message })
        this.#setState(thread, 'draining')
        this.#died(thread)
        break
      case 'closed':
        thread.closed = true
        this.#wake()
        break
    }
  }

  /** Rings between the new thread and everyone at the other side. */
  #connect(thread: Thread): void {
    if (thread.role === 'worker') {
      for (const acceptor of this.#of('acceptor')) if (this.#readyRows.has(acceptor.row)) this.#pair(acceptor, thread)
      return
    }
    for (const worker of this.#of('worker'))
      if (this.#readyRows.has(worker.row) && worker.state !== 'dead') this.#pair(thread, worker)
    const pair = this.#newPair()
    this.#options.control.addAcceptor(thread.row, { kind: 'pair', peer: thread.row, role: 'control', ...pair })
    this.#toAcceptor(thread, { kind: 'pair', peer: 0, role: 'control', ...pair })
    if (this.#options.workers === 0)
      this.#toAcceptor(thread, { kind: 'pair', peer: thread.row, role: 'worker', ...this.#newPair() })
  }

  readonly #readyRows = new Set<number>()

  #pair(acceptor: Thread, worker: Thread): void {
    const pair = this.#newPair()
    // The worker first: it must know the rings before anything comes through them.
    this.#toWorker(worker, { kind: 'pair', peer: acceptor.row, role: 'worker', ...pair })
    this.#toAcceptor(acceptor, { kind: 'pair', peer: worker.row, role: 'worker', ...pair })
  }

  #newPair() {
    const { acceptors, workers, ringBudgetMb } = this.#options
    const { ringBytes, slots } = pairSizes(acceptors, workers + 1, ringBudgetMb << 20)
    const layout = pairLayout(ringBytes, slots)
    return { buffer: new SharedArrayBuffer(layout.bytes), layout }
  }

  // Watching.

  #lastLook = performance.now()

  #look(): void {
    const now = performance.now()
    const late = now - this.#lastLook > 3 * beatEveryMs
    this.#lastLook = now
    if (this.#stopping) this.#wake()
    for (const thread of this.#threads.values()) {
      if (thread.state === 'dead') continue
      const silentMs = thread.pulse.look()
      if (late) continue
      if (thread.role === 'acceptor') this.#lookAtAcceptor(thread, silentMs)
      else this.#lookAtWorker(thread, silentMs, now)
    }
  }

  #lookAtAcceptor(thread: Thread, silentMs: number): void {
    if (!thread.closed && this.#readyRows.has(thread.row) && silentMs > this.#options.stuckAfterMs)
      fatal(`${thread.name} does not respond`)
  }

  #lookAtWorker(thread: Thread, silentMs: number, now: number): void {
    if (thread.state === 'starting') {
      if (now - thread.startedAt > startTimeoutMs) this.#terminate(thread, 'did not start in time')
      return
    }
    if (silentMs > this.#options.stuckAfterMs) return this.#terminate(thread, 'does not respond')
    if (silentMs > suspectAfterMs && thread.state === 'live' && this.#maySpare(now)) {
      this.#setState(thread, 'suspect')
      this.#options.log.warn('a worker is silent; a spare one starts', {
        thread: thread.name,
        silent_ms: Math.round(silentMs),
      })
      this.#replace(thread)
    } else if (silentMs === 0 && thread.state === 'suspect') this.#recover(thread, now)
    const { heapMb, externalMb } = this.#roster.view(thread.row)
    if (thread.state === 'live' && heapMb + externalMb > this.#options.workerMemoryMb) {
      this.#options.log.warn('a worker uses too much memory and is replaced', {
        thread: thread.name,
        heap_mb: heapMb,
        external_mb: externalMb,
      })
      this.#replace(thread)
      this.#retire(thread)
    }
  }

  #spareWaitMs = 0
  #nextSpareAt = 0
  #lastRecovery = 0

  /** One at a time; meanwhile a silent worker keeps what it has and gets what the others can't take. */
  #maySpare(now: number): boolean {
    return now >= this.#nextSpareAt && !this.#of('worker').some(({ state }) => state === 'starting')
  }

  /** It was only busy, and is warm: whoever came to replace it may go. */
  #recover(thread: Thread, now: number): void {
    if (now - this.#lastRecovery > spareBackoffMs.forgottenAfter) this.#spareWaitMs = 0
    this.#lastRecovery = now
    this.#spareWaitMs = Math.min(spareBackoffMs.longest, Math.max(spareBackoffMs.first, this.#spareWaitMs * 2))
    this.#nextSpareAt = now + this.#spareWaitMs
    let spare = thread.successor
    while (spare?.successor) spare = spare.successor
    this.#setState(thread, 'live')
    thread.successor = null
    thread.replaced = false
    if (spare === null) return
    spare.replaced = true
    if (spare.state === 'starting') this.#terminate(spare, 'is not needed any more', 'debug')
    else if (spare.state !== 'dead') this.#retire(spare)
  }

  /** No new exchanges; it ends when those it has are done. */
  #retire(thread: Thread): void {
    this.#setState(thread, 'draining')
    this.#toWorker(thread, { kind: 'stop', graceMs: 10 * 60_000 })
  }

  #replace(thread: Thread): void {
    if (thread.replaced || this.#stopping) return
    // A successor that failed needs none when the one it was to follow serves on.
    if (thread.role === 'acceptor' && this.#standing(thread) >= this.#options.acceptors) return
    if (this.#freeRow() < 0) {
      this.#options.log.error('a thread is not replaced yet: too many others have not ended', { thread: thread.name })
      setTimeout(() => this.#replace(thread), noRowRetryMs).unref()
      return
    }
    thread.replaced = true
    this.restarts++
    if (thread.role === 'acceptor') this.#spawnAcceptor()
    else thread.successor = this.#spawnWorker()
  }

  /** Acceptors besides this one that serve, or will, and have no successor. */
  #standing(thread: Thread): number {
    return this.#of('acceptor').filter(
      other =>
        other !== thread && !other.closed && !other.replaced && (other.state === 'live' || other.state === 'starting'),
    ).length
  }

  #terminate(thread: Thread, reason: string, level: 'error' | 'debug' = 'error'): void {
    if (thread.terminated) return
    thread.terminated = true
    this.#options.log[level](`a worker ${reason} and is terminated`, { thread: thread.name })
    // It may never resolve; nothing waits for it.
    void thread.worker.terminate()
    this.#lost(thread)
    if (!thread.replaced) this.#died(thread)
  }

  #exited(thread: Thread, code: number): void {
    if (thread.role === 'acceptor' && !thread.closed) {
      // Its sockets went with it, in a way that is not ours.
      if (!this.#stopping) this.#options.log.error('an acceptor ended unexpectedly', { thread: thread.name, code })
    }
    thread.closed = true
    const expected = thread.terminated || thread.state === 'draining' || this.#stopping
    if (!expected) this.#options.log.error(`a ${thread.role} died`, { thread: thread.name, code })
    this.#lost(thread)
    // Once more: one that was given up may have counted until it really ended.
    this.#options.onThreadGone(thread.row)
    if (!expected) this.#died(thread)
    this.#sweepDead()
    this.#wake()
  }

  /** A death that was not planned: start another, more slowly each time when they keep dying. */
  #died(thread: Thread): void {
    if (this.#stopping) return
    this.#deaths.push(performance.now())
    if (!this.isCrashLooping) return this.#replace(thread)
    const backoffMs = Math.min(longestBackoffMs, 250 * 2 ** (this.#deaths.length - crashes))
    this.#options.log.error('crash loop: threads keep dying', {
      deaths: this.#deaths.length,
      next_start_in_ms: backoffMs,
    })
    setTimeout(() => this.#replace(thread), backoffMs).unref()
  }

  /** What the others have to know of a thread that is gone. */
  #lost(thread: Thread): void {
    if (thread.state === 'dead') return
    this.#setState(thread, 'dead')
    this.#readyRows.delete(thread.row)
    thread.records.drain(this.#options.onRecord)
    this.#options.onThreadGone(thread.row)
    if (thread.role === 'worker') {
      for (const acceptor of this.#of('acceptor')) {
        if (acceptor.closed || !this.#readyRows.has(acceptor.row)) continue
        thread.heldBy.add(acceptor.row)
        this.#toAcceptor(acceptor, { kind: 'worker-gone', thread: thread.row })
      }
    } else {
      this.#options.control.removeAcceptor(thread.row)
      for (const other of this.#threads.values()) {
        other.heldBy.delete(thread.row)
        if (other.role === 'worker' && other.state !== 'dead')
          this.#toWorker(other, { kind: 'acceptor-gone', thread: thread.row })
      }
    }
    this.#sweepDead()
  }

  /** A row is used again only when nobody holds rings of its last thread, and that thread has really ended. */
  #sweepDead(): void {
    this.#wake()
    for (const thread of this.#threads.values()) {
      if (thread.state === 'dead' && thread.closed && thread.heldBy.size === 0) this.#threads.delete(thread.row)
    }
  }

  #readRecords(): void {
    for (const thread of this.#threads.values()) thread.records.drain(this.#options.onRecord)
  }

  // Waiting.

  #failure: Error | null = null
  readonly #waiters = new Set<() => void>()

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter()
  }

  #setState(thread: Thread, state: ThreadStateName): void {
    thread.state = state
    this.#roster.setState(thread.row, state)
    this.#wake()
  }

  /** `starting` means: its code runs. */
  async #becomes(thread: Thread, state: 'starting' | 'live'): Promise<void> {
    const reached = (): boolean => (state === 'starting' ? this.#readyRows.has(thread.row) : thread.state === 'live')
    await this.#until(
      () => reached() || this.#failure !== null || this.#isCrashLoopingAtStart() || (this.#started && thread.closed),
      startTimeoutMs,
    )
    if (this.#failure !== null) throw this.#failure
    if (!reached()) throw new Error(`${thread.name} did not start`)
  }

  #isCrashLoopingAtStart(): boolean {
    return !this.#listening && this.isCrashLooping
  }

  #until(done: () => boolean, timeoutMs: number): Promise<void> {
    if (done()) return Promise.resolve()
    return new Promise(resolve => {
      const finish = (): void => {
        this.#waiters.delete(check)
        clearTimeout(timer)
        resolve()
      }
      const check = (): void => {
        if (done()) finish()
      }
      const timer = setTimeout(finish, timeoutMs)
      this.#waiters.add(check)
    })
  }

  #toWorker(thread: Thread, message: ToWorker): void {
    thread.worker.postMessage(message)
  }

  #toAcceptor(thread: Thread, message: ToAcceptor): void {
    thread.worker.postMessage(message)
  }
}
