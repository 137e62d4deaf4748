import type { ExchangeRecord } from '../core/record.ts'
import type { LogLevel } from './worker-log.ts'

/** The access log's level follows the class of the status. */
export const requestLevel = (status: number): LogLevel => (status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info')

/** The fields of the line "http request". What does not apply to an exchange has no field. */
export function requestLine(record: ExchangeRecord): Record<string, unknown> {
  const line: Record<string, unknown> = {
    method: record.method,
    path: record.path,
    status: record.status,
    bytes: record.responseBytes,
    duration_ms: milliseconds(record.durationMs),
    remote: record.remote,
    trace_id: record.traceId,
  }
  if (record.surface !== '' && record.surface !== 'chat') line.surface = record.surface
  if (record.keyId !== '') line.key_id = record.keyId
  if (record.model !== '') line.model = record.model
  if (record.target !== '') line.target = record.target
  if (record.provider !== '') line.provider = record.provider
  if (record.stream) line.stream = true
  if (record.attempts > 0) {
    line.attempts = record.attempts
    line.upstream_ms = milliseconds(record.upstreamMs)
  }
  if (record.upstreamStatus > 0) line.upstream_status = record.upstreamStatus
  if (record.firstByteMs >= 0) line.ttft_ms = milliseconds(record.firstByteMs)
  if (record.tokensIn > 0 || record.tokensOut > 0) {
    line.tokens_in = record.tokensIn
    line.tokens_out = record.tokensOut
  }
  if (record.tokensReasoning > 0) line.tokens_reasoning = record.tokensReasoning
  if (record.tokensCacheRead > 0) line.tokens_cache_read = record.tokensCacheRead
  if (record.tokensCacheWrite > 0) line.tokens_cache_write = record.tokensCacheWrite
  if (record.costNanoUsd > 0) line.cost_usd = record.costNanoUsd / 1e9
  if (record.failure !== '') line.failure = record.failure
  if (record.cause !== '') line.error = record.cause
  return line
}

const milliseconds = (value: number): number => Math.round(value * 1000) / 1000
