import type { JsonObject } from '../../src/core/json.ts'
import type { UpstreamError } from '../../src/core/provider.ts'
import { readErrorBody } from '../../src/core/upstream-error.ts'

/** For APIs whose errors mean what their status says. */
export function toUpstreamError(status: number, body: JsonObject | null): UpstreamError {
  const read = readErrorBody(body ?? undefined)
  if (read === null) return { message: `the upstream provider answered with status ${status}` }
  return { message: read.message, ...(read.code !== '' && { code: read.code }) }
}
