/**
 * One client connection: bytes in, exchanges out, one after the other. Long because the order of things is the point:
 * a request is parsed only when the answer to the one before is complete, and whatever arrives meanwhile is kept, up
 * to a limit, without a look at it.
 */
import type { Socket } from 'node:net'
import { type FailureKind, failures } from '../../core/failures.ts'
import { forwardedHeaders } from '../../core/incoming.ts'
import { ChunkedDecoder } from '../../wire/chunked.ts'
import type { WireError } from '../../wire/errors.ts'
import { CHUNKED, isPersistent, readFraming, UNDECLARED } from '../../wire/framing.ts'
import { type HeadParser, MALFORMED, MORE } from '../../wire/head.ts'
import { plainAddress } from '../address.ts'
import type { EngineOptions, RequestHead } from '../engine.ts'
import { refusalBody, refusalHeaders } from '../refusals.ts'
import { isContinue, isHost, isKnownMethod, originForm } from '../requests.ts'
import { composeAnswer, interim } from './answer.ts'
import { type ExchangeConnection, NodeExchange } from './exchange.ts'

/** What a connection needs of its engine. */
export interface ConnectionHost {
  readonly options: EngineOptions
  readonly isDraining: boolean
  readonly connections: { active: number; refused: number }
  takeParser(): HeadParser
  returnParser(parser: HeadParser): void
  /** Coarse monotonic clock, ms. */
  readonly nowMs: number
  onClosed(connection: NodeConnection): void
}

const HEAD = 0
const BODY = 1 // of known length
const CHUNKS = 2
const ANSWER = 3 // the request is complete, its answer is not
const CLOSING = 4 // the last answer is out; whatever comes is discarded
const CLOSED = 5

const none = new Uint8Array(0)
const emptyLine = Buffer.from('\r\n\r\n')
/** What may wait unparsed: requests sent ahead, or a body that the caller has paused. Then the socket is paused. */
const maxAheadBytes = 256 * 1024
/** The rest of a body that nobody wants is read to keep the connection, if it is no longer than this. */
const maxDiscardBytes = 256 * 1024
/** How long that may take, and how long a closing connection is read so that the client gets to read the answer. */
const discardMs = 5000
/** Longest time without progress in sending an answer that the caller is done with. */
const stallMs = 30_000
/** After a client's FIN: when to write something to find out whether it still listens. See `#onEnd`. */
const probeAfterMs = [0, 100, 2000]

export class NodeConnection implements ExchangeConnection, RequestHead {
  // Of the request being handled, for `RequestHead`.
  method = ''
  target = ''
  bodyLength = 0

  /** When the state it is in has lasted too long; 0 = no limit. */
  deadlineMs = 0

