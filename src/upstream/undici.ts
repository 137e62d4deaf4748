import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { copyOf } from '../core/copy-bytes.ts'
import { Failure } from '../core/failures.ts'
import { formatTraceparent } from '../core/trace.ts'
import { Call, type TransportHeaders } from './call.ts'
import type { Deadlines } from './deadlines.ts'
import { describeError } from './describe-error.ts'
import { checkHeaders, encodePath } from './http1/request.ts'
import { secureContextOptions } from './tls.ts'
import type { Origin, OriginOptions, PreparedHead, UpstreamCall, UpstreamHandler, UpstreamRequest } from './upstream.ts'

const maxInterimResponses = 16
/** Of an upload, before its sender is told to wait. */
const uploadBufferBytes = 64 << 10

/**
 * Origins that want HTTP/2 or sit behind a proxy. undici is loaded with the first call, so that a gateway without them
 * never pays for it. Redirects are not followed and bodies come as they were sent; deadlines, limits and decoding are
 * those of every call. A stale connection is not tried again here.
 */
export class UndiciOrigin implements Origin {
  readonly url: string
  readonly options: OriginOptions
  readonly #deadlines: Deadlines
  #dispatcher: Dispatcher | null = null
  #loading: Promise<Dispatcher> | null = null
  #isClosing = false
  #active = 0
  #waiting = 0
  #sent = 0
  #open = 0
  #opened = 0

  constructor(options: OriginOptions, deadlines: Deadlines) {
    this.url = options.url
    this.options = options
    this.#deadlines = deadlines
  }

  prepare(method: string, path: string, headers: readonly (readonly [string, string])[]): PreparedHead {
    return new UndiciHead(method, path, headers)
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    this.#deadlines.refresh()
    const { maxConnections, maxQueue, connectTimeoutMs } = this.options
    const call = new UndiciCall(this, request, handler, this.#deadlines)
    const isFull = this.#waiting >= maxQueue && this.#active >= maxConnections
    this.#waiting++
    if (this.#isClosing) {
      call.fail('upstream_unreachable', 'the connections of this origin are being closed')
    } else if (isFull) {
      call.failWith(new Failure('provider_saturated', { cause: `${this.#active} requests are under way` }))
    } else {
      call.waitFor(connectTimeoutMs)
      // undici sends later, when `body` may have been overwritten.
      call.body =
        request.uploadBytes !== undefined ? call.openUpload() : request.body === null ? null : copyOf(request.body)
      if (this.#dispatcher !== null) this.#dispatch(this.#dispatcher, call)
      else this.#load(call)
    }
    return call
  }

  stats(): { open: number; idle: number; queued: number; opened: number; reused: number } {
    return {
      open: this.#open,
      idle: Math.max(0, this.#open - this.#active),
      queued: this.#waiting,
      opened: this.#opened,
      reused: Math.max(0, this.#sent - this.#opened),
    }
  }

  close(): void {
    this.#isClosing = true
  }

  /** Every call is over: nothing is left to wait for. */
  async destroy(): Promise<void> {
    await this.#dispatcher?.destroy()
  }

  // What calls tell.

  /** A call got its connection. */
  began(): void {
    this.#waiting--
    this.#active++
    this.#sent++
  }

  /** A call is over. */
  left(hadBegun: boolean): void {
    if (hadBegun) this.#active--
    else this.#waiting--
  }

  #load(call: UndiciCall): void {
    this.#loading ??= createDispatcher(this.options).then(dispatcher => {
      dispatcher.on('connect', () => {
        this.#open++
        this.#opened++
      })
      dispatcher.on('disconnect', () => {
        this.#open--
      })
      this.#dispatcher = dispatcher
      return dispatcher
    })
    this.#loading.then(
      dispatcher => this.#dispatch(dispatcher, call),
      error => call.fail('upstream_unreachable', describeError(error)),
    )
  }

  #dispatch(dispatcher: Dispatcher, call: UndiciCall): void {
    if (call.isOver) return
    const { method, path, fields } = call.request.head as UndiciHead
    const { extraHeaders, trace, spanId, uploadBytes = -1 } = call.request
    const length = uploadBytes < 0 ? '' : `content-length: ${uploadBytes}\r\n`
    const traceparent =
      trace === null ? '' : `traceparent: ${formatTraceparent(trace.traceId, spanId, trace.sampled)}\r\n`
    const own = length + traceparent + extraHeaders
    const headers = own === '' ? fields : fields.concat(parseFields(own))
    try {
      dispatcher.dispatch(
        { origin: this.url, method: method as Dispatcher.HttpMethod, path, headers, body: call.body },
        call,
      )
    } catch (error) {
      call.fail('upstream_unreachable', describeError(error as Error))
    }
  }
}

