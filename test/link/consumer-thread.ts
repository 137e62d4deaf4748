import { parentPort, workerData } from 'node:worker_threads'
import { ConsumerLink } from '../../src/link/consumer-side.ts'
import { Doorbell } from '../../src/shared/doorbell.ts'
import type { PairLayout } from '../../src/shared/layout.ts'
import { FakePipeline } from './fake-pipeline.ts'

/** A worker with a fake pipeline. */
export interface ConsumerData {
  readonly thread: number
  readonly roster: SharedArrayBuffer
  readonly acceptor: number
  readonly pair: { readonly buffer: SharedArrayBuffer; readonly layout: PairLayout }
}

export interface ConsumerFigures {
  readonly accepted: number
  readonly announced: number
  readonly open: number
  readonly inFlight: number
  readonly unknownFrames: number
  readonly problems: readonly string[]
}

const { thread, roster, acceptor, pair } = workerData as ConsumerData
const pipeline = new FakePipeline()
const words = new Int32Array(roster)
const link = new ConsumerLink(thread, words, pipeline.accept)
link.addAcceptor(acceptor, pair.buffer, pair.layout)
const bell = new Doorbell(words, thread, from => link.serve(from))
bell.open()
parentPort!.on('message', () => {
  const { accepted, announced, open, problems } = pipeline
  const { inFlight, unknownFrames } = link
  parentPort!.postMessage({ accepted, announced, open, inFlight, unknownFrames, problems } satisfies ConsumerFigures)
})
parentPort!.postMessage('ready')
