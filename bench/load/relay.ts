import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import { RequestReader } from './http/request-reader.ts'
import { ResponseReader } from './http/response-reader.ts'
import { adoptSocket } from './mock/adopt-socket.ts'

// The least a Node process can do as a proxy: read a request, pass its bytes on over a kept-alive connection, pass the
// answer's bytes back. No key, no routing, no counting. The baseline where nginx is not installed.
// Usage: relay <port> <upstream port>

const [port, upstreamPort] = process.argv.slice(2).map(Number)
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)
const upstreamBuffer = Buffer.allocUnsafeSlow(64 * 1024)
const idle: Upstream[] = []

class Upstream {
  readonly socket: Socket
  client: Socket | null = null
  #ended = false

  constructor() {
    const reader = new ResponseReader({
      head: () => {},
      body: () => {},
      end: () => {
        this.#ended = true
      },
    })
    this.socket = connect({
      host: '127.0.0.1',
      port: upstreamPort,
      noDelay: true,
      onread: {
        buffer: upstreamBuffer,
        callback: length => {
          this.#ended = false
          const sound = reader.feed(upstreamBuffer, length)
          // A write that couldn't be flushed at once would still point into the shared buffer.
          this.client?.write(Buffer.from(upstreamBuffer.subarray(0, length)))
          if (!sound) this.socket.destroy()
          else if (this.#ended) {
            this.client = null
            idle.push(this)
          }
          return true
        },
      },
    })
    this.socket.on('error', () => this.socket.destroy())
    this.socket.on('close', () => {
      const at = idle.indexOf(this)
      if (at !== -1) idle.splice(at, 1)
      this.client?.destroy()
    })
  }
}

const server = createServer({ pauseOnConnect: true }, accepted => {
  let current: Upstream | null = null
  const reader = new RequestReader(({ bytes, start, end }) => {
    current = idle.pop() ?? new Upstream()
    current.client = socket
    current.socket.write(Buffer.from(bytes.subarray(start, end)))
  })
  const socket = adoptSocket(accepted, readBuffer, length => {
    if (!reader.feed(readBuffer, length)) socket.destroy()
  })
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('close', () => {
    // An upstream still at work for this client can't be reused.
    if (current?.client === socket) {
      current.client = null
      current.socket.destroy()
    }
  })
})
server.listen({ port, host: '127.0.0.1', backlog: 8192 }, () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
})
process.once('SIGTERM', () => process.exit(0))
process.once('disconnect', () => process.exit(0))