  readonly #socket: Socket
  readonly #host: ConnectionHost
  #phase = HEAD
  #exchange: NodeExchange | null = null
  #parser: HeadParser | null = null
  #chunks: ChunkedDecoder | null = null
  #remaining = 0
  #ahead: Buffer[] = []
  #aheadBytes = 0
  #isBodyPaused = false
  #isConsuming = false
  #isScheduled = false
  #hasEnded = false
  #hadRequest = false
  /** The caller is done with an answer that the client has yet to take. */
  #isFlushing = false
  #address: string | null = null
  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket
    this.#host = host
    this.deadlineMs = host.nowMs + host.options.headTimeoutMs
    socket.on('data', (bytes: Buffer) => this.#onData(bytes))
    socket.on('end', () => this.#onEnd())
    socket.on('drain', () => this.#onDrain())
    socket.on('timeout', () => this.cut())
    socket.on('error', () => this.cut())
    socket.on('close', () => this.#onClose())
  }

  get remoteAddress(): string {
    this.#address ??= plainAddress(this.#socket.remoteAddress)
    return this.#address
  }

  header(name: string): string {
    return this.#parser?.fields.get(name) ?? ''
  }

  get forwarded(): readonly string[] {
    return forwardedHeaders.map(name => this.header(name))
  }

  /** Resolves when the descriptor is released. */
  whenClosed(): Promise<void> {
    return new Promise(resolve => {
      if (this.#socket.closed) resolve()
      else this.#socket.once('close', () => resolve())
    })
  }

  // Reading.

  #onData(bytes: Buffer): void {
    if (this.#phase >= CLOSING) return
    if (this.#ahead.length === 0 && !this.#isBlocked) {
      const at = this.#consume(bytes, 0)
      if (at < bytes.length) this.#keepAhead(bytes.subarray(at))
    } else this.#keepAhead(bytes)
  }

  get #isBlocked(): boolean {
    return (
      this.#phase === ANSWER ||
      (this.#isBodyPaused && this.#phase !== HEAD) ||
      (this.#phase === HEAD && this.#socket.writableNeedDrain)
    )
  }

  #keepAhead(bytes: Buffer): void {
    if (this.#phase >= CLOSING) return
    this.#ahead.push(bytes)
    this.#aheadBytes += bytes.length
    if (this.#aheadBytes > maxAheadBytes) this.#socket.pause()
  }

  /** Takes what it can; returns where it stopped. A listener that throws loses its connection, and no more than that. */
  #consume(bytes: Buffer, at: number): number {
    const end = bytes.length
    this.#isConsuming = true
    try {
      while (at < end && !this.#isBlocked && this.#phase < CLOSING) {
        if (this.#phase === HEAD) at = this.#readHead(bytes, at)
        else if (this.#phase === BODY) at = this.#readBody(bytes, at)
        else at = this.#readChunks(bytes, at)
      }
    } catch (error) {
      this.#exchange?.forget()
      this.cut()
      throw error
    } finally {
      this.#isConsuming = false
    }
    return at
  }

  #consumeAhead(): void {
    this.#isScheduled = false
    while (this.#ahead.length > 0 && !this.#isBlocked && this.#phase < CLOSING) {
      const bytes = this.#ahead[0]
      const at = this.#consume(bytes, 0)
      if (at < bytes.length) {
        this.#ahead[0] = bytes.subarray(at)
        this.#aheadBytes -= at
      } else {
        this.#ahead.shift()
        this.#aheadBytes -= bytes.length
      }
    }
    if (this.#phase >= CLOSING) this.#dropAhead()
    if (this.#aheadBytes <= maxAheadBytes && this.#socket.isPaused()) this.#socket.resume()
    if (this.#hasEnded && this.#ahead.length === 0) this.#afterEnd()
  }

  #schedule(): void {
    if (this.#isConsuming || this.#isScheduled) return
    this.#isScheduled = true
    process.nextTick(consumeAhead, this)
  }

  consumeAhead(): void {
    this.#consumeAhead()
  }

  #dropAhead(): void {
    this.#ahead = []
    this.#aheadBytes = 0
  }

  #readHead(bytes: Buffer, at: number): number {
    if (this.#parser === null) {
      this.#parser = this.#host.takeParser()
      if (this.#hadRequest) this.deadlineMs = this.#host.nowMs + this.#host.options.headTimeoutMs
    }
    const parser = this.#parser
    const next = parser.feed(bytes, at, bytes.length)
    if (next === MORE) return bytes.length
    if (next === MALFORMED) {
      this.#refuse(refusalOf(parser.error!))
      return bytes.length
    }
    this.#hadRequest = true
    this.deadlineMs = 0
    this.#stopWatching()
    const failure = this.#checkHead(parser)
    if (failure === null) this.#begin(parser, next === bytes.length)
    else this.#refuse(failure)
    this.#releaseParser()
    return next
  }

  #releaseParser(): void {
    if (this.#parser === null) return
    this.#host.returnParser(this.#parser)
    this.#parser = null
  }

  /** What goes beyond the syntax of a head; sets what `RequestHead` shows. */
  #checkHead(parser: HeadParser): FailureKind | null {
    const { fields, minor } = parser
    if (!isKnownMethod(parser.method)) return 'unknown_method'
    this.method = parser.method
    this.target = originForm(parser.method, parser.target)
    if (this.target === '') return 'bad_http'
    const host = fields.find('host', 0)
    if (host < 0 ? minor === 1 : fields.find('host', host + 1) >= 0 || !isHost(fields.valueAt(host))) return 'bad_http'
    const framing = readFraming(fields, minor)
    if (typeof framing === 'string') return refusalOf(framing)
    this.bodyLength = framing === UNDECLARED ? 0 : framing === CHUNKED ? -1 : framing
    if (minor === 1 && fields.has('expect') && !isContinue(fields.get('expect'))) return 'expectation_failed'
    return null
  }

  #begin(parser: HeadParser, isHeadAlone: boolean): void {
    const { fields, minor } = parser
    const isOld = minor === 0
    const awaitsContinue = !isOld && this.bodyLength !== 0 && isHeadAlone && fields.has('expect')
    const exchange = new NodeExchange(this, this.method === 'HEAD', isOld, !isPersistent(fields, minor), awaitsContinue)
    this.#exchange = exchange
    this.#host.connections.active++
    this.#isBodyPaused = false
    this.#remaining = this.bodyLength
    this.#phase = this.bodyLength > 0 ? BODY : this.bodyLength < 0 ? CHUNKS : ANSWER
    if (this.#phase === CHUNKS) {
      this.#chunks ??= new ChunkedDecoder()
      this.#chunks.reset()
    }
    const events = this.#host.options.onRequest(this, exchange)
    if (exchange.isOver) return
    exchange.events = events
    if (this.#phase === ANSWER) events.onBody(none, true)
    else if (!this.#isBodyPaused) exchange.invite()
  }

  #readBody(bytes: Buffer, at: number): number {
    const next = Math.min(bytes.length, at + this.#remaining)
    this.#remaining -= next - at
    this.#deliver(bytes.subarray(at, next), this.#remaining === 0)
    return next
  }

  #readChunks(bytes: Buffer, at: number): number {
    const chunks = this.#chunks!
    const next = chunks.decode(bytes, at, bytes.length)
    if (next < 0) {
      this.#breach(refusalOf(chunks.error!))
      return bytes.length
    }
    if (chunks.dataEnd > chunks.dataStart || chunks.isDone) {
      this.#deliver(bytes.subarray(chunks.dataStart, chunks.dataEnd), chunks.isDone)
    }
    return next
  }

  #deliver(bytes: Uint8Array, last: boolean): void {
    const exchange = this.#exchange
    if (last) this.#phase = exchange === null ? HEAD : ANSWER
    if (exchange === null) {
      if (last) this.#idle()
      return
    }
    exchange.awaitsContinue = false
    exchange.events?.onBody(bytes, last)
  }

  pauseBody(): void {
    this.#isBodyPaused = true
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return
    this.#isBodyPaused = false
    this.#exchange?.invite()
    this.#schedule()
  }

  // Answering.

  mustClose(exchange: NodeExchange): boolean {
    if (this.#host.isDraining || exchange.awaitsContinue || (this.#hasEnded && this.#ahead.length === 0)) return true
    return this.#phase === CHUNKS || (this.#phase === BODY && this.#remaining > maxDiscardBytes)
  }

  send(bytes: Uint8Array): boolean {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) return false
    // What the kernel took at once isn't buffered, whatever the stream's own threshold says.
    return socket.write(bytes) || socket.writableLength === 0
  }

  onAnswered(exchange: NodeExchange): void {
    this.#exchange = null
    this.#host.connections.active--
    this.#isBodyPaused = false
    if (this.#phase >= CLOSING) return
    if (exchange.closes) {
      this.#finish()
      return
    }
    if (this.#phase === ANSWER) {
      this.#phase = HEAD
      this.#idle()
    } else this.deadlineMs = this.#host.nowMs + discardMs
    if (this.#ahead.length > 0 || this.#socket.isPaused()) this.#schedule()
  }

  #idle(): void {
    this.deadlineMs = this.#host.nowMs + this.#host.options.keepAliveTimeoutMs
    this.#watchFlush()
  }

  /** Bytes that the client doesn't take must not stay for ever: the socket's own timeout looks for progress. */
  #watchFlush(): void {
    if (this.#socket.writableLength === 0) return
    this.#isFlushing = true
    this.#socket.setTimeout(stallMs)
  }

  #stopWatching(): void {
    if (!this.#isFlushing) return
    this.#isFlushing = false
    this.#socket.setTimeout(0)
  }

  /** No more requests: sends FIN after what is buffered, and reads on, since closing with unread bytes would reset. */
  #finish(): void {
    this.#phase = CLOSING
    this.#dropAhead()
    this.#releaseParser()
    this.deadlineMs = this.#host.nowMs + discardMs
    this.#watchFlush()
    this.#socket.end()
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  #refuse(kind: FailureKind): void {
    this.#host.connections.refused++
    this.#host.options.onRefused?.(kind)
    const body = refusalBody(kind)
    const isHead = this.#parser?.method === 'HEAD'
    const frame = { isHead, isOld: false, closes: true }
    this.send(composeAnswer(failures[kind].status, refusalHeaders(kind), body.length, frame, isHead ? null : body))
    this.#finish()
  }

  /** The body breaks the protocol. */
  #breach(kind: FailureKind): void {
    const exchange = this.#exchange
    const canAnswer = exchange === null || !exchange.hasAnswer
    this.#loseExchange()
    if (canAnswer && exchange !== null) this.#refuse(kind)
    else this.cut()
  }

  #loseExchange(): void {
    const exchange = this.#exchange
    if (exchange === null) return
    this.#exchange = null
    this.#host.connections.active--
    exchange.lose()
  }

  // The connection.

  #onDrain(): void {
    this.#exchange?.drained()
    if (this.#exchange !== null || this.#phase >= CLOSING) return
    this.#stopWatching()
    this.deadlineMs = this.#host.nowMs + this.#host.options.keepAliveTimeoutMs
    this.#schedule()
  }

  /** FIN: nothing more will come. */
  #onEnd(): void {
    this.#hasEnded = true
    if (this.#ahead.length === 0 || this.#isCutShort) this.#afterEnd()
  }

  /** Whether a paused body can't be complete with what has come. */
  get #isCutShort(): boolean {
    if (this.#phase === BODY) return this.#aheadBytes < this.#remaining
    // The last chunk, and a trailer section, end with an empty line.
    return this.#phase === CHUNKS && !Buffer.concat(this.#ahead).subarray(-4).equals(emptyLine)
  }

  /**
   * A FIN may come from a client that has said all it wants and waits for the answer, or from one that is gone; only
   * writing tells. So while no answer has begun, interim responses are sent: one that is gone replies with a reset.
   * HTTP/1.0 knows no interim responses; there the answer itself will tell. In a stream nothing tells until its next
   * event, which may be minutes away and is paid for: a FIN there means gone, as it does on the other engine.
   */
  #afterEnd(): void {
    if (this.#phase === CLOSING) return
    if (this.#phase !== ANSWER) {
      this.#loseExchange()
      if (this.#phase === HEAD) this.#finish()
      else this.cut()
    } else if (this.#exchange?.isOpenStream) {
      this.#loseExchange()
      this.cut()
    } else if (this.#exchange !== null && !this.#exchange.isOld) this.#probe(this.#exchange, 0)
  }

  #probe(exchange: NodeExchange, index: number): void {
    const delayMs = probeAfterMs[index]
    if (delayMs === undefined) return
    const write = (): void => {
      if (this.#exchange !== exchange || exchange.hasAnswer) return
      this.send(interim())
      this.#probe(exchange, index + 1)
    }
    if (delayMs === 0) write()
    else setTimeout(write, delayMs).unref()
  }

  /** Called by the engine's sweep when `deadlineMs` has passed. */
  expire(): void {
    if (this.#isFlushing) {
      // The time of waiting for the client begins when it has everything.
      if (this.#socket.writableLength === 0) this.#stopWatching()
      this.deadlineMs = this.#host.nowMs + Math.min(discardMs, this.#host.options.keepAliveTimeoutMs)
      return
    }
    this.deadlineMs = 0
    if (this.#phase === HEAD && this.#parser?.isUnderWay) this.#refuse('request_timeout')
    else this.cut()
  }

  cut(): void {
    this.#socket.destroy()
    this.#onClose()
  }

  #onClose(): void {
    if (this.#phase === CLOSED) return
    this.#phase = CLOSED
    this.deadlineMs = 0
    this.#dropAhead()
    this.#releaseParser()
    this.#host.onClosed(this)
    this.#loseExchange()
  }
}

const consumeAhead = (connection: NodeConnection): void => connection.consumeAhead()

const refusalOf = (error: WireError): FailureKind => {
  if (error === 'head_too_large' || error === 'too_many_fields') return 'head_too_large'
  return error === 'unknown_coding' ? 'unknown_coding' : 'bad_http'
}
