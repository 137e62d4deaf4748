import { createServer, type Server, type Socket } from 'node:net'
import { bodyOf, type RawRequest, RequestReader } from '../http/request-reader.ts'
import { adoptSocket } from './adopt-socket.ts'
import { type Answers, buildAnswers, type MockDialect, modelList, notFound } from './answers.ts'
import { type Behaviour, parseBehaviour } from './behaviour.ts'
import { type Due, TimerWheel } from './timer-wheel.ts'

export interface MockStats {
  requests: number
  streams: number
  /** Answers the client didn't wait for. */
  aborted: number
  connections: number
  open: number
}

/** What one request gets; shared by all requests that look the same. */
interface Plan {
  readonly behaviour: Behaviour
  readonly answers: Answers
  readonly stream: boolean
  readonly usage: boolean
}

/** Above this many unsent bytes a stream waits, as a real upstream's socket would make it. */
const WINDOW_BYTES = 1024 * 1024
const MEMO_LIMIT = 256

export interface Mock {
  readonly server: Server
  readonly stats: MockStats
  close(): Promise<void>
}

export function createMock(defaults: Behaviour): Mock {
  const stats: MockStats = { requests: 0, streams: 0, aborted: 0, connections: 0, open: 0 }
  const wheel = new TimerWheel()
  const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)
  const sockets = new Set<Socket>()
  const answersByBehaviour = new Map<string, Answers>()
  const plans = recentPlans(defaults, (behaviour, dialect) => {
    const key = dialect + JSON.stringify(behaviour)
    let answers = answersByBehaviour.get(key)
    if (answers === undefined) {
      if (answersByBehaviour.size >= MEMO_LIMIT) answersByBehaviour.clear()
      answers = buildAnswers(behaviour, dialect)
      answersByBehaviour.set(key, answers)
    }
    return answers
  })
  const models = modelList()
  const random = xorshift(0x9e3779b9)

  const server = createServer({ pauseOnConnect: true }, accepted => {
    let socket: Socket
    const exchange = new Exchange(wheel, stats, random)
    const reader = new RequestReader(request => {
      stats.requests++
      if (request.head.startsWith('GET ')) {
        socket.write(request.head.includes('/models') ? models : notFound('The mock knows /models and POST.'))
        return
      }
      const plan = plans(request)
      if (plan instanceof Error) socket.write(notFound(plan.message))
      else exchange.begin(plan, request.closeAfter)
    })
    socket = adoptSocket(accepted, readBuffer, length => {
      if (!reader.feed(readBuffer, length)) socket.destroy()
    })
    exchange.socket = socket
    socket.setNoDelay(true)
    sockets.add(socket)
    stats.connections++
    stats.open++
    // A reset by the peer needs no report: 'close' follows and ends the exchange.
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      sockets.delete(socket)
      stats.open--
      exchange.gone()
    })
  })
  return {
    server,
    stats,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

type Step = 'idle' | 'answer' | 'body' | 'events' | 'gone'

/** One per connection, reused: HTTP/1.1 without pipelining has one request at a time. */
class Exchange implements Due {
  socket!: Socket
  readonly #wheel: TimerWheel
  readonly #stats: MockStats
  readonly #random: () => number
  #step: Step = 'idle'
  #plan: Plan | null = null
  #next = 0
  /** When the present event was due. */
  #dueAt = 0
  #close = false
  #resetMidway = false

  constructor(wheel: TimerWheel, stats: MockStats, random: () => number) {
    this.#wheel = wheel
    this.#stats = stats
    this.#random = random
  }

  begin(plan: Plan, close: boolean): void {
    if (this.#step === 'gone') return
    this.#plan = plan
    this.#close = close
    this.#resetMidway = false
    this.#step = 'answer'
    if (plan.stream) this.#stats.streams++
    const { delay, jitter } = plan.behaviour
    const wait = jitter === 0 ? delay : delay + (this.#random() * 2 - 1) * jitter
    if (wait > 0) this.#wheel.add(this, wait)
    else this.onDue()
  }

  gone(): void {
    if (this.#step !== 'idle') this.#stats.aborted++
    this.#step = 'gone'
  }

  onDue(): void {
    if (this.#step === 'answer') this.#answer(this.#plan!)
    else if (this.#step === 'body') this.#body(this.#plan!)
    else if (this.#step === 'events') this.#event(this.#plan!)
  }

  #answer(plan: Plan): void {
    const { behaviour, answers } = plan
    switch (this.#fate(behaviour)) {
      case 'fail':
        this.#finish(answers.failed)
        return
      case 'limit':
        this.#finish(answers.limited)
        return
      case 'reset':
        this.#reset()
        return
      case 'reset-midway':
        this.#resetMidway = true
    }
    const spread = plan.stream && behaviour.every > 0
    if (behaviour.first === 0 && !spread && !this.#resetMidway) {
      this.#finish(plan.stream ? (plan.usage ? answers.streamWithUsage : answers.stream) : answers.whole)
      return
    }
    this.socket.write(plan.stream ? answers.streamHead : answers.head)
    this.#next = 0
    this.#step = spread ? 'events' : 'body'
    if (behaviour.first > 0) this.#dueAt = this.#wheel.add(this, behaviour.first)
    else {
      this.#dueAt = Math.ceil(performance.now())
      this.onDue()
    }
  }

  #fate({ errors, limited, resets }: Behaviour): 'serve' | 'fail' | 'limit' | 'reset' | 'reset-midway' {
    if (errors + limited + resets === 0) return 'serve'
    const dice = this.#random()
    if (dice < errors) return 'fail'
    if (dice < errors + limited) return 'limit'
    if (dice < errors + limited + resets / 2) return 'reset'
    return dice < errors + limited + resets ? 'reset-midway' : 'serve'
  }

  #body({ answers, stream, usage }: Plan): void {
    if (!stream) {
      if (this.#resetMidway) {
        this.socket.write(answers.body.subarray(0, answers.body.length >> 1))
        this.#reset()
      } else this.#finish(answers.body)
      return
    }
    const { events } = answers
    for (const event of this.#resetMidway ? events.slice(0, events.length >> 1) : events) this.socket.write(event)
    if (this.#resetMidway) this.#reset()
    else this.#finish(usage ? answers.streamEndWithUsage : answers.streamEnd)
  }

  #event(plan: Plan): void {
    const { events } = plan.answers
    if (this.#next === events.length) {
      this.#finish(plan.usage ? plan.answers.streamEndWithUsage : plan.answers.streamEnd)
    } else if (this.#resetMidway && this.#next >= events.length >> 1) this.#reset()
    else {
      if (this.socket.writableLength < WINDOW_BYTES) this.socket.write(events[this.#next++])
      this.#dueAt = this.#wheel.addAt(this, this.#dueAt + plan.behaviour.every)
    }
  }

  #finish(bytes: Buffer): void {
    this.#step = 'idle'
    if (this.#close) this.socket.end(bytes)
    else this.socket.write(bytes)
  }

  #reset(): void {
    this.#step = 'idle'
    this.socket.resetAndDestroy()
  }
}

type AnswersFor = (behaviour: Behaviour, dialect: MockDialect) => Answers

/** Requests of a load repeat byte for byte, so two remembered bodies spare nearly every `JSON.parse`. */
function recentPlans(defaults: Behaviour, answersFor: AnswersFor) {
  let newest: { path: string; body: Buffer; plan: Plan } | null = null
  let older = newest as { path: string; body: Buffer; plan: Plan } | null
  return (request: RawRequest): Plan | Error => {
    const pathEnd = request.head.indexOf(' ', 5)
    const path = request.head.slice(request.head.indexOf(' ') + 1, pathEnd)
    const { bytes, bodyStart, end } = request
    const matches = (entry: { path: string; body: Buffer }) =>
      entry.path === path && entry.body.length === end - bodyStart && entry.body.compare(bytes, bodyStart, end) === 0
    if (newest !== null && matches(newest)) return newest.plan
    if (older !== null && matches(older)) {
      const found = older
      older = newest
      newest = found
      return found.plan
    }
    const plan = planFor(path, bodyOf(request), defaults, answersFor)
    if (plan instanceof Error) return plan
    older = newest
    newest = { path, body: Buffer.from(bytes.subarray(bodyStart, end)), plan }
    return plan
  }
}

/** A path that ends in `/messages` is answered as Anthropic would. A path segment `/bench-…/` wins over the model name, which wins over the command line. */
function planFor(path: string, body: Buffer, defaults: Behaviour, answersFor: AnswersFor): Plan | Error {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    if (typeof parsed !== 'object' || parsed === null) return new Error('The body is not an object.')
    const request = parsed as { model?: unknown; stream?: unknown; stream_options?: { include_usage?: unknown } | null }
    const named = path.split('/').find(segment => segment.startsWith('bench-'))
    const behaviour =
      (named === undefined ? null : parseBehaviour(named, defaults)) ??
      (typeof request.model === 'string' ? parseBehaviour(request.model, defaults) : null) ??
      defaults
    return {
      behaviour,
      answers: answersFor(behaviour, path.endsWith('/messages') ? 'anthropic' : 'openai'),
      stream: request.stream === true,
      usage: request.stream_options?.include_usage === true,
    }
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** A repeatable stream of numbers in [0, 1): the same requests fail in every run. */
function xorshift(seed: number): () => number {
  let state = seed | 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4_294_967_296
  }
}
