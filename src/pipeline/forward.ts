import { isUtf8 } from 'node:buffer'
import { copyOf } from '../core/copy-bytes.ts'
import { Failure } from '../core/failures.ts'
import type { ForwardedHeader } from '../core/incoming.ts'
import { at, isNull, isString, readString, scanObject, spliceChat, TopLevel } from '../core/json-scan.ts'
import { newSpanId } from '../core/trace.ts'
import { retryHintMs, upstreamFailure } from '../core/upstream-failure.ts'
import { errorTypeOf, type ThreadMetrics } from '../shared/metric-rows.ts'
import type { ResponseHeaders, UpstreamCall, UpstreamHandler } from '../upstream/upstream.ts'
import type { ForwardRoute } from './admit.ts'
import type { CompiledTarget } from './compile.ts'
import { credentialScrub, secretsOf } from './credentials.ts'
import type { Exchange } from './exchange.ts'
import { destinationOf, resolveAlias, targetOfHead } from './forward-target.ts'
import { noteAnswer } from './note-answer.ts'
import type { Flow } from './reply.ts'
import { isJsonType } from './reply-bytes.ts'
import { ForwardReply } from './reply-forward.ts'
import type { Route } from './target-routes.ts'

/** What records call it. */
const surfaceIds: Record<ForwardRoute['to'], string> = {
  responses: 'responses',
  stored: 'responses',
  files: 'files',
  batches: 'batches',
  passthrough: 'passthrough',
}

/** Headers of the client that go on; everything else ends here. */
const onward = [
  'accept',
  'content-type',
  'content-encoding',
  'range',
  'openai-beta',
  'idempotency-key',
  'anthropic-version',
  'anthropic-beta',
] as const satisfies readonly ForwardedHeader[]

/** For an answer that is no success and does not end. */
const errorBudgetMs = 15_000

const isPrintable = (value: string): boolean => /^[\x20-\x7e]+$/.test(value)
const headerLine = (name: string, value: string): string => (isPrintable(value) ? `${name}: ${value}\r\n` : '')
const top = new TopLevel()
const nothing = Buffer.alloc(0)

/**
 * A request that goes to one target as it came: method, path, body. It is never sent twice. A body that says which
 * model it is for is read first, within `max_request_bytes`; every other one streams through, at the pace of the slower
 * side, and is never held.
 */
export class Forward implements UpstreamHandler, Flow {
  readonly #exchange: Exchange
  readonly #route: ForwardRoute
  readonly #metrics: ThreadMetrics
  #isSending = false
  /** A credential is being fetched. */
  #isAuthorizing = false
  #isHeldLast = false
  /** The body so far, while it is read first. */
  #held: Buffer[] = []
  #heldBytes = 0
  #call: UpstreamCall | null = null
  #isUploaded = false
  #isHolding = false
  #reply: ForwardReply | null = null
  #lines = ''
  #timer: NodeJS.Timeout | null = null
  #over = false

  constructor(exchange: Exchange, route: ForwardRoute, metrics: ThreadMetrics) {
    this.#exchange = exchange
    this.#route = route
    this.#metrics = metrics
    exchange.surfaceId = surfaceIds[route.to]
  }

  // From the client.

