import { Failure } from '../core/failures.ts'
import type { ChatCodec, TargetContext } from '../core/provider.ts'
import type { Call } from '../core/surface.ts'
import { formatTraceparent, newSpanId } from '../core/trace.ts'
import { retryHintMs, upstreamFailure } from '../core/upstream-failure.ts'
import { errorTypeOf, type ThreadMetrics } from '../shared/metric-rows.ts'
import type { PreparedHead, ResponseHeaders, UpstreamCall, UpstreamHandler } from '../upstream/upstream.ts'
import type { CompiledTarget } from './compile.ts'
import type { Exchange } from './exchange.ts'
import { forwardedHeaders } from './forwarded.ts'
import type { AnswerHead, Flow, Reply } from './reply.ts'
import { JsonRelay, JsonTranslation, parseError, parseObject } from './reply-json.ts'
import { StreamRelay, StreamTranslation } from './reply-stream.ts'

/**
 * Retry asks the same target again, fallback the next one: both are decided here, from the failure's own `retry` and
 * the target's policy, and nowhere else.
 */

const maxErrorBytes = 64 << 10
/** All that a `tracestate` may hold. Heads are written as Latin-1, where other characters could become line ends. */
const isPrintable = (value: string): boolean => /^[\x20-\x7e]+$/.test(value)
/** A wait that the upstream asks for is kept up to this; for a longer one the target is given up. */
const longestWaitMs = 30_000

/** Walks the targets until one answers, the client leaves, or nothing is left to ask. */
export class Walk {
  readonly exchange: Exchange
  readonly call: Call
  readonly metrics: ThreadMetrics
  readonly #targets: readonly CompiledTarget[]
  /** The request's bytes; a copy of our own when they may be needed again. */
  #body: Uint8Array | null
  #index = 0
  /** Attempts at the current target. */
  #tries = 0
  #current: Attempt | null = null
  #timer: NodeJS.Timeout | null = null
  #deadline: NodeJS.Timeout | null = null

  constructor(
    exchange: Exchange,
    call: Call,
    targets: readonly CompiledTarget[],
    body: Uint8Array,
    metrics: ThreadMetrics,
  ) {
    this.exchange = exchange
    this.call = call
    this.metrics = metrics
    this.#targets = targets
    const again = targets.length > 1 || targets[0]!.data.retry.attempts > 1
    this.#body = again ? Buffer.from(body) : body
    const { requestTimeoutMs } = exchange.snapshot.data
    if (requestTimeoutMs > 0) this.#deadline = setTimeout(() => this.#expired(), requestTimeoutMs)
  }

  start(): void {
    this.#try()
  }

  #try(): void {
    const target = this.#targets[this.#index]!
    this.#tries++
    this.exchange.attempts++
    this.exchange.target = target
    const body = this.#body!
    const again = this.#targets.length > 1 || target.data.retry.attempts > 1
    // Bytes that belong to a ring or a socket are good for this turn only.
    if (!again) this.#body = null
    this.#current = new Attempt(this, target)
    this.#current.send(body)
  }

  failed(failure: Failure): void {
    this.#current = null
    const { exchange } = this
    const target = this.#targets[this.#index]!
    const errorType = errorTypeOf(failure.kind)
    if (errorType !== '') this.metrics.providerError(target.series(exchange.model), errorType)
    if (exchange.over) return
    if (exchange.committed || failure.retry === 'never') return this.#giveUp(failure)
    const waitMs = this.#waitBeforeRetry(failure, target)
    if (waitMs >= 0) {
      this.metrics.retried(target.series(exchange.model))
      this.#timer = setTimeout(() => {
        this.#timer = null
        this.#try()
      }, waitMs)
      return
    }
    if (exchange.snapshot.strategy.commits || this.#index + 1 >= this.#targets.length) return this.#giveUp(failure)
    this.metrics.fellBack(target.series(exchange.model))
    this.#index++
    this.#tries = 0
    this.#try()
  }

  /** In ms; -1 = this target is not asked again. */
  #waitBeforeRetry(failure: Failure, target: CompiledTarget): number {
    const { retry } = target.data
    if (this.#tries >= retry.attempts) return -1
    const status = failure.details.upstreamStatus
    const listed = target.retryStatuses
    if (status !== undefined && listed !== null) {
      if (!listed.has(status)) return -1
    } else if (failure.retry !== 'same') return -1
    const asked = failure.details.retryAfterMs
    if (asked !== undefined) return asked <= longestWaitMs ? asked : -1
    // Full jitter: many clients that failed together do not come back together.
    return Math.random() * retry.initialBackoffMs * 2 ** (this.#tries - 1)
  }

  /** The client has its answer: nothing may hold on to the exchange, or count it once more. */
  succeeded(): void {
    this.#current = null
    this.stop()
  }

  #giveUp(failure: Failure): void {
    this.stop()
    this.exchange.fail(failure)
  }

  #expired(): void {
    this.#deadline = null
    // A stream that flows is not bounded by the deadline, only its start is.
    if (this.exchange.committed && this.exchange.stream) return
    this.#current?.cancel()
    this.#current = null
    const failure = new Failure('gateway_timeout', { cause: 'request_timeout passed' })
    const target = this.exchange.target
    if (target !== null) this.metrics.providerError(target.series(this.exchange.model), 'timeout')
    this.#giveUp(failure)
  }

  /** The client has caught up. */
  resume(): void {
    this.#current?.resume()
  }

  /** The client is gone. */
  cancel(): void {
    const attempt = this.#current
    this.#current = null
    attempt?.cancel()
    if (attempt !== null) this.metrics.providerError(attempt.target.series(this.exchange.model), 'client_canceled')
    this.stop()
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#timer = null
    this.#deadline = null
    this.#body = null
  }
}

