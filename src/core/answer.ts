import { errorEnvelope, type Failure } from './failures.ts'
import { fixedHeaders, HeaderBlock } from './header-block.ts'

/** Sent with every answer. The gateway serves no pages of others, so the policy is the strictest that its own need. */
export const securityHeaders =
  "content-security-policy: default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'\r\n" +
  'permissions-policy: camera=(), microphone=(), geolocation=()\r\n' +
  'referrer-policy: strict-origin-when-cross-origin\r\n' +
  'x-content-type-options: nosniff\r\n' +
  'x-frame-options: DENY\r\n'

export const jsonType = 'content-type: application/json\r\n'
export const eventStreamType = 'content-type: text/event-stream\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n'

/** Header lines of answers that are JSON, and of those that say their type themselves. */
export const jsonHeaders = fixedHeaders(securityHeaders + jsonType)
export const plainHeaders = fixedHeaders(securityHeaders)

/** A failure as an answer. `own`: further header lines. */
export function failureAnswer(
  failure: Failure,
  requestId: string,
  own = '',
): { status: number; headers: HeaderBlock; body: string } {
  const wait = failure.details.retryAfterMs
  if (wait !== undefined) own += `retry-after: ${Math.max(1, Math.ceil(wait / 1000))}\r\n`
  else if (failure.status === 429 || failure.status === 503) own += 'retry-after: 1\r\n'
  if (failure.details.allow !== undefined) own += `allow: ${failure.details.allow}\r\n`
  return { status: failure.status, headers: new HeaderBlock(requestId, jsonHeaders, own), body: errorEnvelope(failure) }
}