  /** `chunk` is valid only during the call. */
  body(chunk: Uint8Array, last: boolean): void {
    if (this.#over) return
    if (this.#isSending) {
      this.#upload(chunk, last)
      return
    }
    if (this.#isAuthorizing) {
      // Its piece was on its way already; the next ones wait at the client.
      this.#held.push(copyOf(chunk))
      this.#isHeldLast = last
      this.#exchange.incoming.holdBody()
      return
    }
    const isWhole = last && this.#held.length === 0
    if (!isWhole) {
      this.#held.push(copyOf(chunk))
      this.#heldBytes += chunk.length
    }
    const known = this.#knownTarget()
    if (known instanceof Failure) return this.#refuse(known)
    const isSigned = known !== null && known.authorizer.readsBody === true
    const isTooLarge = this.#heldBytes > this.#exchange.snapshot.data.maxRequestBytes
    // Read first, for its model or its signature. Too large for that, it streams where neither has to be known.
    if (isSigned || (this.#readsModel && !(isTooLarge && known !== null))) {
      if (isTooLarge) return this.#refuse(new Failure('request_too_large'))
      if (!last) return
    }
    const body = isWhole ? chunk : Buffer.concat(this.#held)
    this.#held = []
    this.#begin(known, body, last)
  }

  /** The client has caught up. */
  resume(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#call?.resume()
  }

  /** The client is gone. */
  cancel(): void {
    if (this.#over) return
    const { target, model } = this.#exchange
    if (target !== null) this.#metrics.providerError(target.series(model), 'client_canceled')
    this.#finish()
    this.#call?.cancel()
  }

  /** Whether there is room for more. */
  #upload(chunk: Uint8Array, last: boolean): boolean {
    const isTaken = this.#call!.write(chunk)
    if (last) {
      this.#isUploaded = true
      this.#call!.end()
      this.#startDeadline()
    } else if (!isTaken) this.#exchange.incoming.holdBody()
    return isTaken
  }

  /** What came while the credential was fetched. */
  #uploadHeld(): void {
    const held = this.#held
    if (held.length === 0) return
    this.#held = []
    const isTaken = this.#upload(Buffer.concat(held), this.#isHeldLast)
    if (isTaken && !this.#isHeldLast && !this.#over) this.#exchange.incoming.resumeBody()
  }

  onRoom(): void {
    if (!this.#over && !this.#isUploaded) this.#exchange.incoming.resumeBody()
  }

  // Where it goes.

  /** null: only the body's model decides. */
  #knownTarget(): CompiledTarget | Failure | null {
    const { to } = this.#route
    const named = targetOfHead(this.#exchange, to)
    if (named !== null || this.#readsModel) return named
    const destination = destinationOf(this.#exchange, to, '')
    return destination instanceof Failure ? destination : destination.target
  }

  /** Only JSON names a model that decides, or that may be an alias. */
  get #readsModel(): boolean {
    const { to } = this.#route
    if (to !== 'responses' && to !== 'passthrough') return false
    const { incoming } = this.#exchange
    const type = incoming.header('content-type')
    return incoming.header('content-encoding') === '' && (isJsonType(type) || (type === '' && to === 'responses'))
  }

  #begin(known: CompiledTarget | null, body: Uint8Array, isComplete: boolean): void {
    const exchange = this.#exchange
    const read = isComplete && this.#readsModel && body.length > 0 ? readModel(body) : null
    if (read instanceof Failure) return this.#refuse(read)
    const asked = read ?? ''
    const destination =
      known === null
        ? destinationOf(exchange, this.#route.to, asked)
        : { target: known, model: resolveAlias(exchange, asked) }
    if (destination instanceof Failure) return this.#refuse(destination)
    exchange.target = destination.target
    exchange.model = destination.model
    // The body was just scanned into `top`.
    const changed =
      destination.model === asked ? null : spliceChat(body, 0, body.length, top, { model: destination.model })
    this.#authorize(changed ?? body, isComplete)
  }

  #authorize(body: Uint8Array, isComplete: boolean): void {
    const exchange = this.#exchange
    const target = exchange.target!
    const { authorize } = target.authorizer
    const hasBody = !isComplete || body.length > 0 || bodied.has(exchange.incoming.method)
    let route: Route
    try {
      route = target.routes.make({
        method: exchange.incoming.method,
        root: target.forwardRoot,
        path: exchange.place.path.slice('/v1'.length) + exchange.place.query,
        contentType: '',
        accept: '',
        headers: undefined,
      })
    } catch (error) {
      return this.#refuse(new Failure('invalid_proxy_path', { cause: String(error) }))
    }
    if (authorize === null) return this.#send(route, hasBody ? body : null, isComplete, '')
    const lines = authorize({
      method: route.head.method,
      host: route.host,
      path: route.head.path,
      contentType: exchange.incoming.header('content-type'),
      body: hasBody ? body : null,
      nowMs: Date.now(),
    })
    if (typeof lines === 'string') return this.#send(route, hasBody ? body : null, isComplete, lines)
    if (lines instanceof Failure) return this.#refuse(lines)
    // A credential is fetched: the bytes may not be there any more when it has come.
    const kept = hasBody ? copyOf(body) : null
    this.#isAuthorizing = true
    void lines.then(ready => {
      this.#isAuthorizing = false
      if (this.#over) return
      if (ready instanceof Failure) return this.#refuse(ready)
      this.#send(route, kept, isComplete, ready)
      this.#uploadHeld()
    })
  }

  #send(route: Route, body: Uint8Array | null, isComplete: boolean, lines: string): void {
    const exchange = this.#exchange
    const { trace, incoming, snapshot } = exchange
    const { upstream } = snapshot.data
    this.#lines = lines
    this.#isSending = true
    exchange.attempts++
    let extraHeaders = lines
    if (trace.parentSpanId !== '') extraHeaders += headerLine('tracestate', incoming.header('tracestate'))
    const { headers: demanded = {} } = exchange.target!.forward
    for (const name of onward) extraHeaders += headerLine(name, incoming.header(name) || (demanded[name] ?? ''))
    exchange.beginCall()
    const call = route.origin.send(
      {
        head: route.head,
        trace,
        spanId: newSpanId(),
        extraHeaders,
        body: isComplete ? body : null,
        ...(isComplete ? {} : { uploadBytes: declaredLength(incoming.header('content-length')) }),
        maxBodyBytes: Number.MAX_SAFE_INTEGER,
        firstByteTimeoutMs: upstream.firstByteTimeoutMs,
        idleTimeoutMs: upstream.idleTimeoutMs,
        totalTimeoutMs: upstream.totalTimeoutMs,
      },
      this,
    )
    // The handler may have been told everything already.
    if (this.#over) return call.cancel()
    this.#call = call
    if (this.#isHolding) call.pause()
    if (isComplete) {
      this.#isUploaded = true
      this.#startDeadline()
    } else this.#upload(body ?? nothing, false)
  }

  /** Of the answer's start; what flows, in either direction, may take its time. */
  #startDeadline(): void {
    const { requestTimeoutMs } = this.#exchange.snapshot.data
    if (requestTimeoutMs <= 0 || this.#over || this.#reply !== null) return
    this.#timer = setTimeout(() => {
      this.#call?.cancel()
      this.#fail(new Failure('gateway_timeout', { cause: 'request_timeout passed' }))
    }, requestTimeoutMs)
  }

  // From the transport.

  onSent(): void {
    this.#exchange.incoming.sent()
  }

  onHead(status: number, headers: ResponseHeaders, whole: Uint8Array | null): void {
    const exchange = this.#exchange
    const target = exchange.target!
    this.#stopTimer()
    const secrets = secretsOf(target.provider, target.data.settings, this.#lines)
    const isMetered = this.#route.to === 'responses'
    const reply = new ForwardReply(
      { exchange, flow: this, scrub: credentialScrub(secrets), isMetered },
      status,
      headers,
    )
    this.#reply = reply
    noteAnswer(target, status, headers)
    if (status >= 400) this.#countError(status, headers)
    if (whole !== null) {
      exchange.endCall()
      reply.whole(whole)
      this.#finish()
    } else if (reply.isHeld) this.#timer = setTimeout(() => this.#withhold(), errorBudgetMs)
    else reply.start()
  }

  /** For the record; the client reads the upstream's own words. */
  #countError(status: number, headers: ResponseHeaders): void {
    const exchange = this.#exchange
    const hintMs = retryHintMs(name => headers.get(name), Date.now())
    const failure = upstreamFailure(status, { message: '' }, hintMs, exchange.snapshot.redact)
    exchange.failure = failure
    // What the client did wrong is not held against the target.
    const isItsOwn = status >= 500 || status === 401 || status === 403 || status === 429
    const errorType = errorTypeOf(failure.kind)
    if (isItsOwn && errorType !== '') this.#metrics.providerError(exchange.target!.series(exchange.model), errorType)
  }

  onData(chunk: Uint8Array): void {
    if (!this.#over && !this.#reply!.data(chunk)) this.#withhold()
  }

  #withhold(): void {
    const reply = this.#reply!
    this.#finish()
    this.#call?.cancel()
    reply.withhold()
  }

  onEnd(): void {
    if (this.#over) return
    this.#finish()
    this.#exchange.endCall()
    this.#reply!.end()
  }

  onFailure(failure: Failure): void {
    if (this.#over) return
    // What there was of an error can't be told from a part of a credential.
    if (this.#reply?.isHeld) {
      this.#finish()
      return this.#reply.withhold()
    }
    this.#fail(failure)
  }

  #fail(failure: Failure): void {
    const { target, model } = this.#exchange
    const errorType = errorTypeOf(failure.kind)
    if (errorType !== '') this.#metrics.providerError(target!.series(model), errorType)
    const isTransport = failure.kind === 'upstream_unreachable' || failure.kind === 'upstream_error'
    this.#refuse(isTransport ? new Failure('proxy_failed', failure.details) : failure)
  }

  #refuse(failure: Failure): void {
    this.#finish()
    const { details } = failure
    const cause = details.cause === undefined ? undefined : this.#exchange.snapshot.redact(details.cause)
    this.#exchange.fail(new Failure(failure.kind, { ...details, cause }))
  }

  hold(): void {
    this.#isHolding = true
    this.#call?.pause()
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #finish(): void {
    this.#over = true
    this.#held = []
    this.#stopTimer()
  }
}

/** Methods whose requests say how long their body is, be it nothing. */
const bodied = new Set(['POST', 'PUT', 'PATCH'])

const declaredLength = (value: string): number => (/^\d{1,15}$/.test(value) ? Number(value) : -1)

/** The model that a JSON body names, '' without; a body that two readers may read differently is refused. */
function readModel(body: Uint8Array): string | Failure {
  const invalid = (message: string): Failure => new Failure('invalid_request', { message })
  if (!isUtf8(body)) return invalid('the request body is not valid UTF-8')
  const problem = scanObject(body, 0, body.length, top)
  if (problem !== null) return invalid(`the request body is not valid JSON: ${problem}`)
  const start = top.start(at.model)
  if (start < 0 || isNull(body, start)) return ''
  if (!isString(body, start))
    return new Failure('invalid_request', { message: 'model must be a string', param: 'model' })
  return readString(body, start, top.end(at.model))
}
