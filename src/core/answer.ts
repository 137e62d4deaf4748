import { errorEnvelope, type Failure } from './failures.ts'

/** Sent with every answer. The gateway serves no pages of others, so the policy is the strictest that its own need. */
export const securityHeaders =
  "content-security-policy: default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'\r\n" +
  'permissions-policy: camera=(), microphone=(), geolocation=()\r\n' +
  'referrer-policy: strict-origin-when-cross-origin\r\n' +
  'x-content-type-options: nosniff\r\n' +
  'x-frame-options: DENY\r\n'

export const jsonType = 'content-type: application/json\r\n'

/** The header block of an answer: `x-request-id` first (engines rely on it), then what is the same for all, then `rest`. */
export function headerBlock(requestId: string, rest: string): string {
  return `x-request-id: ${requestId}\r\n${securityHeaders}${rest}`
}

/** A failure as an answer. */
export function failureAnswer(failure: Failure, requestId: string, rest = ''): { status: number; headers: string; body: string } {
  let headers = jsonType + rest
  const wait = failure.details.retryAfterMs
  if (wait !== undefined) headers += `retry-after: ${Math.max(1, Math.ceil(wait / 1000))}\r\n`
  else if (failure.status === 429 || failure.status === 503) headers += 'retry-after: 1\r\n'
  if (failure.details.allow !== undefined) headers += `allow: ${failure.details.allow}\r\n`
  return { status: failure.status, headers: headerBlock(requestId, headers), body: errorEnvelope(failure) }
}
