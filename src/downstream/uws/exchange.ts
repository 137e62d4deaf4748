/**
 * One request and its answer on uWebSockets.js. Long because it holds together what must agree: whether `res` may still
 * be touched (a stale one ends the process), how the body is framed, and what is left to do after the caller is done.
 *
 * What this version of the addon does, and the answer to it:
 *  - it writes `name: value CRLF` unexamined, so the whole header block goes out as the value of its first header;
 *  - `end(body, true)` closes, but after `write` it puts `Connection: close` into the chunked body. A stream that must
 *    end its connection therefore writes the last chunk by hand, as a trailer section;
 *  - `endWithoutBody(length)` leaves the request open for good, so a bodiless answer brings its own length;
 *  - a socket closed with unread bytes resets, and the client may never see the answer. While the body is still
 *    arriving such an answer is written by hand in one piece, the rest is discarded, and the socket closed after it;
 *  - what follows in the same read is handled as the next request even after `end(body, true)`, unless the answer to
 *    the one before is still to come: such an end waits until the read is over;
 *  - `onWritable` comes whenever the kernel takes more, not when all is taken, and once it has been set the addon's
 *    buffer moves only with the next write. So a stream doesn't set it: while bytes wait in the addon, what follows is
 *    kept here, and offered from time to time, one byte first, since `write` says true if all before it was taken;
 *  - a write that had to wait starts its timer of 10 s, which also ends a stream that has merely fallen silent;
 *  - what the kernel doesn't take is buffered without bound, for a client that asks but never reads. `tryEnd` says
 *    so and leaves the request open, which makes the addon close the connection on the next one.
 */
import type { HttpResponse } from 'uWebSockets.js'
import type { Placed } from '../../core/bag.ts'
import { copyOf } from '../../core/copy-bytes.ts'
import type { ExchangeEvents, Reply } from '../engine.ts'
import { isBodiless, statusText } from '../refusals.ts'

/** What an exchange needs of its engine. */
export interface UwsExchangeHost {
  readonly isDraining: boolean
  /** The addon is in the middle of what it read from a socket. */
  isReading: boolean
  /** The addon has let go of the request. */
  onGone(exchange: UwsExchange): void
  /** From here on `keepAlive` is called every few seconds, until `onSettled` or `onGone`. */
  onUnsettled(exchange: UwsExchange): void
  onSettled(exchange: UwsExchange): void
  /** From here on `offerMore` is called, soon and again and again, until it returns true. */
  onBlocked(exchange: UwsExchange): void
  /** The answer is out, its connection is to be closed after `delayMs` or once the client has left. */
  linger(exchange: UwsExchange, delayMs: number): void
  fault(error: unknown): void
}

const AWAITING = 0 // no answer yet
const STARTED = 1 // head given
const OVER = 2 // the caller is done, or the client gone

const none = new Uint8Array(0)

interface HeldBytes {
  readonly bytes: Uint8Array
  readonly last: boolean
}
/** Shared by all exchanges that keep nothing, which is nearly all; never written to. */
const noBytes: Uint8Array[] = []
const noHeld: HeldBytes[] = []
const blockNameLength = 'x-request-id: '.length
/** Above this an answer is offered with `tryEnd`; below, that would cost 5 % of the request, so only now and then. */
const alwaysTryBytes = 4096
const tryProbability = 1 / 8
/** One write that may wait in the addon's buffer. Longer answers to be followed by a close go out as a stream. */
const maxClosingBytes = 64 * 1024
/** Bytes that may arrive while the caller has paused the body, before the socket stays paused for good. */
const maxHeldBytes = 1024 * 1024
/** How long the rest of a body that nobody wants is read, so that the client gets to read the answer. */
const discardMs = 5000
const closeMs = 1000
/** The same while bytes may be waiting in the addon, whose own timer ends it sooner if they don't move. */
const drainMs = 60_000

