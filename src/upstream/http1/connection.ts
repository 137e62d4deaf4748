/**
 * One socket and the response that is being read from it. The parser, the decoder and the view of the headers live as
 * long as the connection; per request there is one call and one buffer. The read path is one method per step and
 * holds no closures: it runs for every chunk of every stream.
 */

import type { Socket } from 'node:net'
import { bufferPool } from '../../core/buffer-pool.ts'
import { copyInto } from '../../core/copy-bytes.ts'
import { ChunkedDecoder } from '../../wire/chunked.ts'
import { type WireError, wireErrors } from '../../wire/errors.ts'
import { CHUNKED, isPersistent, readFraming } from '../../wire/framing.ts'
import { MORE } from '../../wire/head.ts'
import { noBody } from '../call.ts'
import { describeError } from '../describe-error.ts'
import type { Http1Call } from './call.ts'
import type { Dialer } from './dial.ts'
import type { Http1Origin } from './origin.ts'
import { Outbox, type Sender } from './outbox.ts'
import type { ResponseHead } from './response-head.ts'

const IDLE = 0
const HEAD = 1
const LENGTH = 2
const CHUNKS = 3
const UNTIL_CLOSE = 4
const CLOSED = 5

/** An upstream may say 100, 102 or 103 a few times; one that does nothing else is stopped. */
const maxInterimResponses = 16

/** A request up to this size is one write; a longer one goes in pieces, so that we see whether the peer takes it. */
const pieceBytes = 256 * 1024

/** A request up to this size is composed in memory of the connection's own, which the next one uses again. */
const mostOwnBytes = 4096
const nothing = Buffer.alloc(0)

/** What a peer that dropped an idle connection makes of the next request. */
const staleCodes = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

/** Of all connections of this thread. */
const outbox = new Outbox()

export class Connection implements Sender {
  /** Requests answered before the current one. */
  served = 0
  idleSinceMs = 0
  readonly openedMs: number
  /** Set once the socket is connected. */
  #isReady = false
  #state = IDLE
  #call: Http1Call | null
  /** Of the response that has begun; lent by the origin, so that those in use are few and warm. */
  #head: ResponseHead | null = null
  #chunked: ChunkedDecoder | null = null
  #remaining = 0
  /** The response allows another request after it. */
  #isPersistent = true
  #hasResponseBytes = false
  #interimResponses = 0
  #interimBytes = 0
  #keepAliveMs: number
  #own = nothing
  /** The request under way, for a repeat: the first bytes of `#own`, or a longer one; null when it may not be repeated. */
  #sentBytes = 0
  #sentLong: Buffer | null = null
  /** The same, whether or not it may be repeated: the pool's, which gets it back once the system has all of it. */
  #pooled: Buffer | null = null
  /** What is left of a long request. */
  #unwritten: Buffer | null = null
  #tookBytes = false
  #isUploading = false
  #isBehind = false
  readonly #socket: Socket
  readonly #origin: Http1Origin
  readonly #maxHeadBytes: number

