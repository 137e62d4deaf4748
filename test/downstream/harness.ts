import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { FailureKind } from '../../src/core/failures.ts'
import { createEngine, headLimitVariable, uwsAvailable } from '../../src/downstream/create-engine.ts'
import type { Engine, EngineOptions, ExchangeEvents, Reply, RequestHead } from '../../src/downstream/engine.ts'

// Before the addon is first loaded, which reads it once.
process.env[headLimitVariable] = String(64 * 1024)

// From the build output, which mirrors the tree one level down.
const fixture = (name: string): string => fileURLToPath(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url))

/** For `localhost` and 127.0.0.1. */
export const certificate = { certFile: fixture('localhost.pem'), keyFile: fixture('localhost.key') }
export const clientTls = { ca: readFileSync(fixture('ca.pem')), servername: 'localhost' }

export type Kind = 'uws' | 'node'
export const kinds: readonly Kind[] = uwsAvailable().available ? ['uws', 'node'] : ['node']

/** What came of one request, as its listener saw it. */
export class Heard implements ExchangeEvents {
  readonly method: string
  readonly target: string
  readonly remoteAddress: string
  readonly bodyLength: number
  readonly header: (name: string) => string
  readonly reply: Reply
  readonly pieces: Buffer[] = []
  bytes = 0
  lasts = 0
  drains = 0
  closes = 0
  keepsBody = true
  onPiece: ((bytes: number, last: boolean) => void) | null = null

  constructor(request: RequestHead, reply: Reply) {
    this.method = request.method
    this.target = request.target
    this.remoteAddress = request.remoteAddress
    this.bodyLength = request.bodyLength
    this.header = name => request.header(name)
    this.reply = reply
  }

  get body(): string {
    return Buffer.concat(this.pieces).toString('latin1')
  }

  onBody(chunk: Uint8Array, last: boolean): void {
    this.bytes += chunk.length
    if (this.keepsBody) this.pieces.push(Buffer.from(chunk))
    if (last) this.lasts++
    this.onPiece?.(chunk.length, last)
  }
  onDrain(): void {
    this.drains++
  }
  onClosed(): void {
    this.closes++
  }
}

/** A view of shared memory, as acceptors hand them over. */
export function shared(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 16), 8, bytes.length)
  view.set(bytes)
  return view
}

export const block = shared('x-request-id: 00000000000000000000000000000001\r\ncontent-type: text/plain\r\n')

export interface Running {
  readonly engine: Engine
  readonly port: number
  readonly heard: Heard[]
  readonly refused: FailureKind[]
}

/** Answers with what it got, once it has all of it, unless `onHeard` does something else. */
export async function startEngine(
  t: TestContext,
  kind: Kind,
  onHeard?: (heard: Heard) => void,
  overrides: Partial<EngineOptions> = {},
): Promise<Running> {
  const heard: Heard[] = []
  const refused: FailureKind[] = []
  const engine = await createEngine(kind, {
    host: '127.0.0.1',
    port: 0,
    sharedPort: false,
    maxHeadBytes: 48 * 1024,
    maxConnections: 10_000,
    headTimeoutMs: 10_000,
    keepAliveTimeoutMs: 10_000,
    tls: null,
    onRefused: kind => refused.push(kind),
    onRequest: (request, reply) => {
      const one = new Heard(request, reply)
      heard.push(one)
      if (onHeard !== undefined) onHeard(one)
      else one.onPiece = (_bytes, last) => last && echo(one)
      return one
    },
    ...overrides,
  })
  const { port } = await engine.listen()
  t.after(() => engine.close())
  return { engine, port, heard, refused }
}

/** The simplest answer: method, target and body. */
export function echo(heard: Heard, close = false): void {
  heard.reply.whole(200, block, shared(`${heard.method} ${heard.target} ${heard.body}`), close)
}
