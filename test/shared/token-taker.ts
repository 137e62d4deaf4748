import { parentPort, workerData } from 'node:worker_threads'
import { tokenBuckets } from '../../src/shared/token-buckets.ts'

/** Takes from one bucket as often as it can, all at one instant. */
export interface TakerData {
  readonly memory: SharedArrayBuffer
  readonly control: SharedArrayBuffer
  readonly rate: number
  readonly burst: number
  readonly key: string
  readonly tries: number
  readonly nowMs: number
}

const { memory, control, rate, burst, key, tries, nowMs } = workerData as TakerData
const buckets = tokenBuckets(memory, rate, burst)
const go = new Int32Array(control)
parentPort!.postMessage('ready')
Atomics.wait(go, 0, 0, 20_000)
let taken = 0
for (let i = 0; i < tries; i++) if (buckets.take(key, nowMs) === 0) taken++
parentPort!.postMessage(taken)
