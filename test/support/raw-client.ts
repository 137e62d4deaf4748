import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

/** One answer as it came over the wire. */
export interface RawResponse {
  readonly status: number
  /** Status line and field lines, without the empty line. */
  readonly head: string
  /** By lower-case name; the last of several wins. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The framing was complete: false for a body cut by the end of the connection. */
  readonly isWhole: boolean
}

const waitMs = 10_000

/** Waits for a condition, checked each turn of the event loop; rejects after ten seconds. */
export async function eventually(condition: () => boolean, what: string, timeoutMs = waitMs): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

/** A client that sends what it is told, byte by byte if need be, and reads what comes. Destroyed when the test ends. */
export class RawClient {
  readonly socket: Socket
  /** All that has come, taken or not. */
  receivedBytes = 0
  /** The server sent FIN. */
  hasEnded = false
  isClosed = false
  errorCode = ''

  #pieces: Buffer[] = []

  /** What has come and was not taken by `response`. */
  get received(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)]
    return this.#pieces[0]
  }

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => {
      this.receivedBytes += bytes.length
      this.#pieces.push(bytes)
    })
    socket.on('end', () => {
      this.hasEnded = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.errorCode = error.code ?? 'unknown'
    })
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** `allowHalfOpen`: its own side stays open after the server's FIN. */
  static async connect(t: TestContext, port: number, tls?: ConnectionOptions): Promise<RawClient> {
    const socket = tls
      ? connectTls({ host: '127.0.0.1', port, ...tls })
      : connect({ host: '127.0.0.1', port, allowHalfOpen: false })
    t.after(() => socket.destroy())
    const client = new RawClient(socket)
    await once(socket, tls ? 'secureConnect' : 'connect')
    return client
  }

  /** Resolves when the bytes have left this process. */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise(resolve => {
      if (!this.socket.writable) resolve()
      else this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => resolve())
    })
  }

  /** In so many pieces, each in a packet of its own as far as the system lets us. */
  async sendCut(bytes: string | Uint8Array, pieces: number): Promise<void> {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    const size = Math.ceil(all.length / pieces)
    for (let at = 0; at < all.length; at += size) {
      await this.send(all.subarray(at, at + size))
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  until(condition: (client: this) => boolean, what: string, timeoutMs?: number): Promise<void> {
    return eventually(() => condition(this), what, timeoutMs)
  }

  /** The connection is over, one way or another. */
  closed(timeoutMs = 15_000): Promise<void> {
    return this.until(() => this.hasEnded || this.isClosed, 'the server to close the connection', timeoutMs)
  }

  /** Takes the next complete answer off what was received. */
  async response(options: { head?: boolean; interim?: boolean } = {}): Promise<RawResponse> {
    let response: RawResponse | null = null
    const isThere = (): boolean => {
      response = this.#take(options.head === true, options.interim === true)
      return response !== null
    }
    await this.until(isThere, 'an answer').catch(error => {
      const start = JSON.stringify(this.received.toString('latin1', 0, 200))
      throw new Error(`${error.message}; have ${this.received.length} bytes, the first of them ${start}`)
    })
    return response!
  }

  #take(isHead: boolean, keepsInterim: boolean): RawResponse | null {
    const isOver = this.hasEnded || this.isClosed
    const headEnd = this.received.indexOf('\r\n\r\n')
    if (headEnd < 0) {
      if (isOver) throw new Error(`closed without an answer (${this.errorCode}): ${this.received.toString('latin1')}`)
      return null
    }
    const head = this.received.toString('latin1', 0, headEnd)
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
    if (Number.isNaN(status)) throw new Error(`not a status line: ${head}`)
    const headers = Object.fromEntries(
      head
        .split('\r\n')
        .slice(1)
        .map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const bytes = this.received.subarray(headEnd + 4)
    if (status < 200 && !keepsInterim) {
      this.#pieces = [bytes]
      return this.#take(isHead, keepsInterim)
    }
    const framed = frame(bytes, status, headers, isHead, isOver)
    if (framed === null) return null
    this.#pieces = [bytes.subarray(framed.taken)]
    return { status, head, headers, body: framed.body, isWhole: framed.isWhole }
  }
}

interface Framed {
  readonly body: Buffer
  readonly taken: number
  readonly isWhole: boolean
}

function frame(
  bytes: Buffer,
  status: number,
  headers: Record<string, string>,
  isHead: boolean,
  isOver: boolean,
): Framed | null {
  if (isHead || status < 200 || status === 204 || status === 304) {
    return { body: Buffer.alloc(0), taken: 0, isWhole: true }
  }
  if (headers['transfer-encoding'] === 'chunked') return unchunk(bytes, isOver)
  const length = headers['content-length'] === undefined ? -1 : Number(headers['content-length'])
  if (length >= 0 && bytes.length >= length) return { body: bytes.subarray(0, length), taken: length, isWhole: true }
  return isOver ? { body: bytes, taken: bytes.length, isWhole: length < 0 } : null
}

function unchunk(bytes: Buffer, isOver: boolean): Framed | null {
  const pieces: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (lineEnd >= 0 && Number.isNaN(size))
      throw new Error(`not a chunk size: ${bytes.toString('latin1', at, lineEnd)}`)
    if (size === 0) {
      // Past the trailers, if any.
      const end = bytes.indexOf('\r\n\r\n', lineEnd)
      if (end >= 0) return { body: Buffer.concat(pieces), taken: end + 4, isWhole: true }
    }
    const next = lineEnd + 2 + size + 2
    if (Number.isNaN(size) || size === 0 || next > bytes.length) {
      return isOver ? { body: Buffer.concat(pieces), taken: bytes.length, isWhole: false } : null
    }
    pieces.push(bytes.subarray(lineEnd + 2, next - 2))
    at = next
  }
}
