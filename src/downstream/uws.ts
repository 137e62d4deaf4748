import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import { createServer } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Bag } from '../core/bag.ts'
import { type FailureKind, failures } from '../core/failures.ts'
import type { Engine, EngineOptions, TlsOptions } from './engine.ts'
import { refusalBody, refusalHeaders } from './refusals.ts'
import { announcesBody } from './requests.ts'
import { secureContextOptions } from './tls.ts'
import { UwsExchange, type UwsExchangeHost } from './uws/exchange.ts'
import { UwsHead } from './uws/head.ts'
import { loadUws, type Uws } from './uws/load.ts'

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`; its types have it in an enum that doesn't exist at run time. */
const exclusivePort = 1
const sweepMs = 1000
/** The addon cuts a connection 8–12 s after it last re-armed its timer. */
const keepAliveEverySweeps = 4
/** How often a client that has closed its window is offered more. */
const offerMs = 25

/**
 * uWebSockets.js. Timeouts for heads and idle connections are its own 10 s, not those of the options. An open app must
 * never outlive its thread (the process would abort), so a throw never leaves a handler: it is thrown again on a turn
 * of its own, where the thread's `uncaughtException` listener can close the engine.
 */
export class UwsEngine implements Engine, UwsExchangeHost {
  readonly name = 'uws'
  readonly connections = { open: 0, active: 0, accepted: 0, closed: 0, refused: 0 }
  isDraining = false
  isReading = false

  readonly #options: EngineOptions
  readonly #uws: Uws
  readonly #app: TemplatedApp
  readonly #head = new UwsHead()
  readonly #unsettled = new Bag<UwsExchange>()
  readonly #blocked = new Set<UwsExchange>()
  readonly #lingering = new Set<UwsExchange>()
  #listener: us_listen_socket | null = null
  #isClosed = false
  #sweeper: NodeJS.Timeout | null = null
  #sweeps = 0
  #poller: NodeJS.Timeout | null = null
  /** Connections above the limit, to be closed on the next turn: the addon can't close one while it accepts it. */
  #excess: HttpResponse[] = []
  #closedSinceExcess = false

  constructor(options: EngineOptions) {
    const uws = loadUws()
    if (uws instanceof Error) throw uws
    this.#options = options
    this.#uws = uws
    this.#app = options.tls === null ? uws.App({}) : uws.SSLApp(uwsTls(options.tls))
    this.#app.filter((res, change) => this.#count(res, change as number))
    this.#app.any('/*', (res, req) => this.#handle(res, req))
  }

  #handle(res: HttpResponse, req: HttpRequest): void {
    const exchange = new UwsExchange(res, this)
    this.isReading = true
    try {
      this.connections.active++
      const head = this.#head
      const failure = head.read(res, req, this.#options.maxHeadBytes)
      const hasChunks = head.bodyLength < 0
      // The addon stops at an empty header name, and a length after it would be lost: what follows such a request is
      // never read as another one.
      const mustClose = hasChunks || (!head.isFramed && announcesBody(head.method))
      if (failure !== null) this.#refuse(exchange, failure)
      else if (this.connections.open > this.#options.maxConnections) this.#refuse(exchange, 'overloaded')
      else {
        exchange.describe(head.method === 'HEAD', head.bodyLength, mustClose)
        exchange.open(this.#options.onRequest(head, exchange))
      }
      head.release()
    } catch (error) {
      exchange.breakOff(error)
    } finally {
      this.isReading = false
    }
  }

  #refuse(exchange: UwsExchange, kind: FailureKind): void {
    const isHead = this.#head.method === 'HEAD'
    // Where the body ends is uncertain when the head is: whatever comes is discarded until the connection closes.
    exchange.describe(isHead, isHead || this.#head.method === 'GET' ? this.#head.bodyLength : -1, true)
    exchange.whole(failures[kind].status, refusalHeaders(kind), refusalBody(kind), true)
    exchange.open(null)
    this.connections.refused++
    this.#options.onRefused?.(kind)
  }

  async listen(): Promise<{ port: number }> {
    const { host, port, sharedPort } = this.#options
    const listener = await new Promise<us_listen_socket | false>(resolve => {
      const listen = this.#app.listen as (...args: unknown[]) => void
      listen.call(this.#app, host, port, sharedPort ? 0 : exclusivePort, resolve)
    })
    if (listener === false) throw await bindError(host, port)
    this.#listener = listener
    return { port: this.#uws.us_socket_local_port(listener) }
  }

  drain(): void {
    this.isDraining = true
    if (this.#listener === null) return
    this.#uws.us_listen_socket_close(this.#listener)
    this.#listener = null
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.drain()
    this.#isClosed = true
    this.#app.close()
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    if (this.#poller !== null) clearInterval(this.#poller)
    // The sockets are freed at the end of the loop's turn.
    await new Promise(resolve => setImmediate(resolve))
  }

  #count(res: HttpResponse, change: number): void {
    const { connections } = this
    connections.open += change
    if (change < 0) {
      connections.closed++
      this.#closedSinceExcess = true
      return
    }
    connections.accepted++
    if (connections.open <= this.#options.maxConnections) return
    if (this.#excess.push(res) > 1) return
    this.#closedSinceExcess = false
    setImmediate(() => this.#closeExcess())
  }

  /**
   * `res` of a connection that has closed meanwhile points nowhere, and which one that was can't be told: after any
   * close the others stay, and the next request gets 503 instead.
   */
  #closeExcess(): void {
    const excess = this.#excess
    this.#excess = []
    if (this.#closedSinceExcess || this.#isClosed) return
    for (const res of excess) {
      this.connections.refused++
      res.close()
    }
    this.#options.onRefused?.('overloaded')
  }

  onUnsettled(exchange: UwsExchange): void {
    this.#unsettled.add(exchange)
    this.#sweep()
  }

  onSettled(exchange: UwsExchange): void {
    this.#unsettled.delete(exchange)
  }

  onBlocked(exchange: UwsExchange): void {
    this.#blocked.add(exchange)
    this.#poller ??= setInterval(() => this.#offerMore(), offerMs).unref()
  }

  #offerMore(): void {
    for (const exchange of this.#blocked) if (exchange.offerMore()) this.#blocked.delete(exchange)
    if (this.#blocked.size > 0 || this.#poller === null) return
    clearInterval(this.#poller)
    this.#poller = null
  }

  onGone(exchange: UwsExchange): void {
    this.connections.active--
    this.#unsettled.delete(exchange)
    if (this.#blocked.size > 0) this.#blocked.delete(exchange)
    if (exchange.closeAtMs > 0) this.#lingering.delete(exchange)
  }

  linger(exchange: UwsExchange, delayMs: number): void {
    if (delayMs === 0) setImmediate(cut, exchange)
    exchange.closeAtMs = performance.now() + delayMs
    this.#lingering.add(exchange)
    this.#sweep()
  }

  fault(error: unknown): void {
    setImmediate(() => {
      throw error
    })
  }

  #sweep(): void {
    if (this.#sweeper !== null || this.#isClosed) return
    this.#sweeper = setInterval(() => this.#visit(), sweepMs)
    this.#sweeper.unref()
  }

  #visit(): void {
    const now = performance.now()
    for (const exchange of this.#lingering) if (exchange.closeAtMs <= now) exchange.cut()
    if (++this.#sweeps % keepAliveEverySweeps === 0) {
      for (const exchange of this.#unsettled.all()) exchange.keepAlive()
    }
  }
}

const cut = (exchange: UwsExchange): void => exchange.cut()

/** The addon says nothing about files it can't use, so they are tried before. */
function uwsTls(tls: TlsOptions): Record<string, string> {
  if (tls.minVersion === 'TLSv1.3') throw new Error('this engine cannot demand TLS 1.3 (its minimum is TLS 1.2)')
  // It would read the file and let every client pass.
  if (tls.caFile !== undefined) throw new Error('this engine cannot demand certificates of clients')
  createSecureContext(secureContextOptions(tls))
  return {
    cert_file_name: tls.certFile,
    key_file_name: tls.keyFile,
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
  }
}

/** The addon only says that it failed; the system says why when asked the same. */
function bindError(host: string, port: number): Promise<Error> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => {
      const error = Object.assign(new Error(`listen EADDRINUSE: address already in use ${host}:${port}`), {
        code: 'EADDRINUSE',
      })
      server.close(() => resolve(error))
    })
  })
}
