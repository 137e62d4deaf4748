import { copyOf } from '../../core/copy-bytes.ts'
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
  /** Pieces of an upload that has no connection yet; `null` stands for its end. */
  #early: (Buffer | null)[] | null

  constructor(origin: Http1Origin, deadlines: Deadlines, request: UpstreamRequest, handler: UpstreamHandler) {
    super(request, handler, deadlines)
    this.#origin = origin
    this.#early = request.uploadBytes === undefined ? null : []
    this.isRepeatable =
      origin.options.retryStale &&
      request.uploadBytes === undefined &&
      (request.body === null || request.body.length <= maxRepeatBytes)
  }

  get isUpload(): boolean {
    return this.request.uploadBytes !== undefined
  }

  /** The head is written: what came meanwhile follows it. */
  beginUpload(): void {
    const early = this.#early ?? []
    this.#early = null
    let isBehind = false
    for (const piece of early) {
      if (this.connection === null) return
      if (piece === null) this.connection.endUpload()
      else isBehind = !this.connection.upload(piece)
    }
    if (early.length > 0 && !isBehind) this.hasRoom()
  }

  protected override upload(chunk: Uint8Array): boolean {
    if (this.#early === null) return this.connection?.upload(chunk) ?? true
    this.#early.push(copyOf(chunk))
    return false
  }

  protected override endUpload(): void {
    if (this.#early === null) this.connection?.endUpload()
    else this.#early.push(null)
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
    this.#early = null
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
