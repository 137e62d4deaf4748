import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { FailureKind } from '../../src/core/failures.ts'
import { createUpstream } from '../../src/upstream/index.ts'
import type {
  Origin,
  OriginOptions,
  ResponseHeaders,
  UpstreamCall,
  UpstreamRequest,
} from '../../src/upstream/upstream.ts'

export const originDefaults: OriginOptions = {
  url: '',
  maxConnections: 64,
  maxQueue: 64,
  connectTimeoutMs: 5000,
  idleTimeoutMs: 30_000,
  maxConnectionAgeMs: 600_000,
  maxHeadBytes: 16 * 1024,
  retryStale: true,
  http2: false,
  proxy: '',
  tls: null,
}

/** An origin of an upstream side that is closed when the test ends. */
export function openOrigin(t: TestContext, options: Partial<OriginOptions> & { url: string }): Origin {
  const upstream = createUpstream()
  t.after(() => upstream.close(0))
  return upstream.origin({ ...originDefaults, ...options })
}

export interface CallOptions extends Partial<Omit<UpstreamRequest, 'head'>> {
  readonly method?: string
  readonly path?: string
  readonly headers?: readonly (readonly [string, string])[]
  /** Called with each event as it comes; may pause, resume or cancel. */
  readonly on?: (event: 'sent' | 'head' | 'data' | 'end' | 'failure', call: UpstreamCall) => void
}

export interface Outcome {
  status: number
  headers: ResponseHeaders | null
  body: Buffer
  /** Whether the body came with the head. */
  isWhole: boolean
  chunks: number
  sent: number
  result: 'end' | FailureKind
  cause: string
}

export interface Started {
  readonly call: UpstreamCall
  /** Resolves with the last callback; never if the call is cancelled. */
  readonly outcome: Promise<Outcome>
  /** What came so far. */
  readonly sofar: Outcome
}

/** Sends a request and checks, for every test, that callbacks come in the order the contract promises. */
export function start(origin: Origin, options: CallOptions = {}): Started {
  const { method = 'GET', path = '/', headers = [], on, ...rest } = options
  const sofar: Outcome = {
    status: 0,
    headers: null,
    body: Buffer.alloc(0),
    isWhole: false,
    chunks: 0,
    sent: 0,
    result: 'end',
    cause: '',
  }
  const pieces: Buffer[] = []
  let isOver = false
  let call: UpstreamCall | null = null
  const event = (name: 'sent' | 'head' | 'data' | 'end' | 'failure'): void => {
    if (on !== undefined && call !== null) on(name, call)
  }
  const outcome = new Promise<Outcome>(resolve => {
    const finish = (result: Outcome['result'], cause: string): void => {
      assert.equal(isOver, false, 'one last callback')
      isOver = true
      sofar.body = Buffer.concat(pieces)
      sofar.result = result
      sofar.cause = cause
      resolve(sofar)
    }
    call = origin.send(
      {
        head: origin.prepare(method, path, headers),
        trace: null,
        spanId: '',
        extraHeaders: '',
        body: null,
        maxBodyBytes: 1 << 20,
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 0,
        ...rest,
      },
      {
        onSent() {
          assert.equal(isOver, false)
          sofar.sent++
          event('sent')
        },
        onHead(status, answered, whole) {
          assert.equal(isOver, false)
          assert.equal(sofar.status, 0, 'one head')
          assert.equal(sofar.sent, 1, 'a request is sent before it is answered')
          sofar.status = status
          sofar.headers = answered
          sofar.isWhole = whole !== null
          if (whole !== null) pieces.push(Buffer.from(whole))
          event('head')
        },
        onData(chunk) {
          assert.equal(isOver, false)
          assert.notEqual(sofar.status, 0, 'no data before the head')
          assert.equal(sofar.isWhole, false, 'no data after a whole body')
          assert.ok(chunk.length > 0, 'no empty chunks')
          sofar.chunks++
          pieces.push(Buffer.from(chunk))
          event('data')
        },
        onEnd() {
          assert.notEqual(sofar.status, 0, 'no end before the head')
          finish('end', '')
          event('end')
        },
        onFailure(failure) {
          finish(failure.kind, failure.details.cause ?? '')
          event('failure')
        },
      },
    )
  })
  return { call: call!, outcome, sofar }
}

export const send = (origin: Origin, options?: CallOptions): Promise<Outcome> => start(origin, options).outcome

/** Polls until the condition holds; fails the test after five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const giveUpMs = Date.now() + 5000
  while (!condition()) {
    assert.ok(Date.now() < giveUpMs, `timed out waiting until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

/** The same, for a cause text that comes from the system and differs between platforms. */
export function assertFailed(outcome: Outcome, result: FailureKind, cause: RegExp): void {
  assert.equal(outcome.result, result, outcome.cause)
  assert.match(outcome.cause, cause)
}
