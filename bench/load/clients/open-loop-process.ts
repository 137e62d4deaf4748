import { Histogram } from '../../stats/histogram.ts'
import type { OpenLoad } from '../generators/generator.ts'
import type { OpenAnswer } from '../generators/open-loop.ts'
import { JsonShape } from '../http/json-shape.ts'
import { Connection, isSuccess, requestBytes } from './connection.ts'

// Sends request i at start + i / rate, whatever became of the others, and counts latency from that moment: a gateway that
// stalls is charged for every request that should have been served meanwhile.

/** How long after the end answers are still waited for. */
const GRACE_MS = 5000
/** How late a timer may be without a request losing its turn. */
const TIMER_MS = 5

process.once('disconnect', () => process.exit(0))
process.once('message', (load: OpenLoad) => run(load))

function run(load: OpenLoad): void {
  const url = new URL(load.url)
  const request = requestBytes(url, load.headers, load.body)
  const latency = new Histogram()
  const firstByte = new Histogram()
  const errors = { connect: 0, broken: 0, timeout: 0, status: 0 }
  const idle: OpenClient[] = []
  const waiting: number[] = []
  const flying = new Set<OpenClient>()
  // Less than one a second over a few seconds is still one.
  const total = Math.max(1, Math.floor(load.perSecond * load.seconds))
  let waitingFrom = 0
  let nextTurn = 0
  let open = 0
  let started = 0
  let requests = 0
  let earliest = 0
  let latest = 0

  class OpenClient {
    intended = 0
    #status = 0
    #sawByte = false
    readonly #shape = new JsonShape()
    readonly connection = new Connection(url, {
      head: status => {
        this.#status = status
        this.#sawByte = false
        this.#shape.reset()
      },
      body: (bytes, start, end) => {
        this.#shape.see(bytes, start, end)
        if (this.#sawByte) return
        this.#sawByte = true
        firstByte.record((performance.now() - this.intended) * 1000)
      },
      answered: () => {
        const now = performance.now()
        if (earliest === 0) earliest = now
        latest = now
        if (!isSuccess(this.#status)) errors.status++
        else if (!this.#shape.isObject) errors.broken++
        else {
          requests++
          latency.record((now - this.intended) * 1000)
        }
        flying.delete(this)
        if (!this.connection.usable) open--
        else idle.push(this)
        serveWaiting()
      },
      lost: (midway, connected) => {
        open--
        flying.delete(this)
        const at = idle.indexOf(this)
        if (at !== -1) idle.splice(at, 1)
        if (!connected) errors.connect++
        else if (midway) errors.broken++
        serveWaiting()
      },
    })

    send(intended: number): void {
      this.intended = intended
      flying.add(this)
      this.connection.send(request)
    }
  }

  function serveWaiting(): void {
    while (waitingFrom < waiting.length && (idle.length > 0 || open < load.maxConnections) && isTurn())
      begin(waiting[waitingFrom++])
    if (waitingFrom <= 10_000) return
    waiting.splice(0, waitingFrom)
    waitingFrom = 0
  }

  /** Whether the next request may begin. A backlog goes out as fast as it can, or with `paced` no faster than new requests come. */
  function isTurn(): boolean {
    if (load.paced !== true) return true
    const now = performance.now()
    if (isOver(now) || now < nextTurn) return false
    nextTurn = Math.max(nextTurn, now - TIMER_MS) + interval
    return true
  }

  const isOver = (now: number): boolean => now - startedAt > load.seconds * 1000

  function begin(intended: number): void {
    let client = idle.pop()
    if (client === undefined) {
      client = new OpenClient()
      open++
    }
    client.send(intended)
  }

  const startedAt = performance.now()
  const interval = 1000 / load.perSecond
  function tick(): void {
    const now = performance.now()
    while (started < total && startedAt + started * interval <= now) {
      waiting.push(startedAt + started++ * interval)
    }
    serveWaiting()
    const unanswered = flying.size + waiting.length - waitingFrom
    const awaited = load.paced === true ? flying.size : unanswered
    if (isOver(now) && (awaited === 0 || now - startedAt > load.seconds * 1000 + GRACE_MS)) finish(unanswered)
    else setTimeout(tick, 1)
  }

  function finish(unanswered: number): void {
    const now = performance.now()
    // What never came is at least this slow; leaving it out would flatter.
    for (const client of flying) latency.record((now - client.intended) * 1000)
    for (const intended of waiting.slice(waitingFrom)) latency.record((now - intended) * 1000)
    errors.timeout += unanswered
    const answer: OpenAnswer = {
      // From answer to answer: the time the first one took belongs to no rate.
      seconds: Math.max(load.seconds, (latest - earliest) / 1000),
      offered: total,
      requests,
      errors,
      latency: latency.cdf(),
      firstByte: firstByte.cdf(),
    }
    process.send?.(answer)
  }
  tick()
}
