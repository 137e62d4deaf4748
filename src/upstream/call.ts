import { Failure, type FailureKind } from '../core/failures.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import { BodyDecoder, contentCoding } from './decoding.ts'
import type { ResponseHeaders, UpstreamCall, UpstreamHandler, UpstreamRequest } from './upstream.ts'

/** What a transport knows of a response's head. */
export interface TransportHeaders extends ResponseHeaders {
  /** From here on the body is decoded: `content-encoding` and `content-length` no longer describe it. */
  hideCoding(): void
  /** They will be looked at after the transport has turned to its next response. */
  detach(): void
}

const WAITING = 0 // for a connection
const SENT = 1 // for the head of the answer
const ANSWERED = 2 // for its body
const OVER = 3

/** A client that reads nothing may hold a paused answer for this many idle timeouts: the socket can't see its peer die. */
const pausedIdleTimeouts = 4

/**
 * One request from `send` to its last callback: deadlines, limits, decoding and the promise to call back in order and
 * to stop. A transport extends it with the ways to cut and to slow its connection.
 *
 * Not recycled, though it could be: a caller may keep it and cancel it late, which must never hit a later request.
 */
export abstract class Call implements UpstreamCall, Timed {
  waitUntilMs = Number.POSITIVE_INFINITY
  totalUntilMs = Number.POSITIVE_INFINITY
  place = -1

  readonly request: UpstreamRequest
  protected readonly deadlines: Deadlines
  readonly #handler: UpstreamHandler
  #phase = WAITING
  #isPaused = false
  #receivedBytes = 0
  #decoder: BodyDecoder | null = null

  constructor(request: UpstreamRequest, handler: UpstreamHandler, deadlines: Deadlines) {
    this.request = request
    this.deadlines = deadlines
    this.#handler = handler
    if (request.totalTimeoutMs > 0) this.totalUntilMs = deadlines.nowMs + request.totalTimeoutMs
    deadlines.add(this)
  }

  /** Cuts the connection, or gives up waiting for one. Called once, before the call's failure is told. */
  protected abstract disconnect(): void
  protected abstract setFlow(isFlowing: boolean): void
  /** Whether the peer took request bytes since the last time this was asked: an upload under way is not silence. */
  protected abstract tookBytes(): boolean
  /** The next piece of an upload under way; false when the transport is behind. */
  protected abstract upload(chunk: Uint8Array): boolean
  protected abstract endUpload(): void
  /** What ran out while waiting for a connection. */
  protected abstract waitFailure(): Failure

  get isOver(): boolean {
    return this.#phase === OVER
  }
  get isPaused(): boolean {
    return this.#isPaused
  }
  get isSent(): boolean {
    return this.#phase >= SENT
  }

  /** The longest wait for a connection. */
  waitFor(durationMs: number): void {
    this.waitUntilMs = this.deadlines.after(durationMs)
  }

  sent(): void {
    const isFirst = this.#phase === WAITING // not sent again on a fresh connection
    this.#phase = SENT
    this.#listen()
    if (isFirst) this.#handler.onSent()
  }

