import { failureAnswer, jsonHeaders } from '../core/answer.ts'
import { Bag, type Placed } from '../core/bag.ts'
import { Failure, type FailureKind } from '../core/failures.ts'
import { HeaderBlock } from '../core/header-block.ts'
import { isUnbounded } from '../core/paths.ts'
import type { ExchangeEvents, Reply, RequestHead, RequestListener } from '../downstream/engine.ts'
import { ringBell } from '../shared/doorbell.ts'
import {
  exchangeId,
  Flag,
  frameHeader,
  Kind,
  lengthUnit,
  mostUnits,
  type PairLayout,
  roster,
  Stage,
  slotBits,
  slotOf,
  ThreadState,
} from '../shared/layout.ts'
import { framesShownTogether, RingReader, RingWriter } from '../shared/ring.ts'
import { encodeRequestMeta, RequestMeta } from './request-meta.ts'

/**
 * The acceptor's end of the rings: requests become frames for a worker (or for main), answer frames become answers.
 * One file because slots, windows and what happens when a worker dies are one protocol; the other end is
 * `consumer-side.ts`, the frames are drawn in `shared/layout.ts`.
 */

/** Bodies are held here until this much of them came: one frame for nearly all, and slow senders occupy no worker. */
const holdBytes = 16 << 10
/** Upload bytes that may be on their way to a worker. */
const uploadWindow = 256 << 10
const maxPiece = 64 << 10
/** The worker gets its credit back in steps of this. */
const creditEvery = 64 << 10
/** Requests that may wait for room in a ring; one more is refused. */
const maxWaiting = 1024
/** … and for how long: a crash loop must not hold clients for ever. */
const longestWaitMs = 15_000

const encoder = new TextEncoder()
/** Shared by all exchanges that hold nothing; never written to. */
const none: Uint8Array[] = []

export interface AcceptorLimits {
  maxRequestBytes: number
  /** By path: bodies that may be longer, as uploads are. */
  uploadBytes: Readonly<Record<string, number>>
  /** A body must be complete after this, plus a second for each KiB that came. */
  bodyTimeoutMs: number
  /** How long a client may take nothing, per 64 KiB it is behind. */
  writeStallTimeoutMs: number
  /** Somebody reads client addresses: the limiter, or the log. To ask for one costs more than all else in a head. */
  wantsRemote: boolean
}

export interface AcceptorLinkOptions {
  readonly thread: number
  readonly roster: Int32Array
  readonly limits: AcceptorLimits
  readonly newRequestId: (traceparent: string, requestId: string) => string
  /** Whether main's heart beats; `/livez` fails without it. */
  readonly isMainAlive: () => boolean
  /** With the pipeline in this thread: what a worker would do when its bell rings. */
  readonly onOwnBell?: () => void
  /** Answered here, without a worker. */
  readonly onRefused: (failure: Failure, requestId: string, durationMs: number) => void
}

export class AcceptorLink {
  readonly options: AcceptorLinkOptions
  readonly #workers = new Map<number, Pair>()
  /** The pairs new requests may go to, in the order they came. */
  #choices: Pair[] = []
  #turn = 0
  #control: Pair | null = null
  #touched: Pair[] = []
  #flushing = false
  readonly #flush = (): void => this.flush()
  readonly #waiting = new Set<Exchange>()
  readonly #active = new Bag<Exchange>()
  /** Answers end their connections. */
  draining = false
  /** Nobody is served any more. */
  refusing = false
  unknownFrames = 0
  fullWaits = 0
  requeued = 0
  lost = 0

  constructor(options: AcceptorLinkOptions) {
    this.options = options
  }

  get inFlight(): number {
    return this.#active.size
  }

  readonly onRequest: RequestListener = (head, reply) => new Exchange(this, head, reply)

  addConsumer(thread: number, buffer: SharedArrayBuffer, layout: PairLayout, role: 'worker' | 'control'): void {
    const pair = new Pair(this, thread, buffer, layout)
    if (role === 'control') this.#control = pair
    else this.#workers.set(thread, pair)
    this.#choices = [...this.#workers.values()]
    this.#retryWaiting()
  }

