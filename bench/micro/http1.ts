/**
 * CPU per upstream call: our HTTP/1.1 client against undici, as a gateway would use each.
 *
 *   node .build/bench/micro/http1.js [requests per round] [rounds]
 *
 * The upstream is a process of its own on the same machine; only this process's CPU time counts. Variants run in
 * alternating rounds; the table shows the median round and the spread.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createServer } from 'node:net'
import { Client, type Dispatcher, Pool } from 'undici'
import { createUpstream } from '../../src/upstream/index.ts'
import type { UpstreamHandler, UpstreamRequest } from '../../src/upstream/upstream.ts'

const connections = 64
const requestBody = Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(200) }] }))
const headers = [
  ['authorization', 'Bearer sk-0123456789abcdef'],
  ['content-type', 'application/json'],
  ['user-agent', 'bench'],
] as const
const eventsPerStream = 50

/** Answers every request, recognised by its fixed size, with an answer of about 700 bytes or with a stream of events. */
function serve(): void {
  const body = JSON.stringify({
    id: 'x',
    choices: [{ index: 0, message: { role: 'assistant', content: 'y'.repeat(250) } }],
  })
  const fields = [
    'date: Mon, 01 Jan 2024 00:00:00 GMT',
    'server: bench',
    'x-request-id: 0123456789',
    'openai-processing-ms: 12',
    'via: 1.1 a',
  ]
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${fields.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const head = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n')
  const data = `data: {"choices":[{"delta":{"content":"token"}}]}\n\n`
  const event = Buffer.from(`${data.length.toString(16)}\r\n${data}\r\n`)
  const end = Buffer.from('0\r\n\r\n')
  const server = createServer(socket => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('data', piece => {
      if (piece.includes('POST /whole')) return socket.write(answer)
      if (!piece.includes('POST /stream')) return
      socket.write(head)
      let left = eventsPerStream
      const next = (): void => {
        socket.write(left-- > 0 ? event : end)
        if (left >= 0) setImmediate(next)
      }
      setImmediate(next)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as { port: number }).port))
}

type Ask = (done: (bytes: number) => void) => void
type Variant = [name: string, ask: Ask, close: () => Promise<unknown>]

function ours(url: string, path: string): Variant {
  const upstream = createUpstream()
  const origin = upstream.origin({
    url,
    maxConnections: connections,
    maxQueue: 0,
    connectTimeoutMs: 5000,
    idleTimeoutMs: 60_000,
    maxConnectionAgeMs: 600_000,
    maxHeadBytes: 65_536,
    retryStale: true,
    http2: false,
    proxy: '',
    tls: null,
  })
  const request: UpstreamRequest = {
    head: origin.prepare('POST', path, headers),
    trace: null,
    spanId: '',
    extraHeaders: '',
    body: requestBody,
    maxBodyBytes: 1 << 20,
    firstByteTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    totalTimeoutMs: 0,
  }
  class Handler implements UpstreamHandler {
    #bytes = 0
    readonly #done: (bytes: number) => void
    constructor(done: (bytes: number) => void) {
      this.#done = done
    }
    onSent(): void {}
    onHead(status: number, _headers: unknown, whole: Uint8Array | null): void {
      if (status === 200 && whole !== null) this.#bytes = whole.length
    }
    onData(chunk: Uint8Array): void {
      this.#bytes += chunk.length
    }
    onEnd(): void {
      this.#done(this.#bytes)
    }
    onFailure(): void {
      throw new Error('the call failed')
    }
  }
  return ['http1', done => origin.send(request, new Handler(done)), () => upstream.close(0)]
}

class UndiciHandler implements Dispatcher.DispatchHandler {
  #bytes = 0
  readonly #done: (bytes: number) => void
  constructor(done: (bytes: number) => void) {
    this.#done = done
  }
  onRequestStart(): void {}
  onResponseStart(): void {}
  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.#bytes += chunk.length
  }
  onResponseEnd(): void {
    this.#done(this.#bytes)
  }
  onResponseError(_controller: unknown, error: Error): void {
    throw error
  }
}

const undiciHeaders = headers.flat()

function undiciClients(url: string, path: string): Variant {
  const clients = Array.from({ length: connections }, () => new Client(url))
  const free = [...clients]
  const options = { method: 'POST', path, headers: undiciHeaders, body: requestBody } as const
  const ask: Ask = done => {
    const client = free.pop()!
    client.dispatch(
      options,
      new UndiciHandler(bytes => {
        free.push(client)
        done(bytes)
      }),
    )
  }
  return ['undici Client, free list', ask, () => Promise.all(clients.map(client => client.destroy()))]
}

function undiciPool(url: string, path: string): Variant {
  const pool = new Pool(url, { connections })
  const options = { origin: url, method: 'POST', path, headers: undiciHeaders, body: requestBody } as const
  return ['undici Pool', done => pool.dispatch(options, new UndiciHandler(done)), () => pool.destroy()]
}

/** Runs `total` calls, `connections` at a time. CPU microseconds of this process per call. */
function round(ask: Ask, total: number): Promise<number> {
  return new Promise(resolve => {
    let started = 0
    let ended = 0
    const before = process.cpuUsage()
    const next = (): void => {
      started++
      ask(() => {
        if (++ended === total) {
          const { user, system } = process.cpuUsage(before)
          resolve((user + system) / total)
          // Undici gives its connection back after the last callback.
        } else if (started < total) process.nextTick(next)
      })
    }
    for (let count = 0; count < Math.min(connections, total); count++) next()
  })
}

async function measure(title: string, variants: Variant[], total: number, rounds: number): Promise<void> {
  const results = variants.map((): number[] => [])
  for (const [, ask] of variants) await round(ask, total) // warm up
  for (let count = 0; count < rounds; count++) {
    for (const [index, [, ask]] of variants.entries()) results[index].push(await round(ask, total))
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]
  const reference = median(results[0])
  console.log(`\n${title} (${total} per round, ${rounds} rounds, ${connections} connections)`)
  for (const [index, [name]] of variants.entries()) {
    const sorted = results[index].sort((a, b) => a - b)
    const spread = `${sorted[0].toFixed(1)}–${sorted[sorted.length - 1].toFixed(1)}`
    console.log(
      `  ${name.padEnd(26)} ${median(sorted).toFixed(1).padStart(8)} µs CPU  (${spread})  × ${(median(sorted) / reference).toFixed(2)}`,
    )
  }
  for (const [, , close] of variants) await close()
}

async function main(): Promise<void> {
  const server: ChildProcess = fork(new URL(import.meta.url), ['serve'])
  const port = await new Promise<number>(resolve => server.once('message', message => resolve(Number(message))))
  const url = `http://127.0.0.1:${port}`
  const total = Number(process.argv[2] ?? 20_000)
  const rounds = Number(process.argv[3] ?? 7)
  console.log(`Node ${process.version}, ${process.platform} ${process.arch}`)
  const variants = (path: string): Variant[] => [ours(url, path), undiciClients(url, path), undiciPool(url, path)]
  await measure('whole answers', variants('/whole'), total, rounds)
  await measure(`streams of ${eventsPerStream} events`, variants('/stream'), Math.ceil(total / eventsPerStream), rounds)
  server.kill()
}

if (process.argv[2] === 'serve') serve()
else await main()
