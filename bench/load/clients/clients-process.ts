import { Histogram } from '../../stats/histogram.ts'
import type { ClientsAnswer } from '../generators/clients.ts'
import type { ClientLoad } from '../generators/generator.ts'
import { EventCounter } from '../http/event-counter.ts'
import { JsonShape } from '../http/json-shape.ts'
import { Connection, isSuccess, requestBytes } from './connection.ts'

// Clients that behave like applications: they read streams event by event, leave midway, read slowly, or come back on a
// new connection each time.

/** Starts are spread, so that streams don't tick in step. */
const RAMP_MS = 1000
const RECONNECT_MS = 20

process.once('disconnect', () => process.exit(0))
process.once('message', (load: ClientLoad) => run(load))

function run(load: ClientLoad): void {
  const url = new URL(load.url)
  const plain = requestBytes(url, load.headers, load.body, !load.churn)
  const streaming = requestBytes(url, load.headers, withStream(load.body), !load.churn)
  const latency = new Histogram()
  const firstByte = new Histogram()
  const gaps = new Histogram()
  const errors = { connect: 0, broken: 0, timeout: 0, status: 0 }
  let requests = 0
  let events = 0
  let aborted = 0
  let over = false

  /** Milliseconds until the next request may begin. */
  let nextTurn = 0
  function turnIn(): number {
    if (load.perSecond === undefined) return 0
    const now = performance.now()
    const turn = Math.max(now, nextTurn)
    nextTurn = turn + 1000 / load.perSecond
    return turn - now
  }

  class Client {
    readonly #slow: boolean
    readonly #counter = new EventCounter()
    readonly #shape = new JsonShape()
    #connection: Connection | null = null
    #stream = false
    #status = 0
    #sentAt = 0
    #lastEventAt = 0
    /** Leaves after this many events; -1: stays. */
    #leaveAfter = -1

    constructor(slow: boolean) {
      this.#slow = slow
    }

    /** Asks at once, or when the common rate allows it. */
    ask(): void {
      if (over) return
      const wait = turnIn()
      if (wait > 0) setTimeout(() => this.#begin(), wait)
      else this.#begin()
    }

    #begin(): void {
      if (over) return
      this.#stream = Math.random() < load.streamShare
      this.#leaveAfter =
        this.#stream && Math.random() < load.abortShare ? Math.floor(Math.random() * load.eventsPerStream) : -1
      this.#counter.reset()
      this.#shape.reset()
      this.#lastEventAt = 0
      this.#sentAt = performance.now()
      if (this.#connection === null || !this.#connection.usable) this.#connection = this.#connect()
      this.#connection.send(this.#stream ? streaming : plain)
    }

    #connect(): Connection {
      return new Connection(
        url,
        {
          head: status => {
            this.#status = status
          },
          body: (bytes, start, end) => {
            if (!this.#stream) this.#shape.see(bytes, start, end)
            else if (isSuccess(this.#status)) this.#onStream(bytes, start, end)
          },
          answered: () => this.#onAnswered(),
          lost: (midway, connected) => {
            if (over) return
            if (!connected) errors.connect++
            else if (midway) errors.broken++
            this.#connection = null
            setTimeout(() => this.ask(), RECONNECT_MS)
          },
        },
        this.#slow ? load.slowBytesPerSecond : 0,
      )
    }

    #onStream(bytes: Buffer, start: number, end: number): void {
      if (over) return
      const found = this.#counter.count(bytes, start, end)
      if (found === 0) return
      events += found
      const now = performance.now()
      if (!this.#slow) {
        if (this.#lastEventAt === 0) firstByte.record((now - this.#sentAt) * 1000)
        else gaps.record((now - this.#lastEventAt) * 1000)
      }
      this.#lastEventAt = now
      if (this.#leaveAfter === -1 || this.#counter.events <= this.#leaveAfter) return
      aborted++
      this.#connection?.close()
      this.#connection = null
      setImmediate(() => this.ask())
    }

    #onAnswered(): void {
      if (over) return
      if (!isSuccess(this.#status)) errors.status++
      else if (this.#stream ? !this.#counter.done : !this.#shape.isObject) errors.broken++
      else {
        requests++
        if (!this.#slow) latency.record((performance.now() - this.#sentAt) * 1000)
      }
      if (load.churn) {
        this.#connection?.close()
        this.#connection = null
      }
      this.ask()
    }
  }

  const startedAt = performance.now()
  const ramp = Math.min(RAMP_MS, load.seconds * 200)
  for (let index = 0; index < load.connections; index++) {
    const client = new Client(index < load.slowReaders)
    setTimeout(() => client.ask(), (ramp * index) / load.connections)
  }
  setTimeout(() => {
    over = true
    const answer: ClientsAnswer = {
      seconds: (performance.now() - startedAt) / 1000,
      requests,
      events,
      aborted,
      errors,
      latency: latency.cdf(),
      firstByte: firstByte.cdf(),
      gaps: gaps.cdf(),
    }
    process.send?.(answer)
  }, load.seconds * 1000)
}

function withStream(body: string): string {
  const request = JSON.parse(body) as Record<string, unknown>
  return JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } })
}