  /** The system has all of the request's body. */
  written(): void {
    if (this.#phase !== OVER) this.#handler.onWritten?.()
  }

  /** The patience with an upstream that says nothing starts anew. */
  #listen(): void {
    const { firstByteTimeoutMs, idleTimeoutMs } = this.request
    if (this.#isPaused) this.waitUntilMs = this.deadlines.after(idleTimeoutMs * pausedIdleTimeouts)
    else this.waitUntilMs = this.deadlines.after(this.#phase === SENT ? firstByteTimeoutMs : idleTimeoutMs)
  }

  /** The final head. `whole` is the complete body if it is known already. */
  answered(status: number, headers: TransportHeaders, whole: Uint8Array | null): void {
    const { maxBodyBytes } = this.request
    this.#phase = ANSWERED
    this.#listen()
    if (headers.contentLength > maxBodyBytes || (whole !== null && whole.length > maxBodyBytes)) {
      this.#tooLong()
      return
    }
    const coding = whole !== null && whole.length === 0 ? null : contentCoding(headers.get('content-encoding'))
    if (coding === null) {
      this.#handler.onHead(status, headers, whole)
      return
    }
    if (coding === 'unknown') {
      this.fail('upstream_error', 'the content coding of the response is not supported')
      return
    }
    headers.detach()
    headers.hideCoding()
    this.#decoder = new BodyDecoder(coding, this)
    if (this.#isPaused) this.#decoder.pause()
    this.#handler.onHead(status, headers, null)
    if (whole !== null && !this.isOver) this.#decoder.write(whole)
  }

  received(chunk: Uint8Array): void {
    if (!this.#isPaused) this.#listen()
    if (this.#decoder !== null) {
      this.#decoder.write(chunk)
      return
    }
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes > this.request.maxBodyBytes) {
      this.#tooLong()
      return
    }
    this.#handler.onData(chunk)
  }

  /** The body is complete. The transport has let go of the call before. */
  ended(): void {
    if (this.#decoder !== null) {
      this.waitUntilMs = Number.POSITIVE_INFINITY // for our own decoder, and for a consumer that may pause
      this.#decoder.end()
      return
    }
    this.#close()
    this.#handler.onEnd()
  }

  fail(kind: FailureKind, cause: string): void {
    this.failWith(new Failure(kind, { cause }))
  }

  failWith(failure: Failure): void {
    if (this.#phase === OVER) return
    this.#close()
    this.disconnect()
    this.#handler.onFailure(failure)
  }

  expire(isTotal: boolean): void {
    if (this.#phase === OVER) return
    const { request } = this
    if (isTotal) {
      this.fail('upstream_timeout', `the call took longer than ${request.totalTimeoutMs} ms`)
      return
    }
    if (this.#phase === WAITING) {
      this.failWith(this.waitFailure())
      return
    }
    if (this.#isPaused) {
      this.fail('stream_timeout', 'paused for too long')
      return
    }
    if (this.#phase === ANSWERED) {
      this.fail('stream_timeout', `silent for ${request.idleTimeoutMs} ms`)
      return
    }
    if (this.tookBytes()) this.#listen()
    else this.fail('upstream_timeout', `no response within ${request.firstByteTimeoutMs} ms`)
  }

  cancel(): void {
    if (this.#phase === OVER) return
    this.#close()
    this.disconnect()
  }

  write(chunk: Uint8Array): boolean {
    // What nobody waits for any more makes nobody wait.
    return this.#phase === OVER || this.upload(chunk)
  }

  end(): void {
    if (this.#phase !== OVER) this.endUpload()
  }

  /** The transport can take more of an upload. */
  hasRoom(): void {
    if (this.#phase !== OVER) this.#handler.onRoom?.()
  }

  pause(): void {
    if (this.#isPaused || this.#phase === OVER) return
    this.#isPaused = true
    this.#changeFlow()
  }

  resume(): void {
    if (!this.#isPaused || this.#phase === OVER) return
    this.#isPaused = false
    this.#changeFlow()
  }

  #changeFlow(): void {
    const isListening = this.#phase !== WAITING && this.waitUntilMs < Number.POSITIVE_INFINITY
    if (isListening) this.#listen()
    if (this.#decoder === null) this.setFlow(!this.#isPaused)
    else if (this.#isPaused) this.#decoder.pause()
    else {
      this.#decoder.resume()
      if (!this.#decoder.isHeld) this.setFlow(true) // the pause may be older than the decoder
    }
  }

  // What the decoder tells.

  onDecoded(chunk: Uint8Array): void {
    if (this.#phase === OVER) return
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes > this.request.maxBodyBytes) {
      this.#tooLong()
      return
    }
    this.#handler.onData(chunk)
  }

  onDecoderFlow(isFlowing: boolean): void {
    if (this.#phase !== OVER) this.setFlow(isFlowing)
  }

  onDecoderEnd(): void {
    if (this.#phase === OVER) return
    this.#close()
    this.#handler.onEnd()
  }

  onDecoderFailure(cause: string): void {
    this.fail('upstream_error', cause)
  }

  #tooLong(): void {
    this.fail('upstream_error', `the response is longer than ${this.request.maxBodyBytes} bytes`)
  }

  #close(): void {
    this.#phase = OVER
    this.deadlines.remove(this)
    this.#decoder?.destroy()
  }
}

/** The body of an answer that has none. */
export const noBody = new Uint8Array(0)
