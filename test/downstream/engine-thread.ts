import { parentPort, workerData } from 'node:worker_threads'
import { createEngine } from '../../src/downstream/create-engine.ts'
import type { Engine } from '../../src/downstream/engine.ts'
import { block, type Kind, shared } from './harness.ts'

/** The thread of an acceptor, reduced to its engine: it says its port, and closes when told or when it breaks. */
const { kind } = workerData as { kind: Kind }
const port = parentPort!
let closes = 0

const engine: Engine = await createEngine(kind, {
  host: '127.0.0.1',
  port: 0,
  sharedPort: false,
  maxHeadBytes: 16_384,
  maxConnections: 100,
  headTimeoutMs: 10_000,
  keepAliveTimeoutMs: 10_000,
  tls: null,
  onRequest: (request, reply) => {
    port.postMessage({ heard: request.target })
    if (request.target === '/throw') throw new Error('broken listener')
    if (request.target === '/stream') {
      reply.head(200, block, -1, false)
      reply.write(shared('first'))
    } else if (request.target === '/full') {
      reply.head(200, block, -1, false)
      while (reply.write(shared(new Uint8Array(262_144))));
    } else if (request.target === '/now') reply.whole(200, block, shared('ok'), false)
    return {
      onBody: (_chunk, last) => {
        if (last && request.method === 'PUT') throw new Error('broken listener')
      },
      onDrain: () => undefined,
      onClosed: () => {
        closes++
      },
    }
  },
})

async function stop(): Promise<void> {
  await engine.close()
  port.postMessage({ closes, ...engine.connections })
  port.close()
}

process.on('uncaughtException', error => {
  port.postMessage({ fault: error.message })
  void stop()
})
port.on('message', () => void stop())
port.postMessage({ port: (await engine.listen()).port })
