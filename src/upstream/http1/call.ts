import { Failure } from '../../core/failures.ts'
import { Call } from '../call.ts'
import type { Deadlines } from '../deadlines.ts'
import type { UpstreamHandler, UpstreamRequest } from '../upstream.ts'
import type { Connection } from './connection.ts'
import type { Http1Origin } from './origin.ts'

/** Longer requests are not kept in memory for a repeat. */
const maxRepeatBytes = 1024 * 1024

export class Http1Call extends Call {
  connection: Connection | null = null
  /** The composed request until it can't be needed again. */
  #bytes: Buffer | null
  readonly #origin: Http1Origin
  readonly #isRepeatable: boolean

  constructor(
    origin: Http1Origin,
    deadlines: Deadlines,
    request: UpstreamRequest,
    bytes: Buffer,
    handler: UpstreamHandler,
  ) {
    super(request, handler, deadlines)
    this.#origin = origin
    this.#bytes = bytes
    this.#isRepeatable = origin.options.retryStale && (request.body === null || request.body.length <= maxRepeatBytes)
  }

  /** The request to write; kept only while the connection may turn out to be stale. */
  takeBytes(isReused: boolean): Buffer {
    const bytes = this.#bytes!
    if (!isReused || !this.#isRepeatable) this.#bytes = null
    return bytes
  }

  /** A repeat goes out on a fresh connection, whose `takeBytes` leaves nothing to repeat: so there is one at most. */
  get canRepeat(): boolean {
    return this.#bytes !== null
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
