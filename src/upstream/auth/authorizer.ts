import type { Failure } from '../../core/failures.ts'
import type { Upstream } from '../upstream.ts'

export interface Authorizer {
  /** Header pairs equal for every request: part of the prepared head. */
  readonly fixed: readonly (readonly [name: string, value: string])[]
  /**
   * null: the fixed ones are all. Else: header lines (`name: value\r\n`, repeated) for this very request. A promise
   * only while a credential must first be fetched; the body is read before the call returns, never later.
   */
  readonly authorize: null | ((request: AuthorizedRequest) => string | Failure | Promise<string | Failure>)
  /** `authorize` needs the whole body: a signature covers it. A token does not. */
  readonly readsBody?: boolean
  /** The upstream answered 401 or 403. True: the request is worth one more try, with fresh lines. */
  rejected?(rejection: Rejection): boolean
  /** Fetches what will be needed, so that the first request need not wait. */
  warmUp?(): void
}

export interface AuthorizedRequest {
  readonly method: string
  /** As in the `host` header. */
  readonly host: string
  /** As on the wire, with its query. */
  readonly path: string
  /** '' = none is sent. */
  readonly contentType: string
  readonly body: Uint8Array | null
  readonly nowMs: number
}

export interface Rejection {
  readonly status: number
  /** What `authorize` had given. */
  readonly lines: string
  /** The answer's `date` and `x-amzn-errortype`; '' = none. */
  readonly date: string
  readonly errorType: string
  /** Of the answer, or what was read of it. */
  readonly body: string
  readonly nowMs: number
}

export interface AuthParts {
  readonly upstream: Upstream
  /** For token endpoints on https; '' = none. Metadata services of the machine are always asked directly. */
  readonly proxy?: string
  /** PEM, in addition to the system's roots. */
  readonly ca?: readonly string[]
  readonly clock?: Clock
}

export interface Clock {
  /** ms since the epoch. */
  now(): number
  /** Must not keep the process alive. */
  after(delayMs: number, run: () => void): void
}

export const systemClock: Clock = {
  now: Date.now,
  after(delayMs, run) {
    setTimeout(run, delayMs).unref()
  },
}
