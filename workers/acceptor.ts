import { parentPort, workerData } from 'node:worker_threads'
import { fatal } from '../src/control/fatal.ts'
import type { AcceptorData, FromThread, ToAcceptor } from '../src/control/messages.ts'
import { Failure } from '../src/core/failures.ts'
import { adoptTrace } from '../src/core/trace.ts'
import { createEngine } from '../src/downstream/create-engine.ts'
import type { Engine } from '../src/downstream/engine.ts'
import { AcceptorLink } from '../src/link/acceptor-side.ts'
import { ConsumerLink } from '../src/link/consumer-side.ts'
import { Doorbell } from '../src/shared/doorbell.ts'
import { PulseWatch, startHeartbeat } from '../src/shared/heartbeat.ts'
import { outcomeOf, threadMetrics } from '../src/shared/metric-rows.ts'
import { createWorkerLog } from '../src/telemetry/worker-log.ts'

/**
 * An acceptor thread: client connections in, frames to workers, frames back, answers out. It keeps nothing that grows
 * and is never terminated: on an exception it fails what it holds, closes, and main starts another.
 */
const data = workerData as AcceptorData
const port = parentPort!
const post = (message: FromThread): void => port.postMessage(message)
const words = new Int32Array(data.memory.roster)
const metrics = threadMetrics(data.memory.metrics, data.thread)
const log = createWorkerLog({ level: data.logLevel, post: entry => post({ kind: 'log', entry }) })
const mainPulse = new PulseWatch(words, 0)
const mainSilenceMs = 30_000

/** What is answered here reaches no pipeline: it is counted under (`none`, `unknown`), and logged at a bounded rate. */
function refused(failure: Failure, requestId: string, durationMs: number): void {
  metrics.finish({ ...nothingUsed, durationMs }, outcomeOf(failure.kind))
  log.warn('request refused', { failure: failure.code, status: failure.status, trace_id: requestId })
}
const nothingUsed = {
  series: 0,
  firstByteMs: -1,
  tokensIn: 0,
  tokensOut: 0,
  tokensReasoning: 0,
  tokensCacheRead: 0,
}

const link = new AcceptorLink({
  thread: data.thread,
  roster: words,
  limits: { ...data.limits },
  newRequestId: (traceparent, requestId) => adoptTrace(traceparent, requestId).traceId,
  isMainAlive: () => mainPulse.silentMs < mainSilenceMs,
  onOwnBell: () => local?.link.serve(data.thread),
  onRefused: refused,
})

/** The pipeline in this thread, when there are no workers. */
const local = data.pipeline === null ? null : await startLocal(data.pipeline)

async function startLocal(pipelineData: NonNullable<AcceptorData['pipeline']>) {
  const { startPipeline } = await import('./pipeline-thread.ts')
  const parts = await startPipeline(data, pipelineData, metrics, log)
  const consumer = new ConsumerLink(data.thread, words, parts.pipeline.accept, () => link.serve(data.thread))
  return { ...parts, link: consumer }
}

const bell = new Doorbell(words, data.thread, consumer => link.serve(consumer))
let engine: Engine | null = null
let sweeps = 0
let counted = { accepted: 0, closed: 0, refused: 0, unknown: 0, waits: 0, dropped: 0 }
const heartbeat = startHeartbeat(words, data.thread, () => {
  if (sweeps++ % 5 === 0) link.sweep(performance.now())
  count()
  // With no worker there is nobody else to watch main.
  const silentMs = mainPulse.look()
  if (local !== null && silentMs > data.stuckAfterMs * 3) fatal('the main thread does not respond')
  return link.inFlight
})

function count(): void {
  if (engine === null) return
  const { open, active, accepted, closed, refused } = engine.connections
  metrics.set('connectionsOpen', open)
  metrics.set('connectionsActive', active)
  if (local !== null) metrics.set('inFlight', local.link.inFlight)
  const now = {
    accepted,
    closed,
    refused,
    unknown: link.unknownFrames,
    waits: link.fullWaits,
    dropped: local?.recordsDropped() ?? 0,
  }
  metrics.add('connectionsAccepted', now.accepted - counted.accepted)
  metrics.add('connectionsClosed', now.closed - counted.closed)
  metrics.add('connectionsRefused', now.refused - counted.refused)
  metrics.add('framesDropped', now.unknown - counted.unknown)
  metrics.add('ringFullWaits', now.waits - counted.waits)
  metrics.add('logRecordsDropped', now.dropped - counted.dropped)
  counted = now
}

port.on('message', (message: ToAcceptor) => {
  switch (message.kind) {
    case 'pair':
      if (message.peer === data.thread) local?.link.addAcceptor(data.thread, message.buffer, message.layout)
      link.addConsumer(message.peer, message.buffer, message.layout, message.role)
      break
    case 'listen':
      void listen()
      break
    case 'worker-gone':
      link.removeConsumer(message.thread)
      post({ kind: 'released', thread: message.thread })
      break
    case 'snapshot':
      local?.swap(message.snapshot)
      break
    case 'limits':
      Object.assign(link.options.limits, message.limits)
      break
    case 'drain':
      drain()
      break
    case 'close':
      void close()
      break
  }
})

async function listen(): Promise<void> {
  try {
    engine = await createEngine(data.engine, {
      ...data.listen,
      onRequest: link.onRequest,
      onRefused: kind => refused(new Failure(kind), '', 0),
    })
    const { port: bound } = await engine.listen()
    post({ kind: 'listening', port: bound })
  } catch (error) {
    post({ kind: 'listen-failed', message: error instanceof Error ? error.message : String(error) })
  }
}

function drain(): void {
  link.draining = true
  engine?.drain()
  const wait = setInterval(() => {
    // An answer that is given may still be on its way to a client that reads slowly.
    if (link.inFlight > 0 || (engine !== null && engine.connections.active > 0)) return
    clearInterval(wait)
    // Whoever asks from here on, over a connection that was idle, would be cut off with the call under way.
    link.refusing = true
    post({ kind: 'drained' })
  }, 10)
}

let closing = false
async function close(): Promise<void> {
  if (closing) return
  closing = true
  link.draining = true
  link.failAll('draining')
  link.flush()
  await engine?.close()
  await local?.upstream.close(0)
  count()
  bell.close()
  heartbeat.stop()
  post({ kind: 'closed' })
  port.close()
}

process.on('uncaughtException', error => {
  // A second one, while closing, must not stop the close.
  if (closing) return
  post({ kind: 'fault', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  engine?.drain()
  link.failAll('internal_error')
  void close()
})

bell.open()
post({ kind: 'ready' })