/** One call to one target. */
class Attempt implements UpstreamHandler, Flow {
  readonly target: CompiledTarget
  readonly #walk: Walk
  readonly #exchange: Exchange
  readonly #codec: ChatCodec
  readonly #context: TargetContext
  #upstream: UpstreamCall | null = null
  #reply: Reply | null = null
  /** Of an answer that is no success. */
  #errorStatus = 0
  #errorHintMs = -1
  #error: Buffer[] = []
  #errorBytes = 0
  #holding = false
  #over = false

  constructor(walk: Walk, target: CompiledTarget) {
    this.#walk = walk
    this.#exchange = walk.exchange
    this.target = target
    this.#codec = target.codec(walk.exchange.surface!)!
    const { exchange, call } = walk
    this.#context = {
      model: exchange.model,
      settings: target.data.settings,
      stream: call.stream,
      requestId: exchange.id,
      nowMs: Date.now(),
      onUnsupportedParam: exchange.snapshot.data.compatibility.onUnsupportedParam,
    }
  }

  send(body: Uint8Array): void {
    const exchange = this.#exchange
    const composed = this.#compose(body)
    if (composed instanceof Failure) return this.#fail(composed)
    const { trace, incoming, snapshot } = exchange
    let extraHeaders = `traceparent: ${formatTraceparent(trace.traceId, newSpanId(), trace.sampled)}\r\n`
    if (trace.parentSpanId !== '') {
      const state = incoming.header('tracestate')
      if (isPrintable(state)) extraHeaders += `tracestate: ${state}\r\n`
    }
    const { upstream } = snapshot.data
    exchange.beginCall()
    const call = this.target.origin.send(
      {
        head: composed.head,
        extraHeaders,
        body: composed.body,
        maxBodyBytes: upstream.maxResponseBytes,
        firstByteTimeoutMs: upstream.firstByteTimeoutMs,
        idleTimeoutMs: upstream.idleTimeoutMs,
        totalTimeoutMs: upstream.totalTimeoutMs,
      },
      this,
    )
    // The handler may have been told everything already.
    if (this.#over) call.cancel()
    else {
      this.#upstream = call
      if (this.#holding) call.pause()
    }
  }

  /** What a codec trips over costs its own request only, never the thread. */
  #compose(body: Uint8Array): { head: PreparedHead; body: Uint8Array } | Failure {
    try {
      const encoded = this.#encode(body)
      if (encoded instanceof Failure) return encoded
      return { head: this.target.head(this.#codec, this.#context), body: encoded }
    } catch (error) {
      return new Failure('internal_error', { cause: `the request could not be written: ${String(error)}` })
    }
  }

  #encode(body: Uint8Array): Uint8Array | Failure {
    const { call } = this.#walk
    const { encode, relay, tokenLimit } = this.#codec
    const { model, stream } = this.#context
    if (encode === null && relay !== null) return call.splice(body, { model, askForUsage: stream, tokenLimit }) ?? body
    const parsed = parseObject(body)
    if (parsed === null) return new Failure('invalid_request')
    const request = { ...parsed, model } as Parameters<NonNullable<ChatCodec['encode']>>[0]
    const encoded = encode === null ? request : encode(request, this.#context)
    return encoded instanceof Failure ? encoded : Buffer.from(JSON.stringify(encoded))
  }

  // From the transport.

  onSent(): void {
    this.#exchange.incoming.sent()
  }

  onHead(status: number, headers: ResponseHeaders, whole: Uint8Array | null): void {
    const exchange = this.#exchange
    exchange.upstreamStatus = status
    if (status !== 200) {
      this.#errorStatus = status
      this.#errorHintMs = retryHintMs(name => headers.get(name), Date.now())
      if (whole !== null) this.#takeError(whole)
      return
    }
    if (whole !== null) exchange.endCall()
    const reply = this.#open(headers)
    if (reply instanceof Failure) return this.#stop(reply)
    this.#reply = reply
    if (whole === null) return
    const failure = this.#read(reply, whole, true)
    if (failure !== null) this.#stop(failure)
    // A whole answer has ended with this; a stream ends in `onEnd`.
    else if (exchange.over) this.#succeeded()
  }

  #open(headers: ResponseHeaders): Reply | Failure {
    const exchange = this.#exchange
    const type = headers.get('content-type')
    const forwarded = forwardedHeaders(headers)
    const verbatim = this.#codec.relay === 'verbatim'
    if (exchange.stream) {
      if (!type.startsWith('text/event-stream'))
        return new Failure('upstream_error', { cause: `asked for an event stream, got ${type || 'no content type'}` })
      const { streamUsage } = exchange.snapshot.data.compatibility
      const wish = this.#walk.call.usageWish
      const withholdUsage = streamUsage === 'always' ? wish === false : wish !== true
      const head: AnswerHead = { fixed: this.target.eventHeaders, forwarded, contentLength: -1 }
      return verbatim
        ? new StreamRelay(exchange, head, this, withholdUsage)
        : new StreamTranslation(exchange, this.#codec, this.#context, head, this, withholdUsage)
    }
    const head: AnswerHead = { fixed: this.target.jsonHeaders, forwarded, contentLength: headers.contentLength }
    return verbatim
      ? new JsonRelay(exchange, head, this)
      : new JsonTranslation(exchange, this.#codec, this.#context, head)
  }

  /** An answer may be nested deeper than the stack, or be what no codec thought of: that costs no thread either. */
  #read(reply: Reply, bytes: Uint8Array | null, isWhole: boolean): Failure | null {
    try {
      if (bytes === null) return reply.end()
      return isWhole && reply.whole !== undefined ? reply.whole(bytes) : reply.data(bytes)
    } catch (error) {
      return new Failure('upstream_error', { cause: `the answer could not be read: ${String(error)}` })
    }
  }

  onData(chunk: Uint8Array): void {
    if (this.#over) return
    if (this.#reply === null) return this.#takeError(chunk)
    const failure = this.#read(this.#reply, chunk, false)
    if (failure !== null) this.#stop(failure)
  }

  onEnd(): void {
    if (this.#over) return
    this.#exchange.endCall()
    if (this.#reply === null) return this.#fail(this.#errorFailure())
    const failure = this.#read(this.#reply, null, true)
    if (failure !== null) this.#fail(failure)
    else this.#succeeded()
  }

  #succeeded(): void {
    this.#over = true
    this.#walk.succeeded()
  }

  onFailure(failure: Failure): void {
    if (this.#over) return
    // What an upstream managed to say of an error is worth more than how its body broke off.
    if (this.#errorStatus !== 0) return this.#fail(this.#errorFailure())
    this.#fail(failure)
  }

  #takeError(chunk: Uint8Array): void {
    const room = maxErrorBytes - this.#errorBytes
    if (room > 0) this.#error.push(Buffer.from(chunk.subarray(0, room)))
    this.#errorBytes += chunk.length
    // An error that does not end is cut short; what came of it is enough.
    if (this.#errorBytes > maxErrorBytes) this.#stop(this.#errorFailure())
  }

  #errorFailure(): Failure {
    const said = this.#codec.failure(this.#errorStatus, parseError(Buffer.concat(this.#error)))
    return upstreamFailure(this.#errorStatus, said, this.#errorHintMs, this.#exchange.snapshot.redact)
  }

  /** Ends a call that is still open. */
  #stop(failure: Failure): void {
    this.#over = true
    this.#upstream?.cancel()
    this.#over = false
    this.#fail(failure)
  }

  #fail(failure: Failure): void {
    if (this.#over) return
    this.#over = true
    this.#exchange.endCall()
    this.#walk.failed(this.#asSeenFromHere(failure))
  }

  /** Redacted, and before the commit a broken stream is an answer that was no use, like any other. */
  #asSeenFromHere(failure: Failure): Failure {
    const { details } = failure
    if (details.cause === undefined && failure.kind !== 'stream_error') return failure
    const { redact } = this.#exchange.snapshot
    const cause = redact(details.cause ?? '')
    if (failure.kind !== 'stream_error' || this.#exchange.committed)
      return new Failure(failure.kind, { ...details, cause })
    return details.upstreamStatus === undefined
      ? new Failure('upstream_error', { ...details, cause })
      : upstreamFailure(details.upstreamStatus, { message: cause }, -1, redact)
  }

  // From the client's side.

  hold(): void {
    this.#holding = true
    this.#upstream?.pause()
  }

  resume(): void {
    if (!this.#holding) return
    this.#holding = false
    this.#upstream?.resume()
  }

  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#upstream?.cancel()
    this.#exchange.endCall()
  }
}
