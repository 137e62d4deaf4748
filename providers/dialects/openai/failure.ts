import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { UpstreamError } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'

/** As text; '' for what is none. */
export const name = (value: Json | undefined): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''

/** Codes that say more than the status they come with. */
const meant: Readonly<Record<string, number>> = {
  invalid_api_key: 401,
  InvalidApiKey: 401,
  API_KEY_INVALID: 401,
  model_not_found: 404,
}

const exhausted: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'exceeded_current_quota_error',
])

/** Some hosts answer a bad key of ours with a 400, which would read as if the client had sent it. */
const refusesKey = /\b(?:incorrect|invalid|expired) api[- ]key\b/i

/** What an error body says, in the envelopes that OpenAI and the hosts of its formats have. */
export function failure(
  status: number,
  body: JsonObject | null,
  codes: Readonly<Record<string, number>> = {},
): UpstreamError {
  // Mistral puts the whole envelope of its validator into `message`.
  const read = readErrorBody(body ?? undefined) ?? (isObject(body?.message) ? readErrorBody(body.message) : null)
  if (read === null) return { message: `the upstream provider answered with status ${status}` }
  const { message, code } = read
  const reason = detailReason(body)
  const says =
    [codes[code], meant[code], meant[reason]].find(meaning => typeof meaning === 'number') ??
    (status === 400 && refusesKey.test(message) ? 401 : undefined)
  const type = isObject(body?.error) ? name(body.error.type) : name(body?.type)
  const retryAfterMs = retryHint(body, message)
  return {
    message,
    ...(code !== '' && { code }),
    ...(says !== undefined && says !== status && { status: says }),
    ...((exhausted.has(code) || exhausted.has(type)) && { permanent: true }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

/** Google's `error.details[]`, as its OpenAI-compatible endpoints send them too. */
function details(body: JsonObject | null): JsonObject[] {
  const error = body?.error
  return isObject(error) && Array.isArray(error.details) ? error.details.filter(isObject) : []
}

const detailReason = (body: JsonObject | null): string =>
  details(body)
    .map(detail => name(detail.reason))
    .find(Boolean) ?? ''

const longestWaitMs = 86_400_000

function retryHint(body: JsonObject | null, message: string): number | undefined {
  const delay = details(body)
    .map(detail => name(detail.retryDelay))
    .find(Boolean)
  const error = isObject(body?.error) ? body.error : undefined
  const plain = error?.retry_after ?? body?.retry_after
  const ms =
    delay !== undefined
      ? durationMs(delay)
      : typeof plain === 'number'
        ? plain * 1000
        : durationMs(/ try again in (\S{1,32})/.exec(message)?.[1] ?? '')
  return ms !== undefined && ms > 0 && ms <= longestWaitMs ? Math.ceil(ms) : undefined
}

const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** `17s`, `1m2.5s`, `120ms.` */
function durationMs(text: string): number | undefined {
  let total: number | undefined
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g))
    total = (total ?? 0) + Number(amount) * unitsMs[unit]
  return total
}
