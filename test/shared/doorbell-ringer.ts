import { parentPort, workerData } from 'node:worker_threads'
import { ringBell } from '../../src/shared/doorbell.ts'

/** Publishes a number, rings, and waits until the listener has seen it. */
export interface RingerData {
  readonly roster: SharedArrayBuffer
  readonly counts: SharedArrayBuffer
  /** Published here; seen by the listener in the word after it. */
  readonly at: number
  readonly thread: number
  readonly listener: number
  readonly rounds: number
}

const { roster, counts, at, thread, listener, rounds } = workerData as RingerData
const words = new Int32Array(roster)
const numbers = new Int32Array(counts)

function run(): string {
  for (let round = 1; round <= rounds; round++) {
    Atomics.store(numbers, at, round)
    ringBell(words, listener, thread)
    while (Atomics.load(numbers, at + 1) !== round) {
      const seen = Atomics.load(numbers, at + 1)
      if (seen !== round && Atomics.wait(numbers, at + 1, seen, 20_000) === 'timed-out')
        return `not heard in round ${round}`
    }
  }
  return 'heard every time'
}
parentPort!.postMessage(run())
