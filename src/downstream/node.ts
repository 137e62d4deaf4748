import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { HeadParser } from '../wire/head.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { type ConnectionHost, NodeConnection } from './node/connection.ts'
import { secureContextOptions } from './tls.ts'

const maxFields = 200
const maxSpareParsers = 64

/** Since when `listen` knows `reusePort`. */
export function canSharePorts(version: string): boolean {
  const [major, minor] = version.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}

/**
 * Plain `net` and `tls` sockets with the strict parser of `wire`: HTTP/1.0 and 1.1, pipelining, configurable timeouts,
 * on every platform. TLS files are read once; new ones need a new engine.
 */
export class NodeEngine implements Engine, ConnectionHost {
  readonly name = 'node'
  readonly options: EngineOptions
  readonly connections = { open: 0, active: 0, accepted: 0, closed: 0, refused: 0 }
  isDraining = false
  nowMs = performance.now()

  readonly #server: Server
  readonly #open = new Set<NodeConnection>()
  /** TCP connections whose TLS handshake isn't done. */
  readonly #handshaking = new Set<Socket>()
  readonly #spare: HeadParser[] = []
  readonly #sweepMs: number
  #sweeper: NodeJS.Timeout | null = null

  constructor(options: EngineOptions) {
    if (options.sharedPort && !canSharePorts(process.versions.node)) {
      throw new Error(`several acceptors cannot share a port on Node ${process.versions.node} (22.12 and 23.1 can)`)
    }
    this.options = options
    const shortest = Math.min(options.headTimeoutMs, options.keepAliveTimeoutMs)
    this.#sweepMs = Math.max(20, Math.min(500, Math.floor(shortest / 4)))
    // A client may half-close after its request and still wait for the answer.
    const tcp = { allowHalfOpen: true, noDelay: true }
    if (options.tls === null) this.#server = createServer(tcp, socket => this.#accept(socket))
    else {
      const tls = { ...secureContextOptions(options.tls), ALPNProtocols: ['http/1.1'] }
      const server = createTlsServer({ ...tcp, ...tls, handshakeTimeout: options.headTimeoutMs })
      server.on('connection', (socket: Socket) => this.#track(socket))
      // Also after `handshakeTimeout`, where Node leaves the socket open.
      server.on('tlsClientError', (_error, socket) => socket.destroy())
      server.on('secureConnection', socket => this.#accept(socket))
      this.#server = server
    }
    // Above the limit a connection is closed as soon as it was accepted, before any handshake.
    this.#server.maxConnections = options.maxConnections
    this.#server.on('drop', () => {
      this.connections.refused++
      options.onRefused?.('overloaded')
    })
  }

  listen(): Promise<{ port: number }> {
    const { host, port, sharedPort } = this.options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, exclusive: true, ...(sharedPort ? { reusePort: true } : {}) }, () => {
        this.#server.off('error', reject)
        // What can fail from here on is one `accept`; the client sees its connection closed.
        this.#server.on('error', () => this.connections.refused++)
        this.#sweeper = setInterval(() => this.#sweep(), this.#sweepMs)
        this.#sweeper.unref()
        const address = this.#server.address()
        resolve({ port: typeof address === 'object' && address !== null ? address.port : port })
      })
    })
  }

  drain(): void {
    if (this.isDraining) return
    this.isDraining = true
    this.#server.close()
  }

  async close(): Promise<void> {
    this.drain()
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    const closed = [...this.#open].map(connection => connection.whenClosed())
    for (const connection of this.#open) connection.cut()
    for (const socket of this.#handshaking) socket.destroy()
    await Promise.all(closed)
  }

  #track(socket: Socket): void {
    this.#handshaking.add(socket)
    socket.once('close', () => this.#handshaking.delete(socket))
  }

  #accept(socket: Socket): void {
    this.connections.open++
    this.connections.accepted++
    this.nowMs = performance.now()
    this.#open.add(new NodeConnection(socket, this))
  }

  onClosed(connection: NodeConnection): void {
    if (!this.#open.delete(connection)) return
    this.connections.open--
    this.connections.closed++
  }

  takeParser(): HeadParser {
    return this.#spare.pop() ?? new HeadParser('request', { maxBytes: this.options.maxHeadBytes, maxFields })
  }

  returnParser(parser: HeadParser): void {
    parser.reset()
    if (this.#spare.length < maxSpareParsers) this.#spare.push(parser)
  }

  #sweep(): void {
    this.nowMs = performance.now()
    for (const connection of this.#open) {
      if (connection.deadlineMs > 0 && connection.deadlineMs <= this.nowMs) connection.expire()
    }
  }
}
