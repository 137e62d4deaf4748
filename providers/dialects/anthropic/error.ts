import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { UpstreamError } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { text } from '../chat-request.ts'

/** The status that an error's type stands for, where it comes without one: inside a stream. https://platform.claude.com/docs/en/api/errors */
export const errorStatuses: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])

export function toUpstreamError(status: number, body: JsonObject | null): UpstreamError {
  const read = readErrorBody(body ?? undefined)
  if (read === null) return { message: `the upstream provider answered with status ${status}` }
  const type = isObject(body?.error) ? text(body.error.type) : ''
  const code = type || read.code
  // An empty purse is reported as the request's fault, which it is not: another provider may serve it.
  const isUnpaid = status === 400 && /credit balance is too low/i.test(read.message)
  return { message: read.message, ...(code !== '' && { code }), ...(isUnpaid && { status: 402 }) }
}
