import type { JsonObject } from '../../../src/core/json.ts'
import type { UpstreamError } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { text } from '../chat-request.ts'

/** `{ title, detail, status }`. https://replicate.com/docs/reference/http#errors */
export function toUpstreamError(status: number, body: JsonObject | null): UpstreamError {
  const message = readErrorBody(body ?? undefined)?.message ?? text(body?.title)
  return { message: message || `the upstream provider answered with status ${status}` }
}
