import { failureAnswer } from '../core/answer.ts'
import { noUsage, type Usage } from '../core/chat.ts'
import { Failure } from '../core/failures.ts'
import { type FixedHeaders, HeaderBlock } from '../core/header-block.ts'
import type { Incoming } from '../core/incoming.ts'
import { type Place, placeOf } from '../core/paths.ts'
import type { KeyData } from '../core/snapshot.ts'
import type { Measured, Surface } from '../core/surface.ts'
import { adoptTrace, type TraceContext } from '../core/trace.ts'
import type { CompiledTarget, Snapshot } from './compile.ts'
import type { HeldBytes } from './held-bytes.ts'

/** The state of one request, from accept to record. */
export class Exchange {
  readonly incoming: Incoming
  readonly snapshot: Snapshot
  readonly trace: TraceContext
  readonly startedAt = performance.now()
  /** The same by the wall clock, in ms since the epoch. */
  readonly startedMs = Date.now()
  readonly #onFinish: (exchange: Exchange) => void

  /** What the request's path stands for. */
  readonly place: Place
  remote = ''
  key: KeyData | null = null
  surface: Surface | null = null
  /** What records call it: the surface's id, or what is forwarded; '' = neither yet. */
  surfaceId = ''
  /** Part of every answer's header block: CORS. */
  extraHeaders = ''

  /** Asked for, aliases resolved. */
  model = ''
  stream = false
  target: CompiledTarget | null = null
  attempts = 0
  /** Spent inside upstream calls that have ended; `callStartedAt` ≥ 0 while one is open. */
  upstreamMs = 0
  callStartedAt = -1
  /** Of the current attempt; 0 = it has none yet. */
  upstreamStatus = 0
  /** Some upstream answered that it would do it: from then on it may charge for it. */
  isAccepted = false
  usage: Usage = noUsage
  /** What its request says of its price. */
  measured: Measured | undefined = undefined
  /** The model that the answer says it is from, where that was read. */
  answeredBy = ''

  status = 0
  failure: Failure | null = null
  firstByteAt = -1
  endedAt = -1
  requestBytes = 0
  /** Where its body is counted while it is kept, and how much of it. */
  heldIn: HeldBytes | null = null
  heldBytes = 0
  responseBytes = 0
  /** The first byte of an answer is out: no other answer is possible any more. */
  committed = false
  over = false
  /** What is being sent can carry an error; whether a stream was asked for does not say that. */
  #sendsEvents = false
  #heartbeat: NodeJS.Timeout | null = null
  #wroteSinceBeat = false

  constructor(incoming: Incoming, snapshot: Snapshot, onFinish: (exchange: Exchange) => void) {
    this.incoming = incoming
    this.snapshot = snapshot
    this.#onFinish = onFinish
    this.trace = adoptTrace(incoming.header('traceparent'), incoming.header('x-request-id'))
    this.place = placeOf(incoming.target)
  }

  /** As the client wrote it, up to the query. */
  get path(): string {
    const { target } = this.incoming
    const query = target.indexOf('?')
    return query < 0 ? target : target.slice(0, query)
  }

  get id(): string {
    return this.trace.traceId
  }

  answeredWith(status: number): void {
    this.upstreamStatus = status
    if (status >= 200 && status <= 299) this.isAccepted = true
  }

  beginCall(): void {
    this.callStartedAt = performance.now()
  }

  endCall(): void {
    if (this.callStartedAt < 0) return
    this.upstreamMs += performance.now() - this.callStartedAt
    this.callStartedAt = -1
  }

  /** Header block of an answer; `rest` ends with CRLF or is empty. */
  #headers(fixed: FixedHeaders, rest: string, now: number): HeaderBlock {
    const own = this.extraHeaders + rest
    if (this.attempts === 0) return new HeaderBlock(this.id, fixed, own)
    const upstream = this.upstreamMs + (this.callStartedAt < 0 ? 0 : now - this.callStartedAt)
    return new HeaderBlock(this.id, fixed, own, Math.max(0, now - this.startedAt - upstream))
  }

  /** A complete answer. */
  answer(status: number, fixed: FixedHeaders, rest: string, body: Uint8Array | string): void {
    if (this.over || this.committed) return
    this.committed = true
    this.status = status
    this.responseBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    const now = performance.now()
    this.firstByteAt = now
    this.incoming.whole(status, this.#headers(fixed, rest, now), body)
    this.finish(now)
  }

  /** Starts an answer that goes on with `write`. */
  begin(status: number, fixed: FixedHeaders, rest: string, length: number, events: boolean): void {
    if (this.over || this.committed) return
    this.committed = true
    this.#sendsEvents = events
    this.status = status
    const now = performance.now()
    this.firstByteAt = now
    this.incoming.head(status, this.#headers(fixed, rest, now), length, events)
    const { heartbeatMs } = this.snapshot.data.stream
    if (events && heartbeatMs > 0) this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
  }

  /** Streams are written in whole events, so a comment may stand between any two writes. */
  #beat(): void {
    if (this.#wroteSinceBeat) this.#wroteSinceBeat = false
    else this.incoming.write(': heartbeat\n\n')
  }

  write(chunk: Uint8Array | string): boolean {
    this.responseBytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length
    this.#wroteSinceBeat = true
    return this.incoming.write(chunk)
  }

  end(): void {
    if (this.over) return
    this.incoming.end()
    this.finish()
  }

  /** Ends the exchange with a failure, in the form that is still possible. */
  fail(failure: Failure): void {
    if (this.over) return
    this.failure = failure
    if (!this.committed) {
      const answer = failureAnswer(failure, this.id, this.#failureHeaders())
      this.committed = true
      this.status = answer.status
      this.responseBytes = Buffer.byteLength(answer.body)
      this.incoming.whole(answer.status, answer.headers, answer.body)
    } else if (this.#sendsEvents) {
      // The contract of streams: one error event, no [DONE].
      const type = failure.kind === 'stream_timeout' ? 'timeout_error' : 'stream_error'
      const code = failure.kind === 'stream_timeout' ? 'stream_timeout' : 'stream_error'
      this.incoming.write(
        `data: ${JSON.stringify({ error: { message: failure.message, type, param: null, code } })}\n\n`,
      )
      this.incoming.end()
    } else this.incoming.abort()
    this.finish()
  }

  #failureHeaders(): string {
    return this.target === null ? this.extraHeaders : `${this.extraHeaders}x-gateway-provider: ${this.target.key}\r\n`
  }

  /** Its body is not needed any more. */
  releaseBody(): void {
    this.heldIn?.release(this)
  }

  /** Exactly once, whatever happened. */
  finish(now = performance.now()): void {
    if (this.over) return
    this.over = true
    this.endedAt = now
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat)
    this.endCall()
    this.releaseBody()
    this.#onFinish(this)
  }

  /** The client is gone; whoever works for it was told. */
  cancel(): void {
    if (this.over) return
    this.failure ??= new Failure('client_canceled')
    if (this.status === 0) this.status = 499
    this.finish()
  }
}