  /** The worker is dead. What its ring had published is delivered; what had not reached an upstream goes to another worker. */
  removeConsumer(thread: number): void {
    const pair = this.#workers.get(thread)
    if (pair === undefined) return
    this.#workers.delete(thread)
    this.#choices = [...this.#workers.values()]
    pair.serve()
    for (const exchange of pair.takeAll()) exchange.workerLost(pair)
    this.flush()
  }

  /** For the thread's doorbell: frames from that consumer, or room towards it. */
  serve(thread: number): void {
    const pair = thread === 0 ? this.#control : this.#workers.get(thread)
    pair?.serve()
    if (this.#waiting.size > 0) this.#retryWaiting()
  }

  /** A live worker, the least loaded of this acceptor's; a suspect one only when there is no other. */
  choose(target: string): Pair | null {
    if (!target.startsWith('/v1/') && !target.startsWith('/openai/')) return this.#control
    const choices = this.#choices
    const { roster: words } = this.options
    let best: Pair | null = null
    let bestRank = Number.POSITIVE_INFINITY
    const start = this.#turn++
    for (let i = 0; i < choices.length; i++) {
      const pair = choices[(start + i) % choices.length]!
      const state = words[roster.state(pair.consumer)]!
      if (state === ThreadState.dead || state === ThreadState.empty) continue
      const rank = pair.inFlight + (state === ThreadState.live ? 0 : state === ThreadState.draining ? 2 << 24 : 1 << 24)
      if (rank < bestRank) {
        best = pair
        bestRank = rank
      }
    }
    return best
  }

  /** No room in the ring, or no worker yet. False: too many wait already. */
  wait(exchange: Exchange): boolean {
    if (this.#waiting.size >= maxWaiting) return false
    this.fullWaits++
    exchange.waitingSince ||= performance.now()
    this.#waiting.add(exchange)
    return true
  }

  forgetWaiting(exchange: Exchange): void {
    this.#waiting.delete(exchange)
  }

  #retryWaiting(): void {
    for (const exchange of [...this.#waiting]) {
      this.#waiting.delete(exchange)
      if (!exchange.dispatch()) return
    }
  }

  touch(pair: Pair): void {
    // Never to the thread's own other end, which would answer in the middle of what is going on here.
    if (pair.writer.unpublished >= framesShownTogether && pair.consumer !== this.options.thread) this.show(pair)
    if (pair.touched) return
    pair.touched = true
    this.#touched.push(pair)
    if (!this.#flushing) {
      this.#flushing = true
      setImmediate(this.#flush)
    }
  }

  flush(): void {
    this.#flushing = false
    if (this.#touched.length === 0) return
    const pairs = this.#touched
    this.#touched = []
    for (const pair of pairs) {
      pair.touched = false
      this.show(pair)
    }
  }

  /** All that was written for that consumer so far. */
  show(pair: Pair): void {
    if (pair.writer.publish()) this.ring(pair.consumer)
  }

  ring(consumer: number): void {
    if (consumer === this.options.thread) this.options.onOwnBell?.()
    else ringBell(this.options.roster, consumer, this.options.thread)
  }

  enter(exchange: Exchange): void {
    this.#active.add(exchange)
  }

  leave(exchange: Exchange): void {
    this.#active.delete(exchange)
  }

  /** Cuts clients that send or take too slowly. Called about once a second. */
  sweep(nowMs: number): void {
    for (const exchange of this.#active.all()) exchange.checkDeadlines(nowMs)
    if (this.#waiting.size > 0) this.#retryWaiting()
    for (const exchange of [...this.#waiting]) {
      if (nowMs - exchange.waitingSince > longestWaitMs) exchange.fail('overloaded')
    }
  }

  /** Ends everything at once, as kindly as each exchange's state allows. For a thread that is about to end. */
  failAll(kind: FailureKind): void {
    for (const exchange of this.#active.all()) exchange.fail(kind)
  }
}

class Pair {
  readonly link: AcceptorLink
  readonly consumer: number
  readonly writer: RingWriter
  readonly stages: Int32Array
  readonly #reader: RingReader
  /** By slot. Grows as slots come into use: most pairs never see the most that may be open at once. */
  readonly #exchanges: (Exchange | null)[] = []
  readonly #generations: Uint32Array
  /** Slots that were in use before. */
  readonly #free: number[] = []
  inFlight = 0
  touched = false
  /** Exchanges with body pieces or control frames that found no room. */
  readonly blocked = new Set<Exchange>()

  constructor(link: AcceptorLink, consumer: number, buffer: SharedArrayBuffer, layout: PairLayout) {
    this.link = link
    this.consumer = consumer
    this.writer = new RingWriter(buffer, layout.requests)
    this.#reader = new RingReader(buffer, layout.responses)
    this.stages = new Int32Array(buffer, layout.stages * 4, layout.slots)
    this.#generations = new Uint32Array(layout.slots)
  }

  /** An id for the exchange, or -1 when all are taken. */
  open(exchange: Exchange): number {
    const slot = this.#free.pop() ?? this.#exchanges.length
    if (slot === this.stages.length) return -1
    this.inFlight++
    this.#exchanges[slot] = exchange
    const generation = (this.#generations[slot]! + 1) & ((1 << (32 - slotBits)) - 1)
    this.#generations[slot] = generation
    this.stages[slot] = Stage.queued
    return exchangeId(slot, generation)
  }

  close(id: number): void {
    const slot = slotOf(id)
    this.inFlight--
    this.#exchanges[slot] = null
    this.stages[slot] = Stage.free
    this.#free.push(slot)
  }

  takeAll(): Exchange[] {
    const taken = this.#exchanges.filter(exchange => exchange !== null)
    this.#exchanges.fill(null)
    this.inFlight = 0
    this.blocked.clear()
    return taken
  }

  serve(): void {
    const reader = this.#reader
    while (reader.next()) {
      const exchange = this.#exchanges[slotOf(reader.id)] ?? null
      if (exchange === null || exchange.id !== reader.id) {
        this.link.unknownFrames++
        continue
      }
      switch (reader.kind) {
        case Kind.head: {
          const length = reader.word(reader.meta)
          const headers = reader.bytes.subarray(reader.meta + 4, reader.meta + reader.metaLength)
          if ((reader.flags & Flag.last) !== 0) {
            exchange.onWhole(
              reader.code,
              headers,
              reader.bytes.subarray(reader.payload, reader.payload + reader.payloadLength),
            )
          } else exchange.onHead(reader.code, headers, length === 0xffffffff ? -1 : length, reader.flags)
          break
        }
        case Kind.chunk:
          exchange.onChunk(reader.bytes.subarray(reader.payload, reader.payload + reader.payloadLength))
          break
        case Kind.end:
          exchange.onEnd()
          break
        case Kind.abort:
          exchange.onAbort()
          break
        case Kind.ack:
          exchange.onAck(reader.metaLength)
          break
      }
    }
    if (reader.release()) this.link.ring(this.consumer)
    if (this.blocked.size > 0) this.#unblock()
  }

  #unblock(): void {
    for (const exchange of [...this.blocked]) {
      this.blocked.delete(exchange)
      if (!exchange.flushBlocked()) {
        this.blocked.add(exchange)
        return
      }
    }
  }

  block(exchange: Exchange): void {
    this.link.fullWaits++
    this.blocked.add(exchange)
    this.link.touch(this)
    if (!this.writer.wantSpace()) setImmediate(() => this.serve())
  }
}

/** Reading the body (held here), with a worker, answered. */
const reading = 0
const dispatched = 1
const over = 2

class Exchange implements ExchangeEvents, Placed {
  readonly #link: AcceptorLink
  readonly #reply: Reply
  /** The head as it goes into the REQUEST frame. */
  readonly #meta: string
  readonly #target: string
  readonly #requestId: string
  readonly #startedAt = performance.now()
  #state = reading
  #pair: Pair | null = null
  id = 0
  /** Among the link's active exchanges; -1 = not there any more. */
  place = -1
  /** Since when it waits for a worker with room; 0 = it never did. */
  waitingSince = 0
  /** Where the REQUEST frame stands in the ring, when it holds the whole request: it can be sent again from there. */
  #frameCursor = 0
  #frameBytes = 0
  #repeatable = false
  /** A worker died after it took this: perhaps of it, so at most one more is risked. */
  #hasCostAWorker = false

  // The body on its way in.
  #held: Uint8Array[] = none
  #heldBytes = 0
  #bodyBytes = 0
  /** Of the body, as announced: in `lengthUnit`s, rounded up; 0 = the client has not said. */
  readonly #bodyUnits: number
  #bodyDone = false
  #paused = false
  #unacked = 0

  // The answer on its way out.
  #headSent = false
  #events = false
  #endsClean = true
  /** Bytes written since the last credit. */
  #taken = 0
  #stalled = false
  #stalledAt = 0
  #stalledBytes = 0
  #gone = false
  #cancelPending = false
  #creditPending = 0

  constructor(link: AcceptorLink, head: RequestHead, reply: Reply) {
    this.#link = link
    this.#reply = reply
    this.#target = head.target
    this.#requestId = ''
    this.#meta = ''
    this.#bodyUnits = head.bodyLength > 0 ? Math.min(mostUnits, Math.ceil(head.bodyLength / lengthUnit)) : 0
    link.enter(this)
    if (isLiveness(head.target)) {
      this.#requestId = link.options.newRequestId(head.header('traceparent'), head.header('x-request-id'))
      this.#answerLiveness(head.method)
      return
    }
    const remote = link.options.limits.wantsRemote ? head.remoteAddress : ''
    this.#meta = encodeRequestMeta(head, remote)
    if (!this.#allows(head.bodyLength)) {
      this.#requestId = link.options.newRequestId(head.header('traceparent'), head.header('x-request-id'))
      this.fail('request_too_large', true)
    } else if (link.refusing) this.fail('draining', true)
  }

  /** Whether its body may have so many bytes. Nearly all have few: the path is looked at only for the others. */
  #allows(bytes: number): boolean {
    const { maxRequestBytes, uploadBytes } = this.#link.options.limits
    if (bytes <= maxRequestBytes) return true
    const query = this.#target.indexOf('?')
    const path = query < 0 ? this.#target : this.#target.slice(0, query)
    return isUnbounded(this.#target) || (Object.hasOwn(uploadBytes, path) && bytes <= uploadBytes[path]!)
  }

  #answerLiveness(method: string): void {
    const alive = this.#link.options.isMainAlive()
    if (method !== 'GET' && method !== 'HEAD') {
      this.#refuse(
        new Failure('method_not_supported', {
          message: 'Only GET, HEAD requests are accepted on /livez.',
          allow: 'GET, HEAD',
        }),
        true,
      )
      return
    }
    const body = encoder.encode(alive ? '{"status":"ok"}\n' : '{"status":"stalled"}\n')
    this.#leave()
    this.#reply.whole(
      alive ? 200 : 503,
      new HeaderBlock(this.#requestId, jsonHeaders, '').toBuffer(),
      body,
      this.#link.draining,
    )
  }

  // From the client.

  onBody(chunk: Uint8Array, last: boolean): void {
    if (this.#state === over) return
    this.#bodyBytes += chunk.length
    if (!this.#allows(this.#bodyBytes)) {
      this.fail('request_too_large', true)
      return
    }
    this.#bodyDone = last
    if (this.#state === dispatched) {
      this.#sendBody(chunk, last)
      return
    }
    if (this.#heldBytes === 0 && (last || chunk.length >= holdBytes)) {
      // The usual case, the whole body in one piece, or much of it: straight from the socket's buffer into the ring.
      if (!this.#dispatch(chunk, last)) this.#hold(chunk)
      return
    }
    this.#hold(chunk)
    if (last || this.#heldBytes >= holdBytes) this.dispatch()
  }

  #keep(chunk: Uint8Array): void {
    if (this.#held === none) this.#held = []
    this.#held.push(Buffer.from(chunk))
  }

  #hold(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#keep(chunk)
    this.#heldBytes += chunk.length
  }

  /** Hands the request to a worker. False: it waits (or was refused, which also ends the caller's round). */
  dispatch(): boolean {
    if (this.#state !== reading) return true
    const body = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held)
    // Given up before: what does not fit into the first frame, or finds no room, is held anew.
    this.#held = none
    this.#heldBytes = 0
    if (this.#dispatch(body, this.#bodyDone)) {
      this.#resume()
      return true
    }
    if (this.#state === reading) this.#hold(body)
    return false
  }

  #dispatch(body: Uint8Array, last: boolean): boolean {
    const link = this.#link
    const pair = link.choose(this.#target)
    if (pair === null) return this.#waitOrRefuse()
    const id = pair.open(this)
    if (id < 0) return this.#waitOrRefuse()
    const { writer } = pair
    const metaLength = Buffer.byteLength(this.#meta)
    const most = Math.min(maxPiece, writer.maxFrame - frameHeader)
    if (metaLength > most) {
      if (metaLength > 2 * writer.maxFrame) {
        // It would wait for a room that never comes.
        pair.close(id)
        this.fail('head_too_large', true)
        return false
      }
      if (this.#dispatchLongHead(pair, id, body, last)) return true
      // Its first pieces may be in the ring already; the consumer learns that they are void.
      const at = writer.reserve(id, Kind.cancel, 0, 0, 0, 0, true)
      if (at >= 0) writer.commit()
      return this.#waitOrRefuse(pair, id)
    }
    const first = Math.min(body.length, most - metaLength)
    const whole = first === body.length && last
    const cursor = writer.cursor
    const flags = (whole ? Flag.last : 0) | (metaLength === this.#meta.length ? Flag.ascii : 0)
    const at = writer.reserve(id, Kind.request, flags, whole ? 0 : this.#bodyUnits, metaLength, first)
    if (at < 0) return this.#waitOrRefuse(pair, id)
    writer.bytes.utf8Write(this.#meta, at)
    writer.put(at + metaLength, first === body.length ? body : body.subarray(0, first))
    // A frame that skipped to the ring's start begins there, not at the cursor.
    this.#frameCursor = cursor
    this.#frameBytes = at
    writer.commit()
    this.#repeatable = whole
    this.#begin(pair, id)
    if (!whole) {
      this.#unacked += first
      this.#sendBody(body.subarray(first), last)
    }
    return true
  }

  #dispatchLongHead(pair: Pair, id: number, body: Uint8Array, last: boolean): boolean {
    const { writer } = pair
    const meta = encoder.encode(this.#meta)
    const most = Math.min(maxPiece, writer.maxFrame - frameHeader)
    let done = 0
    while (meta.length - done > most) {
      const at = writer.reserve(id, Kind.requestPart, 0, 0, most, 0)
      if (at < 0) return false
      writer.put(at, meta.subarray(done, done + most))
      writer.commit()
      done += most
    }
    const at = writer.reserve(id, Kind.request, 0, this.#bodyUnits, meta.length - done, 0)
    if (at < 0) return false
    writer.put(at, meta.subarray(done))
    writer.commit()
    this.#begin(pair, id)
    this.#sendBody(body, last)
    return true
  }

  #begin(pair: Pair, id: number): void {
    this.#pair = pair
    this.id = id
    this.#state = dispatched
    this.#link.touch(pair)
  }

  #waitOrRefuse(pair?: Pair, id = 0): false {
    if (pair !== undefined) {
      pair.close(id)
      this.#link.touch(pair)
      if (!pair.writer.wantSpace()) setImmediate(() => this.#link.serve(pair.consumer))
    }
    if (!this.#paused) {
      this.#paused = true
      this.#reply.pauseBody()
    }
    if (!this.#link.wait(this)) this.fail('overloaded')
    return false
  }

  #sendBody(chunk: Uint8Array, last: boolean): void {
    const pair = this.#pair!
    const { writer } = pair
    const most = Math.min(maxPiece, writer.maxFrame - frameHeader)
    if (this.#held.length > 0) {
      this.#hold(chunk)
      return
    }
    let done = 0
    do {
      const size = Math.min(most, chunk.length - done)
      const end = last && done + size === chunk.length
      const at = writer.reserve(this.id, Kind.body, end ? Flag.last : 0, 0, 0, size)
      if (at < 0) {
        // A body of no bytes still has to say that it ended.
        this.#keep(chunk.subarray(done))
        this.#heldBytes += chunk.length - done
        pair.block(this)
        break
      }
      writer.put(at, size === chunk.length ? chunk : chunk.subarray(done, done + size))
      writer.commit()
      done += size
      this.#unacked += size
    } while (done < chunk.length)
    this.#link.touch(pair)
    if (!this.#paused && !last && (this.#held.length > 0 || this.#unacked >= uploadWindow)) {
      this.#paused = true
      this.#reply.pauseBody()
    }
  }

  onDrain(): void {
    if (this.#state === over) return
    this.#stalled = false
    this.#credit(true)
  }

  onClosed(): void {
    if (this.#gone) return
    this.#gone = true
    if (this.#state === dispatched) {
      // The slot stays taken until the worker has ended the exchange too.
      this.#control()
      this.#leave()
      return
    }
    this.#link.forgetWaiting(this)
    this.#leave()
    this.#state = over
  }

  #control(): void {
    this.#cancelPending = true
    this.flushBlocked()
  }

  /** Sends what found no room. Returns false when there is still none. */
  flushBlocked(): boolean {
    const pair = this.#pair
    if (pair === null || this.#state !== dispatched) return true
    if (this.#cancelPending) {
      this.#held = none
      const at = pair.writer.reserve(this.id, Kind.cancel, 0, 0, 0, 0, true)
      if (at < 0) return this.#stillBlocked(pair)
      pair.writer.commit()
      this.#cancelPending = false
      this.#link.touch(pair)
      // At once, not at the end of the turn: the upstream call it ends costs money.
      this.#link.show(pair)
      return true
    }
    if (this.#creditPending > 0) {
      const at = pair.writer.reserve(this.id, Kind.drained, 0, 0, 0, 0, true)
      if (at < 0) return this.#stillBlocked(pair)
      pair.writer.setWord(at - 4, this.#creditPending)
      pair.writer.commit()
      this.#creditPending = 0
      this.#link.touch(pair)
    }
    if (this.#held.length > 0) {
      const held = Buffer.concat(this.#held)
      this.#held = none
      this.#heldBytes = 0
      this.#sendBody(held, this.#bodyDone)
      // `#sendBody` has blocked this exchange again if need be.
      if (this.#held.length > 0) return true
      this.#resume()
    }
    return true
  }

  #stillBlocked(pair: Pair): boolean {
    pair.block(this)
    return true
  }

  #resume(): void {
    if (this.#paused && !this.#bodyDone && this.#held.length === 0 && this.#unacked < uploadWindow / 2) {
      this.#paused = false
      this.#reply.resumeBody()
    }
  }

  // From the worker.

  onAck(bytes: number): void {
    this.#unacked -= bytes
    this.#resume()
  }

  onWhole(status: number, headers: Uint8Array, body: Uint8Array): void {
    this.#finish()
    if (this.#gone) return
    this.#gone = true
    this.#reply.whole(status, headers, body, this.#closing())
  }

  onHead(status: number, headers: Uint8Array, length: number, flags: number): void {
    if (this.#gone) return
    this.#headSent = true
    this.#events = (flags & Flag.events) !== 0
    this.#reply.head(status, headers, length, this.#closing())
  }

  /** An answer that overtook the rest of the upload leaves bytes on the connection that nobody wants to read. */
  #closing(): boolean {
    return this.#link.draining || !this.#bodyDone
  }

  onChunk(chunk: Uint8Array): void {
    if (this.#gone) return
    this.#taken += chunk.length
    this.#endsClean = chunk[chunk.length - 1] === 0x0a
    if (this.#reply.write(chunk)) {
      if (this.#taken >= creditEvery) this.#credit(false)
    } else if (this.#stalled) {
      this.#stalledBytes += chunk.length
    } else {
      this.#stalled = true
      this.#stalledAt = performance.now()
      this.#stalledBytes = chunk.length
    }
  }

  #credit(force: boolean): void {
    if (this.#state !== dispatched || this.#taken === 0 || (!force && this.#taken < creditEvery)) return
    this.#creditPending += this.#taken
    this.#taken = 0
    this.flushBlocked()
  }

  onEnd(): void {
    this.#finish()
    if (this.#gone) return
    this.#gone = true
    this.#reply.end()
  }

  onAbort(): void {
    this.#finish()
    if (this.#gone) return
    this.#gone = true
    this.#reply.abort()
  }

  /** The exchange has ended on both sides; its slot is free. */
  #finish(): void {
    const pair = this.#pair
    if (pair !== null) {
      if (pair.blocked.size > 0) pair.blocked.delete(this)
      pair.close(this.id)
    }
    this.#leave()
    this.#state = over
  }

  #leave(): void {
    this.#link.leave(this)
  }

  // When things go wrong.

  /** The worker died. Its rings are gone; whatever it had published for this exchange was already delivered. */
  workerLost(pair: Pair): void {
    const stage = pair.stages[slotOf(this.id)]!
    this.#pair = null
    if (this.#gone) {
      this.#leave()
      this.#state = over
      return
    }
    const untouched = stage === Stage.queued || (stage === Stage.taken && !this.#hasCostAWorker)
    this.#hasCostAWorker ||= stage === Stage.taken
    if (untouched && this.#repeatable && !this.#headSent && pair.writer.stillHolds(this.#frameCursor)) {
      const at = this.#frameBytes
      const header = (at - frameHeader) >> 2
      const words = new Uint32Array(
        pair.writer.bytes.buffer,
        pair.writer.bytes.byteOffset,
        pair.writer.bytes.byteLength >> 2,
      )
      const body = Buffer.from(pair.writer.bytes.subarray(at + words[header + 3]!, at - frameHeader + words[header]!))
      this.#state = reading
      this.#held = [body]
      this.#heldBytes = body.length
      this.#link.requeued++
      this.dispatch()
      return
    }
    this.#link.lost++
    this.fail('worker_lost')
  }

  /** Ends the exchange as kindly as its state allows: an error answer, an error event, or a cut connection. */
  fail(kind: FailureKind, close = false): void {
    if (this.#state === over) return
    const started = this.#headSent
    const wasGone = this.#gone
    this.#gone = true
    if (this.#state === dispatched && this.#pair !== null) this.#control()
    else this.#state = over
    this.#link.forgetWaiting(this)
    this.#held = none
    this.#leave()
    if (wasGone) return
    const failure = new Failure(kind)
    if (!started) {
      this.#refuse(failure, close || !this.#bodyDone)
    } else if (this.#events) {
      const event = `${this.#endsClean ? '' : '\n\n'}data: ${JSON.stringify({ error: { message: failure.message, type: 'stream_error', code: failure.code } })}\n\n`
      this.#reply.write(encoder.encode(event))
      this.#reply.end()
    } else this.#reply.abort()
  }

  #refuse(failure: Failure, close: boolean): void {
    const requestId = this.#requestId || requestIdIn(this.#meta, this.#link)
    this.#link.options.onRefused(failure, requestId, performance.now() - this.#startedAt)
    this.#leave()
    if (this.#state !== dispatched) this.#state = over
    this.#gone = true
    const answer = failureAnswer(failure, requestId)
    this.#reply.whole(
      answer.status,
      answer.headers.toBuffer(),
      encoder.encode(answer.body),
      close || this.#link.draining,
    )
  }

  checkDeadlines(nowMs: number): void {
    const { bodyTimeoutMs, writeStallTimeoutMs } = this.#link.options.limits
    if (!this.#bodyDone && !this.#paused && this.#state !== over) {
      if (nowMs - this.#startedAt > bodyTimeoutMs + this.#bodyBytes) {
        this.fail('request_timeout', true)
        return
      }
    }
    if (this.#stalled && nowMs - this.#stalledAt > writeStallTimeoutMs * Math.max(1, this.#stalledBytes / 65_536)) {
      this.#gone = true
      if (this.#state === dispatched) this.#control()
      this.#leave()
      this.#reply.abort()
    }
  }
}

const isLiveness = (target: string): boolean => target === '/livez' || target.startsWith('/livez?')

/** The id rules need headers that are gone by now; the meta text still has them. */
function requestIdIn(text: string, link: AcceptorLink): string {
  const meta = new RequestMeta(text)
  return link.options.newRequestId(meta.header('traceparent'), meta.header('x-request-id'))
}
