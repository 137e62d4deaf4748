import type { HeaderBlock } from '../core/header-block.ts'
import type { Accept, ForwardedHeader, Incoming, IncomingListener } from '../core/incoming.ts'
import { ringBell } from '../shared/doorbell.ts'
import { beat } from '../shared/heartbeat.ts'
import { Flag, frameHeader, Kind, lengthUnit, type PairLayout, Stage, slotOf } from '../shared/layout.ts'
import { framesShownTogether, RingReader, RingWriter } from '../shared/ring.ts'
import { RequestMeta } from './request-meta.ts'

/**
 * The consumer's end of the rings (a worker's, or main's for the control routes): turns REQUEST frames into `Incoming`s
 * and answers into frames. One file because frames, window and slots are one protocol; the other end is
 * `acceptor-side.ts`, the frames are drawn in `shared/layout.ts`.
 */

/** Bytes of an answer the client may be behind before its upstream is paused. */
const window = 256 << 10
/** Largest piece of a body in one frame. */
const maxChunk = 64 << 10
/**
 * The events of all streams together wake an acceptor at most once in this time: a wake-up costs as much as it takes to
 * send an event, and a hundred streams have one every 200 µs. Who is alone is never kept waiting.
 */
const eventsEveryMs = 1
/** A frame is taken in some 50 µs, or ten times that where the CPU is fought over. */
const beatEveryFrames = 16
/** Upload bytes after which the acceptor gets its credit back. */
const ackEvery = 64 << 10

export class ConsumerLink {
  readonly #thread: number
  readonly #roster: Int32Array
  readonly #accept: Accept
  readonly #pairs = new Map<number, Pair>()
  #touched: Pair[] = []
  #flushing = false
  readonly #flush = (): void => this.flush()
  /** Pairs whose events wait for the next wake-up. */
  #waiting: Pair[] = []
  readonly #showWaiting = (): void => this.#showThoseWaiting()
  /** Exchanges under way. */
  inFlight = 0
  /** Frames that named an exchange which has ended; harmless, counted. */
  unknownFrames = 0
  /** Times an answer had to wait for room in a ring. */
  fullWaits = 0

  readonly #onOwnBell: (() => void) | null

  /** `onOwnBell`: in a thread that is both ends, what the acceptor's side does when its bell rings. */
  constructor(thread: number, roster: Int32Array, accept: Accept, onOwnBell: (() => void) | null = null) {
    this.#onOwnBell = onOwnBell
    this.#thread = thread
    this.#roster = roster
    this.#accept = accept
  }

  addAcceptor(acceptor: number, buffer: SharedArrayBuffer, layout: PairLayout): void {
    this.#pairs.set(acceptor, new Pair(this, acceptor, buffer, layout, this.#accept))
    // The acceptor may know of the rings first; a bell it rang then found nobody.
    this.serve(acceptor)
  }

  /** The acceptor ended: what it had under way is over. */
  removeAcceptor(acceptor: number): void {
    const pair = this.#pairs.get(acceptor)
    if (pair === undefined) return
    this.#pairs.delete(acceptor)
    pair.dispose()
  }

  /** For the thread's doorbell: frames from `acceptor`, or room towards it. */
  serve(acceptor: number): void {
    const pair = this.#pairs.get(acceptor)
    if (pair === undefined) return
    pair.serve()
    this.flush()
  }