  /** Throws when the socket can't even be made. */
  constructor(origin: Http1Origin, dialer: Dialer, call: Http1Call, nowMs: number) {
    const { maxHeadBytes, idleTimeoutMs } = origin.options
    this.#origin = origin
    this.#call = call
    this.#maxHeadBytes = maxHeadBytes
    this.#keepAliveMs = idleTimeoutMs
    this.openedMs = nowMs
    this.#socket = dialer.dial((bytes, length) => this.#read(bytes, length))
    this.#socket.once(dialer.readyEvent, () => this.#onReady())
    this.#socket.on('end', () => this.#onEof())
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#isReady) dialer.forgetSession()
      this.#onError(error)
    })
    this.#socket.on('close', () => this.#onEof())
  }

  /** Starts a request on a connection that is ready and idle. */
  send(call: Http1Call): void {
    this.#call = call
    this.#write(call)
  }

  isFresh(nowMs: number): boolean {
    return (
      nowMs - this.idleSinceMs < this.#keepAliveMs && nowMs - this.openedMs < this.#origin.options.maxConnectionAgeMs
    )
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Whether the system took a piece of a long request since the last time this was asked. */
  tookBytes(): boolean {
    const took = this.#tookBytes
    this.#tookBytes = false
    return took
  }

  /** Cuts the connection. Its call hears nothing of it. */
  close(): void {
    if (this.#state === CLOSED) return
    this.#state = CLOSED
    this.#call = null
    this.#unwritten = null
    this.#sentLong = null
    this.#pooled = null // a write that was under way may still read it
    this.#socket.destroy()
    this.#origin.closed(this)
  }

  writeKept(bytes: Buffer): void {
    if (this.#state !== CLOSED) this.#socket.write(bytes)
  }

  #onReady(): void {
    if (this.#state === CLOSED || this.#call === null) return
    this.#isReady = true
    this.#write(this.#call)
  }

  #write(call: Http1Call): void {
    this.#state = HEAD
    this.#hasResponseBytes = false
    this.#interimResponses = 0
    this.#interimBytes = 0
    const bytes = call.takeBytes(this.#own)
    this.#keepSent(call, bytes)
    if (bytes.length > pieceBytes) {
      this.#unwritten = bytes
      this.#writePieces()
    } else if (call.isUpload)
      this.#socket.write(bytes) // the pieces of its body follow at once
    else outbox.add(this, bytes)
    if (call.isPaused) this.pause() // it was while it waited
    this.#isUploading = call.isUpload
    call.sent()
    if (this.#unwritten === null && this.#call === call) call.written()
    if (call.isUpload) call.beginUpload()
  }

  /** The next piece of a body that comes in pieces; false when the peer is behind. */
  upload(chunk: Uint8Array): boolean {
    if (chunk.length === 0) return !this.#isBehind
    const isChunked = this.#call!.request.uploadBytes! < 0
    // Copied: what the system does not take at once is read later, when the piece's memory may be someone else's.
    const size = isChunked ? `${chunk.length.toString(16)}\r\n` : ''
    const bytes = Buffer.allocUnsafe(size.length + chunk.length + (isChunked ? 2 : 0))
    copyInto(bytes, bytes.latin1Write(size, 0), chunk)
    if (isChunked) bytes.latin1Write('\r\n', size.length + chunk.length)
    this.#tookBytes = true
    if (this.#socket.write(bytes)) return !this.#isBehind
    if (!this.#isBehind) {
      this.#isBehind = true
      this.#socket.once('drain', () => {
        this.#isBehind = false
        this.#tookBytes = true
        this.#call?.hasRoom()
      })
    }
    return false
  }

  endUpload(): void {
    if (this.#call!.request.uploadBytes! < 0) this.#socket.write('0\r\n\r\n')
    this.#isUploading = false
  }

  /** A request is repeated only if an earlier one was answered here, and then its bytes are needed again. */
  #keepSent(call: Http1Call, bytes: Buffer): void {
    const isOwn = bytes.buffer === this.#own.buffer
    this.#sentBytes = isOwn ? bytes.length : 0
    this.#sentLong = !isOwn && this.served > 0 && call.isRepeatable ? bytes : null
    this.#pooled = isOwn ? null : bytes
    if (isOwn || bytes.length > mostOwnBytes) return
    // The next one will likely be as long.
    this.#own = Buffer.allocUnsafeSlow(Math.min(mostOwnBytes, (bytes.length + 511) & ~255))
  }

  /** A request that is answered is not repeated; once it is written, nobody reads it any more. */
  #giveBack(): void {
    this.#sentLong = null
    if (this.#pooled === null || !this.#isWritten) return
    bufferPool.giveBack(this.#pooled)
    this.#pooled = null
  }

  #writePieces(): void {
    while (this.#unwritten !== null) {
      const bytes: Buffer = this.#unwritten
      this.#unwritten = bytes.length > pieceBytes ? bytes.subarray(pieceBytes) : null
      if (this.#socket.write(bytes.subarray(0, pieceBytes))) continue
      this.#socket.once('drain', () => {
        this.#tookBytes = true
        this.#writePieces()
        if (this.#unwritten === null) this.#call?.written()
      })
      return
    }
  }

  #read(bytes: Buffer, length: number): void {
    if (this.#state === HEAD) this.#readHead(bytes, 0, length)
    else if (this.#state !== IDLE && this.#state !== CLOSED) this.#readBody(bytes, 0, length)
    // Nobody asked: whatever it is, the next request must not take it for its answer.
    else if (this.#call === null) this.close()
    else this.#failWith('the upstream spoke before it was asked')
  }

  #readHead(bytes: Buffer, at: number, end: number): void {
    if (!this.#hasResponseBytes) {
      this.#hasResponseBytes = true
      this.#head = this.#origin.lendHead()
    }
    const head = this.#head!
    const { parser } = head
    for (;;) {
      const bodyAt = parser.feed(bytes, at, end)
      if (bodyAt === MORE) return
      if (bodyAt < 0) {
        this.#fail(parser.error!)
        return
      }
      if (parser.status >= 200) {
        this.#readAnswer(head, bytes, bodyAt, end)
        return
      }
      if (parser.status === 101) {
        this.#failWith('the upstream switched protocols without being asked')
        return
      }
      this.#interimBytes += parser.length
      if (++this.#interimResponses > maxInterimResponses || this.#interimBytes > this.#maxHeadBytes) {
        this.#failWith('too many interim responses')
        return
      }
      at = bodyAt
      parser.reset()
      if (at === end) return
    }
  }

  #readAnswer(head: ResponseHead, bytes: Buffer, at: number, end: number): void {
    const { fields, minor, status } = head.parser
    const framing = readFraming(fields, minor)
    if (typeof framing === 'string') {
      this.#fail(framing)
      return
    }
    if (this.#pooled !== null) this.#giveBack()
    this.#isPersistent = isPersistent(fields, minor)
    if (this.served === 0) this.#keepAliveMs = keepAliveMs(fields.get('keep-alive'), this.#keepAliveMs)
    const call = this.#call!
    if (call.request.head.method === 'HEAD' || status === 204 || status === 304) {
      head.contentLength = 0
      this.#deliverWhole(call, head, noBody, at < end)
      return
    }
    head.contentLength = framing >= 0 ? framing : -1
    if (framing >= 0) {
      const available = end - at
      if (available >= framing) {
        this.#deliverWhole(call, head, framing === 0 ? noBody : bytes.subarray(at, at + framing), available > framing)
        return
      }
      this.#state = LENGTH
      this.#remaining = framing
    } else if (framing === CHUNKED) {
      const chunked = (this.#chunked ??= new ChunkedDecoder())
      chunked.reset()
      const after = chunked.decode(bytes, at, end)
      if (after < 0) {
        this.#fail(chunked.error!)
        return
      }
      const payload = chunked.dataEnd > chunked.dataStart ? bytes.subarray(chunked.dataStart, chunked.dataEnd) : noBody
      if (chunked.isDone) {
        this.#deliverWhole(call, head, payload, after < end)
        return
      }
      this.#state = CHUNKS
      this.#deliverHead(call, head)
      if (payload.length > 0 && this.#call === call) call.received(payload)
      return
    } else {
      this.#state = UNTIL_CLOSE
      this.#isPersistent = false
    }
    this.#deliverHead(call, head)
    if (at < end && this.#call === call) this.#readBody(bytes, at, end)
  }

  #deliverHead(call: Http1Call, head: ResponseHead): void {
    head.parser.keep()
    call.answered(head.parser.status, head, null)
  }

  #deliverWhole(call: Http1Call, head: ResponseHead, body: Uint8Array, hasMore: boolean): void {
    call.answered(head.parser.status, head, body)
    if (this.#call === call) this.#finish(call, hasMore)
  }

  #readBody(bytes: Buffer, at: number, end: number): void {
    const call = this.#call!
    if (this.#state === CHUNKS) {
      const chunked = this.#chunked!
      const after = chunked.decode(bytes, at, end)
      if (chunked.dataEnd > chunked.dataStart) call.received(bytes.subarray(chunked.dataStart, chunked.dataEnd))
      if (this.#call !== call) return
      if (after < 0) {
        this.#fail(chunked.error!)
        return
      }
      if (chunked.isDone) this.#finish(call, after < end)
    } else if (this.#state === LENGTH) {
      const size = Math.min(this.#remaining, end - at)
      this.#remaining -= size
      call.received(bytes.subarray(at, at + size))
      if (this.#remaining === 0 && this.#call === call) this.#finish(call, at + size < end)
    } else call.received(bytes.subarray(at, end))
  }

  /** The response ended exactly here. The connection is free before its call hears of it, so that the next one can use it. */
  #finish(call: Http1Call, hasMore: boolean): void {
    const head = this.#head
    this.#head = null
    this.#call = null
    call.release()
    this.served++
    // Unwritten request bytes, or bytes nobody asked for: what comes next on this socket is uncertain.
    if (hasMore || !this.#isPersistent || this.#keepAliveMs <= 0 || !this.#isWritten) this.close()
    else {
      this.#giveBack()
      this.#state = IDLE
      this.idleSinceMs = this.#origin.nowMs
      // A pause asked for by the last call must not outlive it: an idle socket has to see its peer leave.
      if (this.#socket.isPaused()) this.#socket.resume()
      this.#origin.released(this)
    }
    call.ended()
    // Only now: until here it may be read.
    if (head !== null) this.#origin.takeBack(head)
  }

  #onEof(): void {
    if (this.#state === CLOSED) return
    const call = this.#call
    if (call === null) {
      this.close()
      return
    }
    if (this.#state === UNTIL_CLOSE) {
      this.#finish(call, false)
      return
    }
    if (!this.#isReady) {
      call.fail('upstream_unreachable', 'the connection was closed before it was ready')
      return
    }
    if (this.#isStale()) {
      this.#retry(call)
      return
    }
    call.fail('upstream_error', `the connection was closed ${this.#where()}`)
  }

  #onError(error: NodeJS.ErrnoException): void {
    if (this.#state === CLOSED) return
    const call = this.#call
    if (call === null) {
      this.close()
      return
    }
    if (!this.#isReady) {
      call.fail('upstream_unreachable', describeError(error))
      return
    }
    if (this.#isStale() && staleCodes.has(error.code ?? '')) {
      this.#retry(call)
      return
    }
    call.fail('upstream_error', `${describeError(error)} ${this.#where()}`)
  }

  get #isWritten(): boolean {
    return this.#unwritten === null && !this.#isUploading && this.#socket.writableLength === 0
  }

  #isStale(): boolean {
    return this.served > 0 && this.#state === HEAD && !this.#hasResponseBytes && this.#call!.isRepeatable
  }

  #retry(call: Http1Call): void {
    this.#call = null
    // This connection's memory may still be read by a write that is under way, but nobody writes into it any more.
    call.keepSent(this.#sentLong ?? this.#own.subarray(0, this.#sentBytes))
    this.#origin.repeat(call) // first, so that a waiting call doesn't take its place
    this.close()
  }

  #where(): string {
    if (this.#state !== HEAD) return 'before the end of the body'
    return this.#hasResponseBytes ? 'within the response head' : 'before a response'
  }

  #fail(error: WireError): void {
    this.#failWith(wireErrors[error])
  }

  #failWith(cause: string): void {
    this.#call!.fail('upstream_error', cause)
  }
}

/** `Keep-Alive: timeout=n`, less a second, so that we never write into a connection that is just being closed. */
function keepAliveMs(value: string, configuredMs: number): number {
  if (value === '') return configuredMs
  const match = /(?:^|[,;\s])timeout=(\d{1,9})/i.exec(value)
  return match === null ? configuredMs : Math.min(configuredMs, (Number(match[1]) - 1) * 1000)
}
