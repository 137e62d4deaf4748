import { roster, ThreadState, type ThreadStateName } from './layout.ts'

/** Main's view of the roster: it writes states, threads write the rest of their row. */
export interface ThreadView {
  readonly state: ThreadStateName
  readonly heapMb: number
  readonly externalMb: number
  readonly inFlight: number
  readonly lagMs: number
}

const names = Object.keys(ThreadState) as ThreadStateName[]

export class Roster {
  readonly words: Int32Array

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer)
  }

  setState(thread: number, state: ThreadStateName): void {
    Atomics.store(this.words, roster.state(thread), ThreadState[state])
  }

  /** A row for another thread: nothing of the last one stays. */
  clear(thread: number): void {
    const from = roster.state(thread)
    const to = roster.state(thread + 1)
    for (let i = from; i < to; i++) Atomics.store(this.words, i, 0)
  }

  view(thread: number): ThreadView {
    const { words } = this
    return {
      state: names[Atomics.load(words, roster.state(thread))] ?? 'dead',
      heapMb: Atomics.load(words, roster.heapMb(thread)),
      externalMb: Atomics.load(words, roster.externalMb(thread)),
      inFlight: Atomics.load(words, roster.inFlight(thread)),
      lagMs: Atomics.load(words, roster.lagMs(thread)),
    }
  }
}