async function createDispatcher(options: OriginOptions): Promise<Dispatcher> {
  // The default export: bundled, a CommonJS package has no other.
  const { Pool, ProxyAgent } = (await import('undici')).default
  const { tls } = options
  const secure = {
    ...secureContextOptions(tls),
    ...(tls?.servername ? { servername: tls.servername } : {}),
    rejectUnauthorized: tls?.rejectUnauthorized !== false,
  }
  const common = {
    connections: options.maxConnections,
    allowH2: options.http2,
    connectTimeout: options.connectTimeoutMs,
    keepAliveTimeout: options.idleTimeoutMs,
    keepAliveMaxTimeout: options.idleTimeoutMs,
    clientTtl: options.maxConnectionAgeMs,
    maxHeaderSize: options.maxHeadBytes,
    // Ours apply.
    headersTimeout: 0,
    bodyTimeout: 0,
  }
  if (options.proxy === '')
    return new Pool(options.url, { ...common, connect: { ...secure, timeout: options.connectTimeoutMs } })
  return new ProxyAgent({ ...common, uri: options.proxy, requestTls: secure })
}

class UndiciHead implements PreparedHead {
  readonly method: string
  readonly path: string
  /** Name, value, name, value… */
  readonly fields: string[]

  constructor(method: string, path: string, headers: readonly (readonly [string, string])[]) {
    checkHeaders(method, headers)
    this.method = method
    this.path = encodePath(path)
    this.fields = headers.flat()
  }
}

function parseFields(block: string): string[] {
  const fields: string[] = []
  for (const line of block.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.push(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return fields
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

class UndiciHeaders implements TransportHeaders {
  readonly #headers: Headers
  contentLength: number
  #hidesCoding = false

  constructor(headers: Headers) {
    this.#headers = headers
    const length = this.get('content-length')
    this.contentLength = /^\d{1,15}$/.test(length) ? Number(length) : -1
  }

  get(name: string): string {
    if (this.#hidesCoding && (name === 'content-encoding' || name === 'content-length')) return ''
    const value = Object.hasOwn(this.#headers, name) ? this.#headers[name] : undefined
    return Array.isArray(value) ? value.join(', ') : (value ?? '')
  }

  hideCoding(): void {
    this.#hidesCoding = true
    this.contentLength = -1
  }

  detach(): void {
    // undici gives each response an object of its own.
  }
}

class UndiciCall extends Call implements Dispatcher.DispatchHandler {
  body: Buffer | Readable | null = null
  readonly #origin: UndiciOrigin
  #tookBytes = false
  #isBehind = false
  #controller: Dispatcher.DispatchController | null = null
  #hasLeft = false
  #isHeld = false
  #interimResponses = 0

  constructor(origin: UndiciOrigin, request: UpstreamRequest, handler: UpstreamHandler, deadlines: Deadlines) {
    super(request, handler, deadlines)
    this.#origin = origin
  }

  /** undici reads from it as its connection takes the bytes. */
  openUpload(): Readable {
    const upload = new Readable({
      highWaterMark: uploadBufferBytes,
      read: () => {
        this.#tookBytes = true
        if (!this.#isBehind) return
        this.#isBehind = false
        this.hasRoom()
      },
    })
    // Destroyed with the call; what undici makes of that, the call's own end has said already.
    upload.on('error', () => {})
    return upload
  }

  protected override upload(chunk: Uint8Array): boolean {
    if (!(this.body instanceof Readable) || this.body.destroyed) return true
    if (chunk.length === 0) return !this.#isBehind
    this.#isBehind = !this.body.push(copyOf(chunk))
    return !this.#isBehind
  }

  protected override endUpload(): void {
    if (this.body instanceof Readable && !this.body.destroyed) this.body.push(null)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.isOver) {
      controller.abort(new Error('cancelled'))
      return
    }
    if (this.#controller === null) this.#origin.began()
    this.#controller = controller
    this.sent()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (this.isOver) return
    if (status < 200) {
      if (++this.#interimResponses > maxInterimResponses) this.fail('upstream_error', 'too many interim responses')
      return
    }
    const view = new UndiciHeaders(headers)
    const isBodiless = this.request.head.method === 'HEAD' || status === 204 || status === 304
    if (isBodiless) view.contentLength = 0
    this.answered(status, view, isBodiless ? new Uint8Array(0) : null)
    if (this.#isHeld) controller.pause()
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController): void {
    controller.abort(new Error('upgrade'))
    this.fail('upstream_error', 'the upstream switched protocols without being asked')
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isOver) this.received(chunk)
  }

  onResponseEnd(): void {
    if (this.isOver) return
    this.#leave()
    this.ended()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.fail(this.isSent ? 'upstream_error' : 'upstream_unreachable', describeError(error))
  }

  protected override disconnect(): void {
    const controller = this.#controller
    this.#leave()
    if (controller !== null && !controller.aborted) controller.abort(new Error('cancelled'))
  }

  protected override setFlow(isFlowing: boolean): void {
    this.#isHeld = !isFlowing
    if (isFlowing) this.#controller?.resume()
    else this.#controller?.pause()
  }

  protected override tookBytes(): boolean {
    const took = this.#tookBytes
    this.#tookBytes = false
    return took
  }

  protected override waitFailure(): Failure {
    return new Failure('upstream_unreachable', {
      cause: `ETIMEDOUT: no connection within ${this.#origin.options.connectTimeoutMs} ms`,
    })
  }

  #leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#origin.left(this.#controller !== null)
    this.#controller = null
    if (this.body instanceof Readable) this.body.destroy()
    this.body = null
  }
}