// Arguments of the functions handed to `cork`, which calls them before it returns: no closure per write.
let corked: UwsExchange
let corkedStatus = 0
let corkedHeaders: Uint8Array = none
let corkedChunk: Uint8Array = none
let corkedClose = false
const corkAnswer = (): void => corked.answer(corkedStatus, corkedHeaders, corkedChunk, corkedClose)
const corkChunk = (): void => corked.chunk(corkedChunk)
const corkEnd = (): void => corked.finish()
const corkRaw = (): void => corked.raw(corkedStatus, corkedChunk)

export class UwsExchange implements Reply, Placed {
  events: ExchangeEvents | null = null
  isPaused = false
  /** Among the engine's unsettled exchanges. */
  place = -1
  /** When a lingering connection is to be closed, in ms of the process' monotonic clock. */
  closeAtMs = 0

  readonly #res: HttpResponse
  readonly #host: UwsExchangeHost
  /** The addon holds the request: `#res` may be used. */
  #isAlive = true
  #state = AWAITING
  #isHead = false
  /** Every byte of the request's body has arrived. */
  #isReceived = true
  /** The connection can't be used again: what follows a body in chunks may have been misread. */
  #mustClose = false
  #closes = false
  /** The head that goes out with the first bytes of the body: the addon can't complete a head alone. */
  #status = 0
  #headers: Uint8Array = none
  #isStarted = false
  /** In chunks; else `#length` bytes. */
  #isStream = false
  #length = 0
  #given = 0
  /** The client has yet to take what was written. */
  #isBlocked = false
  /** Of a stream: bytes were left in the addon, and whether they have gone since is not known. */
  #isSuspect = false
  #wasBlocked = false
  #listens = false
  #isEnded = false
  #unsent: Uint8Array[] = noBytes
  #held: HeldBytes[] = noHeld
  #heldBytes = 0

