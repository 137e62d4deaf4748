import { parentPort, workerData } from 'node:worker_threads'
import { fatal } from '../src/control/fatal.ts'
import type { FromThread, ToWorker, WorkerData } from '../src/control/messages.ts'
import { ConsumerLink } from '../src/link/consumer-side.ts'
import { Doorbell } from '../src/shared/doorbell.ts'
import { PulseWatch, startHeartbeat } from '../src/shared/heartbeat.ts'
import { threadMetrics } from '../src/shared/metric-rows.ts'
import { createWorkerLog } from '../src/telemetry/worker-log.ts'
import { startPipeline } from './pipeline-thread.ts'

/** A worker thread: requests come over rings, the pipeline runs them against upstreams, answers go back. */
const data = workerData as WorkerData
const port = parentPort!
const post = (message: FromThread): void => port.postMessage(message)
const words = new Int32Array(data.memory.roster)
const metrics = threadMetrics(data.memory.metrics, data.thread)
const log = createWorkerLog({ level: data.logLevel, post: entry => post({ kind: 'log', entry }) })

const { pipeline, swap, upstream, recordsDropped } = await startPipeline(data, data, metrics, log)
const link = new ConsumerLink(data.thread, words, pipeline.accept)
const bell = new Doorbell(words, data.thread, acceptor => link.serve(acceptor))

const mainPulse = new PulseWatch(words, 0)
let counted = { unknown: 0, waits: 0, dropped: 0 }
const heartbeat = startHeartbeat(words, data.thread, () => {
  metrics.set('inFlight', link.inFlight)
  const now = { unknown: link.unknownFrames, waits: link.fullWaits, dropped: recordsDropped() }
  metrics.add('framesDropped', now.unknown - counted.unknown)
  metrics.add('ringFullWaits', now.waits - counted.waits)
  metrics.add('logRecordsDropped', now.dropped - counted.dropped)
  counted = now
  // Main watches everybody; somebody has to watch main.
  if (mainPulse.look() > data.stuckAfterMs * 3) fatal('the main thread does not respond')
  return link.inFlight
})

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'pair':
      link.addAcceptor(message.peer, message.buffer, message.layout)
      // The acceptor may have rung before this message came, when nobody knew whose ring it was.
      link.serve(message.peer)
      break
    case 'acceptor-gone':
      link.removeAcceptor(message.thread)
      break
    case 'snapshot':
      swap(message.snapshot)
      break
    case 'stop':
      void stop(message.graceMs)
      break
  }
})

async function stop(graceMs: number): Promise<void> {
  const until = performance.now() + graceMs
  for (;;) {
    bell.answer()
    if (link.inFlight === 0 || performance.now() >= until) break
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  // What still waits in the rings is left there: when this thread has ended it goes to another one.
  bell.close()
  link.flush()
  await upstream.close(Math.max(0, until - performance.now()))
  heartbeat.stop()
  port.close()
}

bell.open()
log.debug('worker ready', { thread: data.thread })
post({ kind: 'ready' })
