import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { UpstreamError } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { text } from '../chat-request.ts'

/** A bad key, and a country that is not served, are reported as the request's fault, which they are not. */
const reasons: Readonly<Record<string, number>> = { API_KEY_INVALID: 401, API_KEY_EXPIRED: 401 }

/** https://ai.google.dev/gemini-api/docs/troubleshooting, https://cloud.google.com/apis/design/errors#error_model */
export function toUpstreamError(status: number, body: JsonObject | null): UpstreamError {
  const read = readErrorBody(body ?? undefined)
  if (read === null) return { message: `the upstream provider answered with status ${status}` }
  const error = isObject(body?.error) ? body.error : {}
  const details = Array.isArray(error.details) ? error.details.filter(isObject) : []
  const reason = details.map(detail => text(detail.reason)).find(Boolean) ?? ''
  const code = text(error.status) || read.code
  const means =
    (Object.hasOwn(reasons, reason) ? reasons[reason] : undefined) ??
    (status === 400 && /API key (not valid|expired)/i.test(read.message) ? 401 : undefined) ??
    (status === 400 && /location is not supported/i.test(read.message) ? 403 : undefined)
  const retryAfterMs = details.map(({ retryDelay }) => secondsToMs(text(retryDelay))).find(ms => ms > 0)
  // What is used up for today does not come back while a request can wait.
  const isExhausted = status === 429 && details.some(isDailyQuota)
  return {
    message: read.message,
    ...(code !== '' && { code }),
    ...(means !== undefined && { status: means }),
    ...(isExhausted && { permanent: true }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

const isDailyQuota = ({ violations }: JsonObject): boolean =>
  Array.isArray(violations) && violations.some(one => isObject(one) && /PerDay/.test(text(one.quotaId)))

/** `17s`, `1.5s` */
function secondsToMs(duration: string): number {
  const seconds = Number(/^(\d{1,6}(?:\.\d{1,9})?)s$/.exec(duration)?.[1] ?? 0)
  return Math.ceil(seconds * 1000)
}
