import { Failure } from '../../core/failures.ts'
import type { Deadlines } from '../deadlines.ts'
import type {
  Origin,
  OriginOptions,
  PreparedHead,
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
} from '../upstream.ts'
import { Http1Call } from './call.ts'
import { Connection } from './connection.ts'
import { Dialer } from './dial.ts'
import { Http1Head } from './request.ts'
import { ResponseHead } from './response-head.ts'

const idleSweepMs = 1000
/** Answers that come in one piece share one; streams have one each while they last. */
const mostSpareHeads = 16

/**
 * The connections of one origin. Free ones are a stack: the last one used is the warmest and the least likely to have
 * been closed, and those that a quieter hour doesn't need sink to the bottom and age out.
 */
export class Http1Origin implements Origin {
  readonly url: string
  readonly options: OriginOptions
  readonly #host: string
  readonly #dialer: Dialer
  readonly #deadlines: Deadlines
  readonly #idle: Connection[] = []
  readonly #heads: ResponseHead[] = []
  /** In order of arrival; a Set, as a call that is cancelled leaves from the middle. */
  readonly #queue = new Set<Http1Call>()
  #open = 0
  #opened = 0
  #reused = 0
  #isClosing = false
  #idleTimer: NodeJS.Timeout | null = null

  constructor(options: OriginOptions, deadlines: Deadlines) {
    const url = new URL(options.url)
    this.url = options.url
    this.options = options
    this.#host = url.host
    this.#dialer = new Dialer(url, options)
    this.#deadlines = deadlines
  }

  get nowMs(): number {
    return this.#deadlines.nowMs
  }

  prepare(method: string, path: string, headers: readonly (readonly [string, string])[]): PreparedHead {
    return new Http1Head(this.#host, method, path, headers)
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const nowMs = this.#deadlines.refresh()
    const sent = request.uploadBytes === undefined ? request : framed(request)
    const call = new Http1Call(this, this.#deadlines, sent, handler)
    if (this.#isClosing) call.fail('upstream_unreachable', 'the connections of this origin are being closed')
    else this.#assign(call, nowMs)
    return call
  }

  stats(): { open: number; idle: number; queued: number; opened: number; reused: number } {
    return {
      open: this.#open,
      idle: this.#idle.length,
      queued: this.#queue.size,
      opened: this.#opened,
      reused: this.#reused,
    }
  }

  /** Idle connections end now, the others with their call. */
  close(): void {
    this.#isClosing = true
    for (const connection of this.#idle.splice(0)) connection.close()
  }

  /** Every call is over, and its connection went with it: what could be left is idle. */
  async destroy(): Promise<void> {
    this.close()
  }

  // What connections and calls ask for.

  /** An empty one, for a response that begins. */
  lendHead(): ResponseHead {
    const head = this.#heads.pop()
    if (head === undefined) return new ResponseHead(this.options.maxHeadBytes)
    head.reset()
    return head
  }

  /** Its call is over. */
  takeBack(head: ResponseHead): void {
    if (!head.isDetached && this.#heads.length < mostSpareHeads) this.#heads.push(head)
  }

  // What they tell.

  released(connection: Connection): void {
    if (this.#isClosing || !connection.isFresh(this.nowMs)) {
      connection.close()
      return
    }
    const waiting = this.#shift()
    if (waiting === null) this.#idle.push(connection)
    else this.#reuse(connection, waiting)
  }

  closed(connection: Connection): void {
    this.#open--
    const index = this.#idle.lastIndexOf(connection)
    if (index >= 0) this.#idle.splice(index, 1)
    if (this.#open === 0 && this.#idleTimer !== null) {
      clearInterval(this.#idleTimer)
      this.#idleTimer = null
    }
    while (this.#queue.size > 0 && this.#open < this.options.maxConnections) this.#dial(this.#shift()!)
  }

  /** The reused connection of this call was dead: once more, on a fresh one. */
  repeat(call: Http1Call): void {
    call.connection = null
    this.#dial(call)
  }

  dequeue(call: Http1Call): void {
    this.#queue.delete(call)
  }

  #assign(call: Http1Call, nowMs: number): void {
    // What can't be sent again gets no connection that may be stale, if there is a choice.
    if (call.isUpload && this.#open < this.options.maxConnections) {
      this.#dial(call)
      return
    }
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isFresh(nowMs)) {
        this.#reuse(connection, call)
        return
      }
      connection.close()
    }
    if (this.#open < this.options.maxConnections) {
      this.#dial(call)
      return
    }
    if (this.#queue.size >= this.options.maxQueue) {
      call.failWith(
        new Failure('provider_saturated', { cause: `${this.#queue.size} requests wait for ${this.#open} connections` }),
      )
      return
    }
    call.keepBytes()
    call.waitFor(this.options.connectTimeoutMs)
    this.#queue.add(call)
  }

  #reuse(connection: Connection, call: Http1Call): void {
    this.#reused++
    call.connection = connection
    connection.send(call)
  }

  #dial(call: Http1Call): void {
    call.keepBytes()
    call.waitFor(this.options.connectTimeoutMs)
    try {
      call.connection = new Connection(this, this.#dialer, call, this.nowMs)
    } catch (error) {
      call.fail('upstream_unreachable', (error as Error).message)
      return
    }
    this.#open++
    this.#opened++
    this.#idleTimer ??= setInterval(() => this.#closeAged(), idleSweepMs).unref()
  }

  #shift(): Http1Call | null {
    for (const call of this.#queue) {
      this.#queue.delete(call)
      return call
    }
    return null
  }

  #closeAged(): void {
    const nowMs = this.#deadlines.refresh()
    for (const connection of this.#idle.filter(each => !each.isFresh(nowMs))) connection.close()
  }
}

/** An upload's head says how its body will be framed. */
function framed(request: UpstreamRequest): UpstreamRequest {
  const bytes = request.uploadBytes!
  const framing = bytes < 0 ? 'transfer-encoding: chunked' : `content-length: ${bytes}`
  return { ...request, extraHeaders: `${framing}\r\n${request.extraHeaders}` }
}
