import { createEngine, headLimitVariable } from '../../src/downstream/create-engine.ts'
import { connectionCap, readFileLimit } from '../../src/downstream/peer-limits.ts'
import { block, type Kind, shared } from './harness.ts'

/** A process that serves with as many connections as its limit of open files allows; ends when its input does. */
process.env[headLimitVariable] = '65536'
const upstreamShare = 32
const engine = await createEngine(process.argv[2] as Kind, {
  host: '127.0.0.1',
  port: 0,
  sharedPort: false,
  maxHeadBytes: 16_384,
  maxConnections: connectionCap(readFileLimit(), upstreamShare),
  headTimeoutMs: 10_000,
  keepAliveTimeoutMs: 10_000,
  tls: null,
  onRequest: (_request, reply) => {
    reply.whole(200, block, shared(JSON.stringify(engine.connections)), false)
    return { onBody: () => undefined, onDrain: () => undefined, onClosed: () => undefined }
  },
})
console.log((await engine.listen()).port)
process.stdin.resume().on('end', () => void engine.close().then(() => process.exit(0)))