  constructor(res: HttpResponse, host: UwsExchangeHost) {
    // Before anything that can throw: a request left by its handler without this ends the process.
    res.onAborted(() => this.#aborted())
    this.#res = res
    this.#host = host
  }

  get isOver(): boolean {
    return this.#state === OVER
  }

  /** What the request's head says about the exchange. */
  describe(isHead: boolean, bodyLength: number, mustClose: boolean): void {
    this.#isHead = isHead
    this.#isReceived = bodyLength === 0
    this.#mustClose = mustClose
  }

  /** Lets the body flow. Called in the request's handler, the only time the addon allows it. */
  open(events: ExchangeEvents | null): void {
    const isWanted = events !== null && this.#state !== OVER
    if (isWanted) this.events = events
    if (this.#isReceived || !this.#isAlive) {
      if (isWanted) events.onBody(none, true)
      return
    }
    this.#host.onUnsettled(this)
    this.#res.onData((chunk, last) => this.#received(chunk, last))
  }

  // The body of the request.

  #received(chunk: ArrayBuffer, last: boolean): void {
    this.#host.isReading = true
    try {
      if (last) {
        this.#isReceived = true
        if (!this.#wasBlocked) this.#host.onSettled(this)
      }
      if (this.events === null) {
        // The rest of a body whose answer is out.
        if (last && this.#isAlive && this.closeAtMs > 0) this.#host.linger(this, 0)
        return
      }
      if (this.isPaused || this.#held.length > 0) this.#hold(new Uint8Array(chunk.slice(0)), last)
      else this.events.onBody(new Uint8Array(chunk), last)
    } catch (error) {
      this.breakOff(error)
    } finally {
      this.#host.isReading = false
    }
  }

  #keep(bytes: Uint8Array): void {
    if (this.#unsent === noBytes) this.#unsent = []
    this.#unsent.push(bytes)
  }

  #keepFirst(bytes: Uint8Array): void {
    if (this.#unsent === noBytes) this.#unsent = []
    this.#unsent.unshift(bytes)
  }

  #hold(bytes: Uint8Array, last: boolean): void {
    if (this.#held === noHeld) this.#held = []
    this.#held.push({ bytes, last })
    this.#heldBytes += bytes.length
  }

  pauseBody(): void {
    if (this.isPaused || this.#state === OVER || this.#isReceived) return
    this.isPaused = true
    if (this.#isAlive) this.#res.pause()
  }

  resumeBody(): void {
    if (!this.isPaused) return
    this.isPaused = false
    if (this.#held.length > 0) process.nextTick(deliverHeld, this)
    else if (this.#isAlive && !this.#isReceived) this.#res.resume()
  }

  deliver(): void {
    try {
      while (this.#held.length > 0 && !this.isPaused && this.events !== null) {
        const { bytes, last } = this.#held.shift()!
        this.#heldBytes -= bytes.length
        this.events.onBody(bytes, last)
      }
      if (this.#held.length === 0 && !this.isPaused && this.#isAlive && !this.#isReceived) this.#res.resume()
    } catch (error) {
      this.breakOff(error)
    }
  }

  /**
   * Re-arms the addon's own timer of 10 s, which `resume` does: deadlines are the caller's. A paused socket is read for
   * one turn, as only that shows whether the client is still there.
   */
  keepAlive(): void {
    this.#res.resume()
    if (!this.isPaused) return
    if (this.#heldBytes >= maxHeldBytes) this.#res.pause()
    else setImmediate(pauseAgain, this)
  }

  pauseAgain(): void {
    if (this.isPaused && this.#isAlive && !this.#isReceived) this.#res.pause()
  }

  // The answer.

  whole(status: number, headers: Uint8Array, body: Uint8Array, close: boolean): void {
    if (this.#state !== AWAITING) return
    const closes = close || this.#mustClose || this.#host.isDraining
    this.#callerIsDone()
    if (closes && !this.#isReceived) this.#discardAfter(status, headers, body)
    else if (this.#isHead || isBodiless(status)) this.#answerBodiless(status, headers, body.length, closes)
    else if (closes && body.length > maxClosingBytes) this.#stream(status, headers, body)
    else if (this.#mustClose || (closes && this.#host.isReading)) {
      setImmediate(answerLater, this, status, copyOf(headers), copyOf(body))
    } else this.answerNow(status, headers, body, closes)
  }

  answerNow(status: number, headers: Uint8Array, body: Uint8Array, closes: boolean): void {
    if (!this.#isAlive) return
    corked = this
    corkedStatus = status
    corkedHeaders = headers
    corkedChunk = body
    corkedClose = closes
    this.#res.cork(corkAnswer)
  }

  answer(status: number, headers: Uint8Array, body: Uint8Array, closes: boolean): void {
    this.#writeHead(status, headers.subarray(blockNameLength, headers.length - 2))
    if (closes) {
      this.#gone()
      this.#res.end(body, true)
      return
    }
    if (body.length < alwaysTryBytes && Math.random() > tryProbability) {
      this.#gone()
      this.#res.end(body, false)
      return
    }
    this.#length = body.length
    this.#given = body.length
    this.#isEnded = true
    this.#isStarted = true
    this.#offer(body)
    if (this.#isBlocked) this.#awaitDrain()
  }

  #stream(status: number, headers: Uint8Array, body: Uint8Array): void {
    this.#prepare(status, headers, -1, true)
    this.#write(body)
    this.#end()
  }

  head(status: number, headers: Uint8Array, length: number, close: boolean): void {
    if (this.#state === AWAITING) this.#prepare(status, copyOf(headers), length, close)
  }

  #prepare(status: number, headers: Uint8Array, length: number, close: boolean): void {
    this.#status = status
    this.#headers = headers
    this.#length = length
    this.#closes = close || this.#mustClose || this.#host.isDraining
    // Only a stream can be ended together with its connection.
    this.#isStream = length < 0 || this.#closes
    if (this.#state === AWAITING) this.#state = STARTED
  }

  write(chunk: Uint8Array): boolean {
    if (this.#state !== STARTED) return false
    return this.#write(chunk)
  }

  #write(chunk: Uint8Array): boolean {
    if (this.#isHead || isBodiless(this.#status) || chunk.length === 0) return !this.#isBlocked
    this.#given += chunk.length
    if (!this.#isStream && this.#given > this.#length) {
      this.abort() // more than was promised: the client must not take it for the next answer
      return false
    }
    if (this.#isBlocked) {
      this.#keep(copyOf(chunk))
      return false
    }
    this.#send(chunk)
    return !this.#isBlocked
  }

  #send(bytes: Uint8Array): void {
    corked = this
    corkedChunk = bytes
    this.#res.cork(corkChunk)
    if (this.#isBlocked && this.#isAlive) this.#awaitDrain()
  }

  #awaitDrain(): void {
    if (this.#isStream) {
      this.#host.onBlocked(this)
      if (this.#wasBlocked || this.#isEnded) return
      this.#wasBlocked = true
      this.#host.onUnsettled(this)
    } else if (!this.#listens) {
      this.#listens = true
      this.#res.onWritable(() => {
        if (this.#isBlocked) this.offerMore()
        // What fitted the cork was called taken, but may be waiting still; only a write moves it.
        else if (this.#isAlive) this.#send(none)
        return true
      })
    }
  }

  chunk(bytes: Uint8Array): void {
    if (!this.#isStarted) this.start()
    if (!this.#isStream) this.#offer(bytes)
    else if (!this.#isSuspect) this.#isBlocked = this.#isSuspect = !this.#res.write(bytes)
    else {
      this.#isBlocked = this.#isSuspect = !this.#res.write(bytes.subarray(0, 1))
      const rest = bytes.subarray(1)
      if (rest.length === 0) return
      if (this.#isBlocked) this.#keepFirst(copyOf(rest))
      else this.#isBlocked = this.#isSuspect = !this.#res.write(rest)
    }
  }

  start(): void {
    this.#isStarted = true
    const headers = this.#headers
    const end = headers.length - 2
    this.#writeHead(
      this.#status,
      this.#closes
        ? Buffer.concat([headers.subarray(blockNameLength), Buffer.from('connection: close')])
        : headers.subarray(blockNameLength, end),
    )
    this.#headers = none
  }

  #writeHead(status: number, block: Uint8Array): void {
    if (status !== 200) this.#res.writeStatus(statusText[status])
    this.#res.writeHeader('x-request-id', block)
  }

  /** Offers bytes of an answer of known length. What isn't taken is kept. */
  #offer(bytes: Uint8Array): void {
    // The offset counts the body's bytes, so what is taken now is the difference.
    const before = this.#res.getWriteOffset()
    const [isTaken, isDone] = this.#res.tryEnd(bytes, this.#length)
    this.#isBlocked = !isTaken
    if (isDone) this.#gone()
    else if (!isTaken) this.#keepFirst(copyOf(bytes.subarray(this.#res.getWriteOffset() - before)))
  }

  /** Whether everything that was kept has been handed over. */
  offerMore(): boolean {
    try {
      this.#isBlocked = false
      while (this.#unsent.length > 0 && !this.#isBlocked && this.#isAlive) this.#send(this.#unsent.shift()!)
      if (this.#isBlocked) return !this.#isAlive
      if (!this.#isEnded) this.events?.onDrain()
      else if (this.#isAlive) this.#conclude()
    } catch (error) {
      this.breakOff(error)
    }
    return !this.#isBlocked
  }

  end(): void {
    if (this.#state !== STARTED) return
    this.#callerIsDone()
    this.#end()
  }

  #end(): void {
    if (this.#isHead || isBodiless(this.#status)) {
      this.#answerBodiless(this.#status, this.#headers, this.#length, this.#closes)
    } else if (this.#length >= 0 && this.#given !== this.#length)
      this.cut() // must not pass for whole
    else if (!this.#isStarted) {
      // Nothing was written: an empty answer.
      this.#state = AWAITING
      this.whole(this.#status, this.#headers, none, this.#closes)
    } else {
      this.#isEnded = true
      if (!this.#isBlocked) this.#conclude()
    }
  }

  /** The end of a stream; an answer of known length ends with its last byte. */
  #conclude(): void {
    if (!this.#isStream) return
    // From here on the addon's own timer ends a connection whose client doesn't take the rest.
    this.#host.onSettled(this)
    corked = this
    this.#res.cork(corkEnd)
    if (this.#isAlive) this.#host.linger(this, this.#isSuspect ? drainMs : this.#isReceived ? closeMs : discardMs)
  }

  finish(): void {
    if (!this.#closes) {
      this.#gone()
      this.#res.end()
    } else this.#res.writeHeader('\r\n0\r\nx-end', '\r\n')
  }

  #answerBodiless(status: number, headers: Uint8Array, length: number, closes: boolean): void {
    const hasLength = length >= 0 && !isBodiless(status)
    const block = latin1(headers) + (hasLength ? `content-length: ${length}\r\n` : '')
    corked = this
    corkedStatus = status
    if (!closes) {
      corkedChunk = Buffer.from(block.slice(blockNameLength, -2), 'latin1')
      corkedClose = false
    } else {
      // With its line end the value completes the head; the connection is ours to close.
      corkedChunk = Buffer.from(`${block.slice(blockNameLength)}${ownHeaders()}`, 'latin1')
      corkedClose = true
    }
    this.#res.cork(corkRaw)
    if (closes) this.#host.linger(this, this.#isReceived ? closeMs : discardMs)
  }

  /** A complete answer in one piece, while the body is still arriving. The line end after it is part of its body. */
  #discardAfter(status: number, headers: Uint8Array, body: Uint8Array): void {
    if (this.#isHead || isBodiless(status)) {
      this.#answerBodiless(status, headers, body.length, true)
      return
    }
    corked = this
    const head = `${latin1(headers).slice(blockNameLength)}content-length: ${body.length + 2}\r\n${ownHeaders()}\r\n`
    corkedStatus = status
    corkedChunk = Buffer.concat([Buffer.from(head, 'latin1'), body])
    corkedClose = true
    this.#res.cork(corkRaw)
    this.#host.linger(this, discardMs)
  }

  raw(status: number, block: Uint8Array): void {
    this.#writeHead(status, block)
    if (corkedClose) return
    this.#gone()
    this.#res.endWithoutBody()
  }

  abort(): void {
    if (this.#state === OVER) return
    this.#callerIsDone()
    this.cut()
  }

  /** Ends a connection whose answer is out. */
  cut(): void {
    if (this.#isAlive) this.#res.close()
  }

  #callerIsDone(): void {
    this.#state = OVER
    this.events = null
    this.#held = noHeld
    if (this.isPaused) {
      this.isPaused = false
      if (this.#isAlive) this.#res.resume()
    }
  }

  /** The addon forgets the request with the call that follows. */
  #gone(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#host.onGone(this)
  }

  #aborted(): void {
    const { events } = this
    this.events = null
    this.#state = OVER
    this.#gone()
    try {
      events?.onClosed()
    } catch (error) {
      this.#host.fault(error)
    }
  }

  /** A listener threw: its exchange can't be trusted to answer. */
  breakOff(error: unknown): void {
    this.events = null
    this.#state = OVER
    this.cut()
    this.#host.fault(error)
  }
}

const deliverHeld = (exchange: UwsExchange): void => exchange.deliver()
const answerLater = (exchange: UwsExchange, status: number, headers: Uint8Array, body: Uint8Array): void =>
  exchange.answerNow(status, headers, body, true)
const pauseAgain = (exchange: UwsExchange): void => exchange.pauseAgain()

/** A view of shared memory can't be decoded by a `TextDecoder`. */
const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** What the addon would have added to an answer that it completes itself. */
const ownHeaders = (): string => `date: ${new Date().toUTCString()}\r\nconnection: close\r\n`
