import type { JsonObject } from '../../../src/core/json.ts'
import type { UpstreamError } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'

/**
 * Statuses that only Cohere has: a key that is none, and a request that was called off on their side, which may be asked
 * again. https://docs.cohere.com/reference/errors
 */
const meanings: Readonly<Record<number, number>> = { 498: 401, 499: 503 }

export function toUpstreamError(status: number, body: JsonObject | null): UpstreamError {
  const read = readErrorBody(body ?? undefined)
  const means = meanings[status]
  // What a trial key may ask for in a month is gone for longer than a request can wait.
  const isExhausted = status === 429 && /\bmonth\b/i.test(read?.message ?? '')
  return {
    message: read?.message ?? `the upstream provider answered with status ${status}`,
    ...(read !== null && read.code !== '' && { code: read.code }),
    ...(means !== undefined && { status: means }),
    ...(isExhausted && { permanent: true }),
  }
}