  /** A pair has frames to show; they are shown together at the end of this turn of the loop. */
  touch(pair: Pair): void {
    // Never to the thread's own other end, which would ask in the middle of what is going on here.
    if (pair.writer.unpublished >= framesShownTogether && pair.acceptor !== this.#thread) this.#show(pair)
    if (pair.touched) return
    pair.touched = true
    this.#touched.push(pair)
    if (!this.#flushing) {
      this.#flushing = true
      setImmediate(this.#flush)
    }
  }

  /** The same for events of a stream that has begun: they may wait for those of others. */
  touchSoon(pair: Pair): void {
    if (pair.touched || pair.isWaiting) return
    if (pair.acceptor === this.#thread || performance.now() - pair.rungAt >= eventsEveryMs) {
      this.touch(pair)
      return
    }
    pair.isWaiting = true
    if (this.#waiting.push(pair) === 1) setTimeout(this.#showWaiting, eventsEveryMs)
  }

  #showThoseWaiting(): void {
    const pairs = this.#waiting
    this.#waiting = []
    // Or they have gone out meanwhile, with something that could not wait.
    for (const pair of pairs) if (pair.isWaiting) this.#show(pair)
  }

  flush(): void {
    this.#flushing = false
    if (this.#touched.length === 0) return
    const pairs = this.#touched
    this.#touched = []
    for (const pair of pairs) {
      pair.touched = false
      this.#show(pair)
    }
  }

  /** All that was written for that acceptor so far. */
  #show(pair: Pair): void {
    pair.isWaiting = false
    if (!pair.writer.publish()) return
    this.showLife()
    pair.rungAt = performance.now()
    this.ring(pair.acceptor)
  }

  showLife(): void {
    beat(this.#roster, this.#thread)
  }

  ring(acceptor: number): void {
    if (acceptor === this.#thread) this.#onOwnBell?.()
    else ringBell(this.#roster, acceptor, this.#thread)
  }
}

class Pair {
  readonly link: ConsumerLink
  readonly acceptor: number
  readonly writer: RingWriter
  readonly stages: Int32Array
  readonly #reader: RingReader
  readonly #accept: Accept
  /** By slot. Grows as slots come into use: most pairs never see the most that may be open at once. */
  readonly #exchanges: (RingExchange | null)[] = []
  /** Pieces of heads too long for one frame, by exchange id. */
  readonly #parts = new Map<number, Buffer[]>()
  /** Exchanges with something that did not fit into the ring, in order. */
  readonly #blocked = new Set<RingExchange>()
  touched = false
  /** It has events that nothing has shown yet. */
  isWaiting = false
  /** When its acceptor was last woken. */
  rungAt = 0

  constructor(link: ConsumerLink, acceptor: number, buffer: SharedArrayBuffer, layout: PairLayout, accept: Accept) {
    this.link = link
    this.acceptor = acceptor
    this.#accept = accept
    this.#reader = new RingReader(buffer, layout.requests)
    this.writer = new RingWriter(buffer, layout.responses)
    this.stages = new Int32Array(buffer, layout.stages * 4, layout.slots)
  }

  serve(): void {
    const reader = this.#reader
    for (let frames = 1; reader.next(); frames++) {
      if (frames % beatEveryFrames === 0) this.link.showLife()
      switch (reader.kind) {
        case Kind.request:
          this.#request()
          break
        case Kind.requestPart: {
          const parts = this.#parts.get(reader.id) ?? []
          parts.push(Buffer.from(reader.bytes.subarray(reader.meta, reader.meta + reader.metaLength)))
          this.#parts.set(reader.id, parts)
          break
        }
        case Kind.body: {
          const exchange = this.#find(reader.id)
          if (exchange === null) break
          const chunk = reader.bytes.subarray(reader.payload, reader.payload + reader.payloadLength)
          exchange.takeBody(chunk, (reader.flags & Flag.last) !== 0)
          break
        }
        case Kind.cancel:
          this.#parts.delete(reader.id)
          this.#find(reader.id)?.cancel()
          break
        case Kind.drained:
          this.#find(reader.id)?.credit(reader.metaLength)
          break
      }
    }
    if (reader.release()) this.link.ring(this.acceptor)
    if (this.#blocked.size > 0) this.#unblock()
  }

  #find(id: number): RingExchange | null {
    const exchange = this.#exchanges[slotOf(id)] ?? null
    if (exchange !== null && exchange.id === id) return exchange
    this.link.unknownFrames++
    return null
  }

  #request(): void {
    const reader = this.#reader
    const { id } = reader
    const slot = slotOf(id)
    this.stages[slot] = Stage.taken
    let text: string
    const parts = this.#parts.size > 0 ? this.#parts.get(id) : undefined
    if (parts === undefined) {
      const end = reader.meta + reader.metaLength
      const isAscii = (reader.flags & Flag.ascii) !== 0
      text = isAscii ? reader.bytes.latin1Slice(reader.meta, end) : reader.bytes.utf8Slice(reader.meta, end)
    } else {
      this.#parts.delete(id)
      parts.push(reader.bytes.subarray(reader.meta, reader.meta + reader.metaLength))
      text = Buffer.concat(parts).toString('utf8')
    }
    const exchange = new RingExchange(this, id, new RequestMeta(text), reader.code * lengthUnit)
    // One that was held up may come after later ones.
    while (this.#exchanges.length < slot) this.#exchanges.push(null)
    this.#exchanges[slot] = exchange
    this.link.inFlight++
    const last = (reader.flags & Flag.last) !== 0
    const { payload, payloadLength } = reader
    exchange.listener = this.#accept(exchange)
    if (payloadLength > 0 || last) exchange.takeBody(reader.bytes.subarray(payload, payload + payloadLength), last)
  }

  /** The exchange sent its last frame. */
  forget(exchange: RingExchange): void {
    if (this.#blocked.size > 0) this.#blocked.delete(exchange)
    const slot = slotOf(exchange.id)
    if (this.#exchanges[slot] === exchange) {
      this.#exchanges[slot] = null
      this.link.inFlight--
    }
  }

  block(exchange: RingExchange): void {
    this.link.fullWaits++
    this.#blocked.add(exchange)
  }

  /** The client has taken some of what this exchange waits with. Those that wait for the ring keep their order. */
  retry(exchange: RingExchange): void {
    if (!this.#blocked.has(exchange) && !exchange.flushPending()) this.#blocked.add(exchange)
  }

  #unblock(): void {
    for (const exchange of [...this.#blocked]) {
      this.#blocked.delete(exchange)
      if (!exchange.flushPending()) {
        this.#blocked.add(exchange)
        return
      }
    }
  }

  dispose(): void {
    for (const exchange of this.#exchanges) exchange?.dispose()
    this.#blocked.clear()
    this.#parts.clear()
  }
}

/** Nothing answered yet, head sent, last frame sent (or waiting for room). */
const open = 0
const started = 1
const over = 2

class RingExchange implements Incoming {
  readonly id: number
  readonly expectedBytes: number
  readonly #pair: Pair
  readonly #meta: RequestMeta
  listener!: IncomingListener
  #state = open
  /** Bytes that went into the ring and that the client has not yet taken. */
  #behind = 0
  /** The pipeline was told to hold back. */
  #held = false
  /** What did not fit into the ring. `null` in the list stands for the end. */
  #pending: (Uint8Array | null)[] | null = null
  #pendingHead: { status: number; headers: HeaderBlock; length: number } | null = null
  #aborting = false
  /** The pipeline has ended the answer; its last bytes may still wait. It hears nothing more. */
  #ended = false
  #events = false
  /** Upload bytes taken and not yet acknowledged. */
  #unacked = 0
  /** Nothing is acknowledged: the upload stops when its window is used up. */
  #isBodyHeld = false

  constructor(pair: Pair, id: number, meta: RequestMeta, expectedBytes: number) {
    this.#pair = pair
    this.id = id
    this.#meta = meta
    this.expectedBytes = expectedBytes
  }

  get method(): string {
    return this.#meta.method
  }
  get target(): string {
    return this.#meta.target
  }
  get remote(): string {
    return this.#meta.remote
  }
  header(name: ForwardedHeader): string {
    return this.#meta.header(name)
  }

  // From the acceptor.

  takeBody(chunk: Uint8Array, last: boolean): void {
    if (this.#state === over) return
    if (!last) {
      this.#unacked += chunk.length
      this.#acknowledge()
    }
    this.listener.onBody(chunk, last)
  }

  /** The last credit of a window is never made up for by a later one: it waits for room like a frame with bytes. */
  #acknowledge(): void {
    if (this.#owesCredit && !this.#ack()) this.#block()
  }

  get #owesCredit(): boolean {
    return this.#unacked >= ackEvery && !this.#isBodyHeld && this.#state !== over
  }

  holdBody(): void {
    this.#isBodyHeld = true
  }

  resumeBody(): void {
    this.#isBodyHeld = false
    this.#acknowledge()
  }

  #ack(): boolean {
    if (!this.#frame(Kind.ack, 0, 0, this.#unacked, true)) return false
    this.#unacked = 0
    return true
  }

  credit(bytes: number): void {
    this.#behind -= bytes
    if (this.#behind >= window / 2) return
    if (this.#pending !== null) this.#pair.retry(this)
    else if (this.#held) {
      this.#held = false
      this.listener.onDrain()
    }
  }

  cancel(): void {
    if (this.#state === over) return
    const isHeard = !this.#ended
    this.#finish(Kind.abort)
    if (isHeard) this.listener.onCancel()
  }

  /** The acceptor itself is gone. */
  dispose(): void {
    const isHeard = this.#state !== over && !this.#ended
    this.#state = over
    this.#pair.forget(this)
    if (isHeard) this.listener.onCancel()
  }

  // To the acceptor.

  sent(): void {
    this.#setStage(Stage.sent)
  }

  whole(status: number, headers: HeaderBlock, body: Uint8Array | string): void {
    if (this.#state !== open) return
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const meta = 4 + headers.length
    const { writer } = this.#pair
    if (frameHeader + meta + bytes.length <= Math.min(writer.maxFrame, maxChunk)) {
      const at = writer.reserve(this.id, Kind.head, Flag.last, status, meta, bytes.length)
      if (at >= 0) {
        writer.setWord(at, bytes.length)
        headers.write(writer.bytes, at + 4)
        writer.put(at + meta, bytes)
        writer.commit()
        this.#over()
        return
      }
    }
    this.head(status, headers, bytes.length, false)
    this.write(bytes)
    this.end()
  }

  head(status: number, headers: HeaderBlock, length: number, events: boolean): void {
    if (this.#state !== open) return
    this.#state = started
    this.#setStage(events ? Stage.streaming : Stage.answering)
    this.#events = events
    if (!this.#head(status, headers, length)) {
      this.#pendingHead = { status, headers, length }
      this.#pending = []
      this.#block()
    }
  }

  #head(status: number, headers: HeaderBlock, length: number): boolean {
    const { writer } = this.#pair
    const at = writer.reserve(this.id, Kind.head, this.#events ? Flag.events : 0, status, 4 + headers.length, 0)
    if (at < 0) return false
    writer.setWord(at, length < 0 ? 0xffffffff : length)
    headers.write(writer.bytes, at + 4)
    writer.commit()
    this.#pair.link.touch(this.#pair)
    return true
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.#state !== started || this.#ended) return false
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    if (this.#pending !== null) this.#pending.push(Buffer.from(bytes))
    else {
      const written = this.#chunks(bytes)
      if (written < bytes.length) {
        this.#pending = [Buffer.from(bytes.subarray(written))]
        // Else the client's next credit goes on with it.
        if (this.#behind < window) this.#block()
      }
    }
    if (this.#pending === null && this.#behind < window) return true
    this.#held = true
    return false
  }

  /** Writes as much as fits into the ring and the client's window; returns how many bytes that was. */
  #chunks(bytes: Uint8Array): number {
    const { writer } = this.#pair
    const most = Math.min(maxChunk, writer.maxFrame - frameHeader)
    let done = 0
    while (done < bytes.length && this.#behind < window) {
      const size = Math.min(most, bytes.length - done)
      const at = writer.reserve(this.id, Kind.chunk, 0, 0, 0, size)
      if (at < 0) break
      this.#behind += size
      writer.put(at, size === bytes.length ? bytes : bytes.subarray(done, done + size))
      writer.commit()
      done += size
    }
    const { link } = this.#pair
    if (this.#events) link.touchSoon(this.#pair)
    else link.touch(this.#pair)
    return done
  }

  end(): void {
    if (this.#state !== started || this.#ended) return
    if (this.#pending !== null) {
      this.#ended = true
      this.#pending.push(null)
      return
    }
    this.#finish(Kind.end)
  }

  abort(): void {
    if (this.#state === over) return
    this.#finish(Kind.abort)
  }

  /** Sends the last frame. It may use the ring's reserve; if even that is full, it waits its turn. */
  #finish(kind: typeof Kind.end | typeof Kind.abort): void {
    if (this.#frame(kind, 0, 0, 0, true)) {
      this.#over()
      return
    }
    this.#state = over
    this.#aborting = kind === Kind.abort
    this.#pendingHead = null
    this.#pending = [null]
    this.#block()
  }

  #frame(kind: number, flags: number, code: number, number: number, urgent: boolean): boolean {
    const { writer } = this.#pair
    const at = writer.reserve(this.id, kind, flags, code, 0, 0, urgent)
    if (at < 0) return false
    // A credit's number stands in the meta length; it has no bytes.
    writer.setWord(at - 4, number)
    writer.commit()
    this.#pair.link.touch(this.#pair)
    return true
  }

  #block(): void {
    const pair = this.#pair
    pair.block(this)
    // What was committed must be seen, or no room ever comes.
    pair.link.touch(pair)
    if (!pair.writer.wantSpace()) setImmediate(() => pair.serve())
  }

  /** Room may have come. Returns false when there is still not enough in the ring. */
  flushPending(): boolean {
    if (this.#owesCredit && !this.#ack()) return this.#still()
    const pending = this.#pending
    if (pending === null) return true
    if (this.#pendingHead !== null) {
      const { status, headers, length } = this.#pendingHead
      if (!this.#head(status, headers, length)) return this.#still()
      this.#pendingHead = null
    }
    while (pending.length > 0) {
      const bytes = pending[0]!
      if (bytes === null) {
        if (!this.#frame(this.#aborting ? Kind.abort : Kind.end, 0, 0, 0, true)) return this.#still()
        this.#over()
        return true
      }
      const written = this.#chunks(bytes)
      if (written < bytes.length) {
        pending[0] = bytes.subarray(written)
        return this.#behind >= window || this.#still()
      }
      pending.shift()
    }
    this.#pending = null
    if (this.#held && this.#behind < window / 2) {
      this.#held = false
      this.listener.onDrain()
    }
    return true
  }

  #still(): false {
    const pair = this.#pair
    pair.link.touch(pair)
    if (!pair.writer.wantSpace()) setImmediate(() => pair.serve())
    return false
  }

  #over(): void {
    this.#state = over
    this.#pending = null
    this.#pair.forget(this)
    this.#pair.link.touch(this.#pair)
  }

  #setStage(stage: number): void {
    this.#pair.stages[slotOf(this.id)] = stage
  }
}
