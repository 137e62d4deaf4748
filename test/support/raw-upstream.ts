import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createServer as createSecureServer, type TlsOptions } from 'node:tls'

/** A request as it came over the wire. */
export interface RawRequest {
  /** Request line and field lines, without the empty line. */
  readonly head: string
  readonly body: Buffer
}

/** One accepted connection, for a script to write bytes to: valid HTTP or anything else. */
export class RawConnection {
  readonly socket: Socket
  /** Requests read from this connection before the current one. */
  served = 0

  constructor(socket: Socket) {
    this.socket = socket
  }

  write(bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes, 'latin1')
  }

  /** Writes in pieces that the peer reads one by one: between two of them it gets a whole turn of the event loop. */
  async writeCut(bytes: Buffer, cuts: readonly number[]): Promise<void> {
    let from = 0
    for (const to of [...cuts, bytes.length]) {
      if (to > from) this.write(bytes.subarray(from, to))
      from = to
      await turn()
      await turn()
    }
  }

  /** Half-close: no more bytes from here. */
  end(): void {
    this.socket.end()
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }
}

export const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

export interface RawUpstreamScript {
  /** For each accepted connection, before any request. */
  onConnection?(connection: RawConnection): void
  /** For each complete request (head, and body by its Content-Length). */
  onRequest?(connection: RawConnection, request: RawRequest): void
  /** Leave the socket unread after accepting it, or after the head of a request. */
  readonly reads?: 'everything' | 'nothing' | 'heads'
  readonly tls?: TlsOptions
}

export interface RawUpstream {
  readonly url: string
  readonly port: number
  readonly requests: RawRequest[]
  readonly connections: RawConnection[]
  /** Connections that are open now. */
  openCount(): number
}

/** A TCP (or TLS) server that knows just enough HTTP to tell where a request ends. Closed when the test ends. */
export async function startRawUpstream(t: TestContext, script: RawUpstreamScript): Promise<RawUpstream> {
  const requests: RawRequest[] = []
  const connections: RawConnection[] = []
  const open = new Set<Socket>()
  const accept = (socket: Socket): void => {
    const connection = new RawConnection(socket)
    connections.push(connection)
    open.add(socket)
    socket.setNoDelay(true)
    socket.on('close', () => open.delete(socket))
    // The peer cutting the connection is what many scripts are about; the client's side asserts what follows.
    socket.on('error', () => open.delete(socket))
    script.onConnection?.(connection)
    if (script.reads !== 'nothing') readRequests(connection, script, requests)
  }
  const server = script.tls
    ? createSecureServer(script.tls, accept).on('tlsClientError', () => undefined)
    : createServer({ allowHalfOpen: true }, accept)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${script.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    requests,
    connections,
    openCount: () => open.size,
  }
}

function readRequests(connection: RawConnection, script: RawUpstreamScript, requests: RawRequest[]): void {
  const { socket } = connection
  let pieces: Buffer[] = []
  let size = 0
  let needed = 0 // bytes to the end of the request under way; 0 while its head is incomplete
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece)
    size += piece.length
    while (size > 0 && size >= needed) {
      const bytes = Buffer.concat(pieces)
      pieces = [bytes]
      const headEnd = bytes.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      const head = bytes.toString('latin1', 0, headEnd)
      const length = script.reads === 'heads' ? 0 : Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
      needed = headEnd + 4 + length
      if (size < needed) return
      const request = { head, body: bytes.subarray(headEnd + 4, needed) }
      if (script.reads === 'heads') socket.pause()
      pieces = [bytes.subarray(needed)]
      size -= needed
      needed = 0
      requests.push(request)
      script.onRequest?.(connection, request)
      connection.served++
    }
  })
  // The client left; a server that is done as well leaves too.
  socket.on('end', () => socket.end())
}
