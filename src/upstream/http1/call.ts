import { Failure } from '../../core/failures.ts'
import { Call } from '../call.ts'
import type { Deadlines } from '../deadlines.ts'
import type { UpstreamHandler, UpstreamRequest } from '../upstream.ts'
import type { Connection } from './connection.ts'
import type { Http1Origin } from './origin.ts'
import { composeRequest, type Http1Head } from './request.ts'

/** Longer requests are not kept in memory for a repeat. */
const maxRepeatBytes = 1024 * 1024
const nothing = Buffer.alloc(0)

export class Http1Call extends Call {
  connection: Connection | null = null
  /** The composed request while it waits for a connection that can take it. */
  #bytes: Buffer | null = null
  readonly #origin: Http1Origin
  /** Whether the request may be sent once more, should the connection turn out to be stale. */
  readonly isRepeatable: boolean

  constructor(origin: Http1Origin, deadlines: Deadlines, request: UpstreamRequest, handler: UpstreamHandler) {
    super(request, handler, deadlines)
    this.#origin = origin
    this.isRepeatable = origin.options.retryStale && (request.body === null || request.body.length <= maxRepeatBytes)
  }

  /** The request to write: in `own` when it fits and did not have to wait. */
  takeBytes(own: Buffer): Buffer {
    const bytes = this.#bytes ?? this.#compose(own)
    this.#bytes = null
    return bytes
  }

  /** Its body is valid only now, and it can't be written yet. */
  keepBytes(): void {
    this.#bytes ??= this.#compose(nothing)
  }

  /** It was written in vain: these bytes once more. */
  keepSent(bytes: Buffer): void {
    this.#bytes = bytes
  }

  #compose(own: Buffer): Buffer {
    const bytes = composeRequest(this.request.head as Http1Head, this.request, own)
    this.request.body = null
    this.request.extraHeaders = ''
    return bytes
  }

  release(): void {
    this.connection = null
    this.#bytes = null
  }

  protected override disconnect(): void {
    const { connection } = this
    this.release()
    if (connection === null) this.#origin.dequeue(this)
    else connection.close()
  }

  protected override setFlow(isFlowing: boolean): void {
    if (isFlowing) this.connection?.resume()
    else this.connection?.pause()
  }

  protected override tookBytes(): boolean {
    return this.connection?.tookBytes() ?? false
  }

  protected override waitFailure(): Failure {
    const { connectTimeoutMs } = this.#origin.options
    return this.connection === null
      ? new Failure('provider_saturated', { cause: `no connection became free within ${connectTimeoutMs} ms` })
      : new Failure('upstream_unreachable', { cause: `ETIMEDOUT: no connection within ${connectTimeoutMs} ms` })
  }
}
