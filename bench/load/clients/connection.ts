import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ResponseReader } from '../http/response-reader.ts'

export interface ConnectionEvents {
  head(status: number): void
  body(bytes: Buffer, start: number, end: number): void
  /** The answer is complete. */
  answered(): void
  /** The connection is gone; `midway`: with an answer owed. Not called after `close`. */
  lost(midway: boolean, connected: boolean): void
}

/** One read buffer for the whole process: what arrives is looked at and forgotten. */
const sharedBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/** One kept-alive client connection. */
export class Connection {
  readonly socket: Socket
  #busy = false
  #closed = false
  #connected = false
  #keepAlive = true

  /** `slowBytesPerSecond` 0: as fast as it comes. */
  constructor(url: URL, events: ConnectionEvents, slowBytesPerSecond = 0) {
    const reader = new ResponseReader({
      head: status => events.head(status),
      body: (bytes, start, end) => {
        if (!this.#closed) events.body(bytes, start, end)
      },
      end: keepAlive => {
        if (this.#closed) return
        this.#busy = false
        this.#keepAlive = keepAlive
        if (!keepAlive) this.close()
        events.answered()
      },
    })
    const take = (bytes: Buffer, length: number) => {
      if (!this.#closed && !reader.feed(bytes, length)) this.socket.destroy()
    }
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    // A URL has IPv6 addresses in brackets.
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    if (url.protocol === 'https:') {
      this.socket = connectTls({ host, port, servername: isIP(host) === 0 ? host : '', ALPNProtocols: ['http/1.1'] })
      this.socket.on('data', (chunk: Buffer) => take(chunk, chunk.length))
    } else if (slowBytesPerSecond > 0) {
      const buffer = Buffer.allocUnsafeSlow(Math.max(64, Math.floor(slowBytesPerSecond / 10)))
      const callback = (length: number) => {
        take(buffer, length)
        setTimeout(() => this.socket.resume(), 100)
        return false
      }
      this.socket = connect({ host, port, noDelay: true, onread: { buffer, callback } })
    } else {
      const callback = (length: number) => {
        take(sharedBuffer, length)
        return true
      }
      this.socket = connect({ host, port, noDelay: true, onread: { buffer: sharedBuffer, callback } })
    }
    this.socket.on('connect', () => {
      this.#connected = true
    })
    // Why it failed is counted by `lost`, which 'close' leads to.
    this.socket.on('error', () => this.socket.destroy())
    this.socket.on('end', () => {
      if (!this.#closed) reader.closed()
      this.socket.destroy()
    })
    this.socket.on('close', () => {
      if (this.#closed) return
      this.#closed = true
      events.lost(this.#busy, this.#connected)
    })
  }

  get usable(): boolean {
    return !this.#closed && this.#keepAlive
  }

  send(request: Buffer): void {
    this.#busy = true
    this.socket.write(request)
  }

  close(): void {
    this.#closed = true
    this.socket.destroy()
  }
}

/** A redirect has no answer of a model in it. */
export const isSuccess = (status: number): boolean => status >= 200 && status <= 299

export function requestBytes(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  keepAlive = true,
): Buffer {
  const lines = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(keepAlive ? [] : ['Connection: close']),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
