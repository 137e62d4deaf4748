import type { ExchangeRecord } from '../core/record.ts'
import type { Outcome, ThreadMetrics } from '../shared/metric-rows.ts'
import type { Exchange } from './exchange.ts'

/** Where finished exchanges go; null: nobody reads them. */
export type RecordSink = ((record: ExchangeRecord) => void) | null

const maxModelLength = 256
const maxCauseLength = 512

/** Metrics and the record of one exchange. Requests that were refused before they were understood count in no series. */
export function finishRecord(exchange: Exchange, metrics: ThreadMetrics, records: RecordSink): void {
  const { usage, target, failure, startedAt, firstByteAt, snapshot } = exchange
  const durationMs = performance.now() - startedAt
  const series = target === null ? 0 : target.series(exchange.model)
  const counted = {
    series,
    durationMs,
    firstByteMs: firstByteAt < 0 ? -1 : firstByteAt - startedAt,
    tokensIn: usage.prompt,
    tokensOut: usage.completion,
    tokensReasoning: usage.reasoning,
    tokensCacheRead: usage.cacheRead,
  }
  if (exchange.surface !== null) metrics.finish(counted, outcomeOf(exchange))
  if (records === null || !snapshot.data.recordRequests) return
  records({
    ...counted,
    traceId: exchange.id,
    startedAtMs: exchange.incoming.acceptedAtMs,
    surface: exchange.surface?.id ?? '',
    method: exchange.incoming.method,
    path: exchange.path,
    remote: exchange.remote,
    keyId: exchange.key?.id ?? '',
    model: exchange.model.slice(0, maxModelLength),
    target: target?.key ?? '',
    provider: target?.provider.id ?? '',
    status: exchange.status,
    failure: failure?.kind ?? '',
    upstreamStatus: exchange.upstreamStatus,
    cause: (failure?.details.cause ?? '').slice(0, maxCauseLength),
    stream: exchange.stream,
    attempts: exchange.attempts,
    upstreamMs: exchange.upstreamMs,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
  })
}

function outcomeOf({ failure, status }: Exchange): Outcome {
  if (failure === null) return 'success'
  return failure.source === 'upstream' || status >= 500 || failure.kind === 'client_canceled' ? 'error' : 'rejected'
}
