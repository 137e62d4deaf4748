import { bufferPool } from '../core/buffer-pool.ts'
import { copyOf } from '../core/copy-bytes.ts'
import { Failure } from '../core/failures.ts'
import { type FormRequest, withoutFiles } from '../core/form.ts'
import type { JsonObject } from '../core/json.ts'
import { usesFunctions } from '../core/legacy-functions.ts'
import { Again, type Codec, RawBody, type RoundTrip, type TargetContext } from '../core/provider.ts'
import { newSpanId } from '../core/trace.ts'
import { upstreamFailure } from '../core/upstream-failure.ts'
import { framings } from '../upstream/framing/index.ts'
import type { ResponseHeaders, UpstreamCall, UpstreamHandler } from '../upstream/upstream.ts'
import type { CompiledTarget } from './compile.ts'
import { ErrorAnswer } from './error-answer.ts'
import type { Exchange } from './exchange.ts'
import { noteAnswer } from './note-answer.ts'
import { type Awaited, openReply } from './open-reply.ts'
import type { Reply, Step } from './reply.ts'
import { LastWord } from './reply-json.ts'
import { StreamTranslation } from './reply-stream.ts'
import type { Route, RouteRequest } from './target-routes.ts'
import type { Walk } from './walk.ts'

/** Of what ending a job is answered with. */
const maxAbandonBytes = 64 << 10
/** All that a `tracestate` may hold. Heads are written as Latin-1, where other characters could become line ends. */
const isPrintable = (value: string): boolean => /^[\x20-\x7e]+$/.test(value)

/** What one request to the upstream consists of. */
interface Composed {
  readonly route: Route
  readonly body: Uint8Array | null
  /** Of the body, where it is not part of the route's head. */
  readonly contentType: string
}

const jsonContent = 'application/json'
/** How often a job may be asked after; the deadlines end it sooner. */
const mostTrips = 100_000
const mostFailedPolls = 5
const failedPollWaitMs = 1_000

const ignore: UpstreamHandler = { onSent() {}, onHead() {}, onData() {}, onEnd() {}, onFailure() {} }

/** One turn of a target: a call, and the further round trips that its codec asks for. */
export class Attempt implements UpstreamHandler, Awaited {
  readonly target: CompiledTarget
  readonly #walk: Walk
  readonly exchange: Exchange
  readonly codec: Codec<never>
  context: TargetContext
  #root = ''
  #upstream: UpstreamCall | null = null
  /** Counts calls: one that was answered from within `send` may have been followed by another. */
  #calls = 0
  /** In a row. */
  #failedPolls = 0
  /** The round trip under way, when it is not the first. */
  trip: RoundTrip | null = null
  #again: Again | null = null
  #timer: NodeJS.Timeout | null = null
  /** When the first call began; −1 before. */
  #startedAt = -1
  #reply: Reply | null = null
  /** An answer that is no success. */
  #error: ErrorAnswer | null = null
  /** What a rejected authorization may be tried again with, once. */
  #signed: { readonly composed: Composed; readonly lines: string } | null = null
  #hasSignedAnew = false
  #holding = false
  /** The first call is with the upstream. */
  #isSent = false
  /** Nobody waits for it any more, but it may turn out to have begun a job. */
  #isOrphan = false
  #over = false

  constructor(walk: Walk, target: CompiledTarget) {
    this.#walk = walk
    this.exchange = walk.exchange
    this.target = target
    const { exchange, call } = walk
    const { model } = exchange
    this.codec = target.codec(exchange.surface!, model)!
    this.context = {
      model: model === '' ? this.codec.defaultModel! : model,
      settings: target.data.settings,
      stream: call.stream,
      requestId: exchange.id,
      nowMs: exchange.startedMs,
      onUnsupportedParam: exchange.snapshot.data.compatibility.onUnsupportedParam,
    }
  }

