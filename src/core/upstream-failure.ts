import { Failure, type FailureKind } from './failures.ts'
import type { UpstreamError } from './provider.ts'

/** What an upstream's status means to the client; anything else is `upstream_error`. 429 and 5xx may pass, 4xx won't. */
const kinds: Readonly<Record<number, FailureKind>> = {
  400: 'upstream_rejected',
  401: 'upstream_auth_error',
  403: 'upstream_auth_error',
  404: 'upstream_model_not_found',
  408: 'upstream_timeout',
  413: 'upstream_too_large',
  422: 'upstream_rejected',
  429: 'upstream_rate_limited',
  504: 'upstream_timeout',
}

/** Hints up to this are passed on; what lies further ahead is no hint. */
const longestHintMs = 24 * 3600_000

/** An answer that is no success, as a failure. `retryAfterMs` < 0: the upstream gave no hint. */
export function upstreamFailure(
  status: number,
  error: UpstreamError,
  retryAfterMs: number,
  redact: (text: string) => string,
): Failure {
  const meant = error.status ?? status
  const kind = kinds[meant] ?? (meant >= 500 ? 'upstream_error' : 'upstream_refused')
  const hint = error.retryAfterMs ?? (retryAfterMs >= 0 ? retryAfterMs : undefined)
  const text = redact(error.message)
  return new Failure(kind === 'upstream_rate_limited' && error.permanent ? 'upstream_quota_exhausted' : kind, {
    upstreamStatus: status,
    cause: `upstream answered ${status}${text === '' ? '' : `: ${text}`}`,
    retryAfterMs: hint,
    // The upstream's own words reach the client only where they are about the client's request.
    ...(kind === 'upstream_rejected' ? { status: meant, message: text || undefined } : {}),
  })
}

/** `Retry-After` (seconds or a date), else `X-RateLimit-Reset` (seconds, or a time since the epoch) in ms; -1 for no usable hint. */
export function retryHintMs(get: (name: string) => string, nowMs: number): number {
  const exact = Number(get('retry-after-ms') || Number.NaN)
  if (exact >= 0 && exact <= longestHintMs) return exact
  const after = get('retry-after')
  if (after !== '') {
    const seconds = Number(after)
    const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(after) - nowMs
    if (ms >= 0 && ms <= longestHintMs) return ms
  }
  const reset = Number(get('x-ratelimit-reset') || Number.NaN)
  if (reset >= 0) {
    const ms = reset > 1e12 ? reset - nowMs : reset > 1e9 ? reset * 1000 - nowMs : reset * 1000
    if (ms >= 0 && ms <= longestHintMs) return ms
  }
  return -1
}
