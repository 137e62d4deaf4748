import { copyOf } from '../../core/copy-bytes.ts'
import type { ExchangeEvents, Reply } from '../engine.ts'
import {
  type AnswerFrame,
  type BodyFraming,
  bodyFraming,
  composeAnswer,
  composeChunk,
  interim,
  lastChunk,
} from './answer.ts'

/** What an exchange needs of its connection. */
export interface ExchangeConnection {
  /** Whether the connection has to end with the answer, however the caller wants it. */
  mustClose(exchange: NodeExchange): boolean
  /** false: the bytes wait in the socket's buffer. */
  send(bytes: Uint8Array): boolean
  onAnswered(exchange: NodeExchange): void
  pauseBody(): void
  resumeBody(): void
  cut(): void
}

/** One request and its answer. Of a connection's exchanges only the current one is not over. */
export class NodeExchange implements Reply, AnswerFrame {
  events: ExchangeEvents | null = null
  readonly isHead: boolean
  readonly isOld: boolean
  closes: boolean
  /** The client holds its body back until it hears `100 Continue`. */
  awaitsContinue: boolean
  hasAnswer = false
  isOver = false
  isBlocked = false

  readonly #connection: ExchangeConnection
  #framing: BodyFraming = 'none'
  #length = -1
  #given = 0
  /** A head that waits for the first bytes of its body, or for the end of this turn. */
  #pending: Buffer | null = null

  constructor(
    connection: ExchangeConnection,
    isHead: boolean,
    isOld: boolean,
    closes: boolean,
    awaitsContinue: boolean,
  ) {
    this.#connection = connection
    this.isHead = isHead
    this.isOld = isOld
    this.closes = closes
    this.awaitsContinue = awaitsContinue
  }

  pauseBody(): void {
    if (!this.isOver) this.#connection.pauseBody()
  }

  resumeBody(): void {
    if (!this.isOver) this.#connection.resumeBody()
  }

  /** An answer without a declared end has begun and goes on. */
  get isOpenStream(): boolean {
    return this.hasAnswer && !this.isOver && this.#framing !== 'none' && this.#length < 0
  }

  invite(): void {
    if (!this.awaitsContinue || this.hasAnswer) return
    this.awaitsContinue = false
    this.#connection.send(interim())
  }

  whole(status: number, headers: Uint8Array, body: Uint8Array, close: boolean): void {
    if (this.hasAnswer || this.isOver) return
    this.#decide(close)
    const hasBody = bodyFraming(status, body.length, this) !== 'none'
    this.#finish(composeAnswer(status, headers, body.length, this, hasBody ? body : null))
  }

  head(status: number, headers: Uint8Array, length: number, close: boolean): void {
    if (this.hasAnswer || this.isOver) return
    this.#framing = bodyFraming(status, length, this)
    // Only the end of the connection tells HTTP/1.0 where a stream ends.
    this.#decide(close || (length < 0 && this.#framing === 'raw'))
    this.#length = this.#framing === 'raw' ? length : -1
    this.#pending = composeAnswer(status, headers, length, this, null)
    process.nextTick(flushPending, this)
  }

  #decide(close: boolean): void {
    this.hasAnswer = true
    if (close || this.#connection.mustClose(this)) this.closes = true
  }

  flush(): void {
    const pending = this.#pending
    if (pending === null || this.isOver) return
    this.#pending = null
    this.#connection.send(pending)
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver || !this.hasAnswer) return false
    if (chunk.length === 0 || this.#framing === 'none') return !this.isBlocked
    this.#given += chunk.length
    if (this.#length >= 0 && this.#given > this.#length) {
      this.abort() // more than was promised: the client must not take it for the next answer
      return false
    }
    const pending = this.#pending
    this.#pending = null
    const isTaken = this.#connection.send(
      this.#framing === 'chunked'
        ? composeChunk(pending, chunk)
        : pending === null
          ? copyOf(chunk)
          : Buffer.concat([pending, copyOf(chunk)]),
    )
    if (!isTaken) this.isBlocked = true
    return isTaken
  }

  end(): void {
    if (this.isOver || !this.hasAnswer) return
    if (this.#length >= 0 && this.#given !== this.#length) {
      this.abort() // must not pass for whole
      return
    }
    const pending = this.#pending
    if (this.#framing !== 'chunked') this.#finish(pending)
    else this.#finish(pending === null ? lastChunk : Buffer.concat([pending, lastChunk]))
  }

  #finish(bytes: Buffer | null): void {
    this.#pending = null
    this.isOver = true
    this.events = null
    if (bytes !== null) this.#connection.send(bytes)
    this.#connection.onAnswered(this)
  }

  abort(): void {
    if (this.isOver) return
    this.isOver = true
    this.events = null
    this.#connection.cut()
  }

  /** Its listener threw: it hears nothing more. */
  forget(): void {
    this.isOver = true
    this.events = null
  }

  /** The connection is gone or can't be understood any more. */
  lose(): void {
    if (this.isOver) return
    this.isOver = true
    const { events } = this
    this.events = null
    events?.onClosed()
  }

  drained(): void {
    if (!this.isBlocked) return
    this.isBlocked = false
    this.events?.onDrain()
  }
}

const flushPending = (exchange: NodeExchange): void => exchange.flush()
