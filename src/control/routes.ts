import { failureAnswer, jsonType, plainHeaders } from '../core/answer.ts'
import { authenticator, bearerToken } from '../core/authenticate.ts'
import { clientAddress } from '../core/client-address.ts'
import { Failure } from '../core/failures.ts'
import { HeaderBlock } from '../core/header-block.ts'
import type { Accept, Incoming, IncomingListener } from '../core/incoming.ts'
import { createRedactor } from '../core/redact.ts'
import type { SnapshotData } from '../core/snapshot.ts'
import { adoptTrace } from '../core/trace.ts'
import { openKeyTable } from '../shared/key-table.ts'
import type { ThreadMetrics } from '../shared/metric-rows.ts'
import { tokenBuckets } from '../shared/token-buckets.ts'

/** What main answers by itself, over the same port: everything that is not the data plane. */
export interface ControlAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface ControlRoute {
  readonly path: string
  /** `none`: also without a key and never rate limited (probes). `read`: any scope. */
  readonly access: 'none' | 'read' | 'admin'
  handle(): ControlAnswer | Promise<ControlAnswer>
}

export interface ControlParts {
  readonly routes: readonly ControlRoute[]
  readonly metrics: ThreadMetrics
  readonly buckets: SharedArrayBuffer
  readonly onError: (error: unknown, path: string) => void
}

const methods = 'GET, HEAD'

/** One per snapshot. */
export function controlAccept(data: SnapshotData, parts: ControlParts): Accept {
  const byPath = new Map(parts.routes.map(route => [route.path, route]))
  const authenticate = authenticator(data.auth.masterKeySha256, openKeyTable(data.auth.keys))
  const addressOf = clientAddress(data.trustedProxies)
  const { requestsPerSecond, burst } = data.rateLimit
  const buckets = requestsPerSecond > 0 ? tokenBuckets(parts.buckets, requestsPerSecond, burst) : null
  const origins = new Set(data.cors.origins)
  const redact = createRedactor({ secrets: data.secrets })

  function admit(incoming: Incoming, path: string): ControlRoute | Failure {
    const route = byPath.get(path)
    if (route?.access !== 'none' && buckets !== null) {
      const remote = addressOf(
        incoming.remote,
        () => incoming.header('x-forwarded-for'),
        () => incoming.header('x-real-ip'),
      )
      const waitMs = buckets.take(remote, performance.timeOrigin + performance.now())
      if (waitMs > 0) {
        parts.metrics.add('rateLimitedByIp')
        return new Failure('rate_limit_exceeded', { retryAfterMs: waitMs })
      }
    }
    if (route === undefined)
      return new Failure('not_found', { message: `there is nothing at ${redact(path.slice(0, 200))}` })
    if (route.access !== 'none') {
      const token = bearerToken(incoming.header('authorization'))
      if (token === '') return new Failure('missing_api_key')
      const key = authenticate(token, Date.now())
      if (key === null) return new Failure('invalid_api_key')
      if (!key.scopes.includes('admin') && (route.access === 'admin' || !key.scopes.includes('read_only')))
        return new Failure('insufficient_scope')
    }
    if (incoming.method !== 'GET' && incoming.method !== 'HEAD') {
      return new Failure('method_not_supported', {
        message: `Only ${methods} requests are accepted on ${path}.`,
        allow: methods,
      })
    }
    return route
  }

  return incoming => {
    const id = adoptTrace(incoming.header('traceparent'), incoming.header('x-request-id')).traceId
    const query = incoming.target.indexOf('?')
    const path = query < 0 ? incoming.target : incoming.target.slice(0, query)
    const origin = incoming.header('origin')
    const cors =
      origins.size === 0
        ? ''
        : `vary: Origin\r\n${origins.has(origin) ? `access-control-allow-origin: ${origin}\r\n` : ''}`
    const refuse = (failure: Failure): void => {
      const answer = failureAnswer(failure, id, cors)
      incoming.whole(answer.status, answer.headers, answer.body)
    }
    if (incoming.method === 'OPTIONS' && origin !== '') {
      incoming.whole(204, new HeaderBlock(id, plainHeaders, cors), '')
      return ignore
    }
    const route = admit(incoming, path)
    if (route instanceof Failure) {
      refuse(route)
      return ignore
    }
    const reply = ({ status, contentType, body }: ControlAnswer): void =>
      incoming.whole(
        status,
        new HeaderBlock(id, plainHeaders, `${cors}content-type: ${contentType}\r\ncache-control: no-store\r\n`),
        body,
      )
    Promise.resolve()
      .then(() => route.handle())
      .then(reply)
      .catch((error: unknown) => {
        parts.onError(error, path)
        refuse(new Failure('internal_error'))
      })
    return ignore
  }
}

/** These requests need no body, and an answer that is late for its client is dropped by the link. */
const ignore: IncomingListener = { onBody() {}, onDrain() {}, onCancel() {} }

export const jsonAnswer = (status: number, value: unknown): ControlAnswer => ({
  status,
  contentType: jsonType.slice('content-type: '.length, -2),
  body: `${JSON.stringify(value)}\n`,
})