  send(body: Uint8Array): void {
    const composed = this.#compose(body)
    if (composed instanceof Failure) this.#fail(composed)
    else {
      this.#authorize(composed)
      // Sent, or taken over by whoever sends it later. What a signature needs may be needed again.
      const own = composed.body
      if (own !== null && own.buffer !== body.buffer && this.target.authorizer.authorize === null)
        bufferPool.giveBack(own)
    }
  }

  /** What a codec trips over costs its own request only, never the thread. */
  #compose(body: Uint8Array): Composed | Failure {
    try {
      const { call } = this.#walk
      if (call.stream && this.codec.events === undefined)
        return new Failure('unsupported_parameter', {
          message: 'the provider of this model does not stream such answers',
          param: 'stream',
        })
      const encoded = this.#encode(body)
      if (encoded instanceof Failure) return encoded
      const isRaw = encoded instanceof RawBody
      // What a codec has written anew is JSON, also where a form was read.
      const contentType = isRaw ? encoded.contentType : this.codec.encode === null ? call.contentType : ''
      const { headers, headersFor } = this.codec
      const own = headersFor === undefined ? headers : this.codec.headersFor!(this.context)
      const path = this.codec.path(this.context)
      this.#root = this.codec.root?.(this.context) ?? this.target.routes.root
      return {
        route: this.#route('POST', this.#root, path, contentType === '', this.#streams(), own),
        body: isRaw ? encoded.bytes : encoded,
        contentType,
      }
    } catch (error) {
      return new Failure('internal_error', { cause: `the request could not be written: ${String(error)}` })
    }
  }

  /** Whether what comes first is the stream that the client asked for. */
  #streams(): boolean {
    return this.context.stream && this.codec.isJob !== true
  }

  /** `streams`: a stream comes back. */
  #route(
    method: string,
    root: string,
    path: string,
    hasJson: boolean,
    streams: boolean,
    headers: RouteRequest['headers'],
  ): Route {
    const { framing, decodeBytes, accept } = this.codec
    const takesBytes = this.exchange.surface!.hasByteAnswers || decodeBytes !== undefined
    const accepted = streams ? framings[framing]!.types[0]! : (accept ?? (takesBytes ? '*/*' : jsonContent))
    return this.target.routes.to(method, root, path, hasJson ? jsonContent : '', accepted, headers)
  }

  #encode(body: Uint8Array): Uint8Array | RawBody | Failure {
    const { call } = this.#walk
    const { encode, relay, tokenLimit } = this.codec
    const { model, stream } = this.context
    if (encode === null && relay !== null)
      return call.splice(body, { model, askForUsage: stream && this.#hasChunks(), tokenLimit }) ?? body
    const request = call.parse(body, model)
    if (request === null) return new Failure('invalid_request')
    if (this.exchange.surface!.forgetsRequest !== true) this.context = { ...this.context, request }
    else if (relay === null && usesFunctions(request as JsonObject))
      this.context = { ...this.context, usesFunctions: true }
    if (this.codec.params !== undefined)
      this.exchange.snapshot.unsupported?.note(this.target.key, this.codec, request, this.exchange.id)
    const encoded = encode === null ? request : encode(request as never, this.context)
    // What its answers depend on has to outlive the body, which a form's parts are views of.
    if (call.contentType !== '') this.context = { ...this.context, request: withoutFiles(request as FormRequest) }
    if (encoded instanceof Failure || encoded instanceof RawBody) return encoded
    return Buffer.from(JSON.stringify(encoded))
  }

  #hasChunks(): boolean {
    return this.exchange.surface!.streams === 'chunks'
  }

  #authorize(asked: Composed): void {
    const { authorize } = this.target.authorizer
    if (authorize === null) return this.#dispatch(asked, '')
    const { route, contentType } = asked
    // A credential may have to be fetched, or fetched anew: lent bytes are not there any more then.
    const body = asked.body === null || !this.#walk.isLent(asked.body) ? asked.body : copyOf(asked.body)
    const composed = { route, contentType, body }
    const lines = authorize({
      method: route.head.method,
      host: route.host,
      path: route.head.path,
      contentType: contentType || (body === null ? '' : jsonContent),
      body,
      nowMs: Date.now(),
    })
    if (typeof lines === 'string') return this.#dispatch(composed, lines)
    if (lines instanceof Failure) return this.#fail(lines)
    void lines.then(ready => {
      if (this.#over) return
      if (ready instanceof Failure) this.#fail(ready)
      else this.#dispatch(composed, ready)
    })
  }

  #dispatch(composed: Composed, authorization: string): void {
    const exchange = this.exchange
    const { route, body, contentType } = composed
    if (this.target.authorizer.rejected !== undefined) this.#signed = { composed, lines: authorization }
    const { trace, incoming, snapshot } = exchange
    let extraHeaders = authorization
    if (trace.parentSpanId !== '') extraHeaders += headerLine('tracestate', incoming.header('tracestate'))
    if (contentType !== '') extraHeaders += headerLine('content-type', contentType)
    const { forwardHeaders } = this.target.provider
    if (forwardHeaders !== undefined)
      for (const name of forwardHeaders) extraHeaders += headerLine(name, incoming.header(name))
    const { upstream } = snapshot.data
    exchange.beginCall()
    if (this.#startedAt < 0) this.#startedAt = exchange.callStartedAt
    const own = ++this.#calls
    const call = route.origin.send(
      {
        head: route.head,
        trace,
        spanId: newSpanId(),
        extraHeaders,
        body,
        maxBodyBytes: upstream.maxResponseBytes,
        firstByteTimeoutMs: upstream.firstByteTimeoutMs,
        idleTimeoutMs: upstream.idleTimeoutMs,
        totalTimeoutMs: upstream.totalTimeoutMs,
      },
      this,
    )
    // The handler may have been told everything already, and be busy with another call.
    if (this.#over) call.cancel()
    else if (own === this.#calls) {
      this.#upstream = call
      if (this.#holding) call.pause()
    }
  }

  /** The codec asks for another round trip; the call before it has ended. */
  #follow({ trip }: Again): void {
    const { firstByteTimeoutMs } = this.exchange.snapshot.data.upstream
    this.trip = trip
    this.#again = null
    this.#upstream = null
    // A stream may have taken as long as it liked.
    const isLate = !(this.#reply instanceof LastWord) && performance.now() - this.#startedAt > firstByteTimeoutMs
    if (isLate || this.#calls >= mostTrips)
      return this.#fail(new Failure('upstream_timeout', { cause: `the job took longer than ${firstByteTimeoutMs} ms` }))
    if (!(this.#reply instanceof LastWord)) this.#reply = null
    const go = (): void => {
      this.#timer = null
      const composed = this.#composeTrip(trip)
      if (composed instanceof Failure) this.#fail(composed)
      else this.#authorize(composed)
    }
    if (trip.waitMs === undefined || trip.waitMs <= 0) go()
    else this.#timer = setTimeout(go, trip.waitMs)
  }

  #composeTrip({ method, to, body, stream = false }: RoundTrip): Composed | Failure {
    try {
      const place = this.target.routes.follow(to, this.#root)
      if (place instanceof Failure) return place
      const isRaw = body instanceof RawBody
      const verb = method ?? (body === undefined ? 'GET' : 'POST')
      const hasJson = body !== undefined && !isRaw
      return {
        route: this.#route(verb, place.root, place.path, hasJson, stream, this.codec.headers),
        body: body === undefined ? null : isRaw ? body.bytes : Buffer.from(JSON.stringify(body)),
        contentType: isRaw ? body.contentType : '',
      }
    } catch (error) {
      return new Failure('internal_error', { cause: `the request could not be written: ${String(error)}` })
    }
  }

  /** Ends the job that nobody waits for any more. Whether that succeeds changes nothing. */
  #abandon(): void {
    const to = this.trip?.abandon
    if (to === undefined) return
    const composed = this.#composeTrip({ method: 'POST', to })
    if (composed instanceof Failure) return
    const { route } = composed
    const { authorize } = this.target.authorizer
    const request = { method: 'POST', host: route.host, path: route.head.path, contentType: '', body: null }
    const lines = authorize === null ? '' : authorize({ ...request, nowMs: Date.now() })
    const { connectTimeoutMs } = this.exchange.snapshot.data.upstream
    void Promise.resolve(lines).then(extraHeaders => {
      if (extraHeaders instanceof Failure) return
      const limits = { firstByteTimeoutMs: connectTimeoutMs, idleTimeoutMs: connectTimeoutMs }
      route.origin.send(
        {
          head: route.head,
          trace: null,
          spanId: '',
          extraHeaders,
          body: Buffer.alloc(0),
          maxBodyBytes: maxAbandonBytes,
          totalTimeoutMs: connectTimeoutMs,
          ...limits,
        },
        ignore,
      )
    })
  }

  get awaitsStream(): boolean {
    return this.trip === null ? this.#streams() : this.trip.stream === true
  }

  get usageWish(): boolean | null {
    return this.#walk.call.usageWish
  }

  // From the transport.

  onSent(): void {
    this.#isSent = true
    this.exchange.incoming.sent()
  }

  onWritten(): void {
    if (!this.#walk.keepsBody) this.exchange.releaseBody()
  }

  onHead(status: number, headers: ResponseHeaders, whole: Uint8Array | null): void {
    const exchange = this.exchange
    exchange.answeredWith(status)
    // Some transports can't tell when they have written a body; who answers has it.
    this.onWritten()
    noteAnswer(this.target, status, headers)
    if (status < 200 || status > 299) {
      this.#error = new ErrorAnswer(status, headers, Date.now())
      if (whole !== null) this.#takeError(whole)
      return
    }
    if (whole !== null) exchange.endCall()
    const reply = this.#reply instanceof LastWord ? this.#reply : this.#tryOpen(headers)
    if (reply instanceof Failure) return this.#stop(reply)
    this.#reply = reply
    if (whole === null) return
    const step = this.#read(reply, whole, true)
    if (step instanceof Again) this.#again = step
    else if (step !== null) this.#stop(step)
    // A whole answer has ended with this; a stream ends in `onEnd`.
    else if (exchange.over) this.#succeeded()
  }

  #tryOpen(headers: ResponseHeaders): Reply | Failure {
    try {
      return openReply(this, headers)
    } catch (error) {
      return unreadable(error)
    }
  }

  /** An answer may be nested deeper than the stack, or be what no codec thought of: that costs no thread either. */
  #read(reply: Reply, bytes: Uint8Array | null, isWhole: boolean): Step {
    try {
      if (bytes === null) return reply.end()
      return isWhole && reply.whole !== undefined ? reply.whole(bytes) : reply.data(bytes)
    } catch (error) {
      return unreadable(error)
    }
  }

  onData(chunk: Uint8Array): void {
    if (this.#over) return
    if (this.#error !== null) return this.#takeError(chunk)
    const step = this.#read(this.#reply!, chunk, false)
    if (step instanceof Failure) this.#stop(step)
  }

  onEnd(): void {
    if (this.#over) return
    this.exchange.endCall()
    if (this.#error !== null) {
      if (!this.#signsAnew(this.#error)) this.#failTrip(this.#errorFailure(this.#error))
      return
    }
    this.#failedPolls = 0
    const step = this.#again ?? this.#read(this.#reply!, null, true)
    if (step === null) this.#succeeded()
    else if (step instanceof Failure) this.#fail(step)
    else if (this.#isOrphan) {
      this.#over = true
      this.trip = step.trip
      this.#abandon()
    } else {
      const reply = this.#reply
      if (reply instanceof StreamTranslation)
        this.#reply = new LastWord(step.trip, this.context, answer => reply.finish(answer))
      this.#follow(step)
    }
  }

  /** A token that was taken back, or a clock that is wrong: worth one more try with fresh lines. */
  #signsAnew(error: ErrorAnswer): boolean {
    const signed = this.#signed
    const { status } = error
    if (signed === null || this.#hasSignedAnew || (status !== 401 && status !== 403)) return false
    const isWorthIt = this.target.authorizer.rejected!({
      status,
      lines: signed.lines,
      date: error.date,
      errorType: error.type,
      body: error.body.toString('utf8'),
      nowMs: Date.now(),
    })
    if (!isWorthIt) return false
    this.#hasSignedAnew = true
    this.#error = null
    this.#upstream = null
    this.#authorize(signed.composed)
    return true
  }

  /** A call that failed. A poll whose failure may pass is repeated: the job runs on, and another would cost again. */
  #failTrip(failure: Failure): void {
    const trip = this.trip
    const isGet = trip !== null && trip.body === undefined && trip.method !== 'POST' && trip.stream !== true
    if (
      trip === null ||
      !(isGet || trip.isPoll === true) ||
      this.#reply instanceof LastWord ||
      this.#isOrphan ||
      failure.retry !== 'same'
    )
      return this.#fail(failure)
    if (++this.#failedPolls > mostFailedPolls) return this.#fail(failure)
    this.exchange.endCall()
    this.#error = null
    const waitMs = Math.max(failedPollWaitMs, trip.waitMs ?? 0, failure.details.retryAfterMs ?? 0)
    this.#follow(new Again({ ...trip, waitMs }))
  }

  #succeeded(): void {
    this.#over = true
    this.#walk.succeeded()
  }

  onFailure(failure: Failure): void {
    if (this.#over) return
    // What an upstream managed to say of an error is worth more than how its body broke off.
    this.#failTrip(this.#error === null ? failure : this.#errorFailure(this.#error))
  }

  #takeError(chunk: Uint8Array): void {
    const error = this.#error!
    // An error that does not end is cut short; what came of it is enough.
    if (!error.take(chunk)) this.#stop(this.#errorFailure(error))
  }

  #errorFailure(error: ErrorAnswer): Failure {
    return error.failure(this.codec, this.exchange.snapshot.redact)
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
    // A stream that was complete but for its usage is a success.
    const reply = this.#reply
    if (reply instanceof LastWord) {
      this.#reply = null
      const broken = giveUp(reply)
      return broken === null ? this.#succeeded() : this.#fail(broken)
    }
    this.#over = true
    if (this.#isOrphan) return
    this.exchange.endCall()
    // Another attempt begins a job of its own; this one would run on, and cost.
    this.#abandon()
    this.#walk.failed(this.#asSeenFromHere(failure))
  }

  /** Redacted, and before the commit a broken stream is an answer that was no use, like any other. */
  #asSeenFromHere(failure: Failure): Failure {
    const { details } = failure
    if (details.cause === undefined && failure.kind !== 'stream_error') return failure
    const { redact } = this.exchange.snapshot
    const cause = redact(details.cause ?? '')
    if (failure.kind !== 'stream_error' || this.exchange.committed)
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
    // A job that is just being created runs on, and costs, unless its place becomes known.
    if (this.codec.isJob === true && this.trip === null && this.#isSent && this.#error === null) this.#isOrphan = true
    else {
      this.#over = true
      if (this.#timer !== null) clearTimeout(this.#timer)
      this.#upstream?.cancel()
      this.#abandon()
    }
    this.exchange.endCall()
  }
}

const unreadable = (error: unknown): Failure =>
  new Failure('upstream_error', { cause: `the answer could not be read: ${String(error)}` })

function giveUp(reply: LastWord): Failure | null {
  try {
    reply.giveUp()
    return null
  } catch (error) {
    return unreadable(error)
  }
}

/** Of a value from outside; '' when a header can't hold it. */
const headerLine = (name: string, value: string): string =>
  value !== '' && isPrintable(value) ? `${name}: ${value}\r\n` : ''
