import { workerData } from 'node:worker_threads'
import { frameHeader, type RingLayout } from '../../src/shared/layout.ts'
import { RingWriter } from '../../src/shared/ring.ts'
import { random } from '../core/random.ts'

/** Writes numbered frames of random length as fast as the ring takes them. */
export interface ProducerData {
  readonly buffer: SharedArrayBuffer
  readonly layout: RingLayout
  readonly seed: number
  readonly frames: number
}

const { buffer, layout, seed, frames } = workerData as ProducerData
const writer = new RingWriter(buffer, layout)
const words = new Int32Array(buffer)
const lengths = random(seed)
const dice = random(seed ^ 0x77)

for (let id = 0; id < frames; id++) {
  const length = lengths.below(lengths.chance(0.9) ? 300 : layout.size / 4 - frameHeader)
  let at = writer.reserve(id, 1, 0, 0, 0, length)
  while (at < 0) {
    writer.publish()
    // The reader clears the word when there is room; a wait that ends early only looks again.
    if (writer.wantSpace()) Atomics.wait(words, layout.wantsSpace, 1, 20)
    at = writer.reserve(id, 1, 0, 0, 0, length)
  }
  for (let i = 0; i < length; i++) writer.bytes[at + i] = (id + i) & 0xff
  writer.commit()
  if (dice.chance(0.3)) writer.publish()
}
writer.publish()
