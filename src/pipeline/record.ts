import type { PriceDetail } from '../core/catalog.ts'
import { noUsage, type Usage } from '../core/chat.ts'
import type { ExchangeRecord } from '../core/record.ts'
import type { Measured } from '../core/surface.ts'
import { type Counted, outcomeOf, type ThreadMetrics } from '../shared/metric-rows.ts'
import type { Exchange } from './exchange.ts'

/** Where finished exchanges go; null: nobody reads them. */
export type RecordSink = ((record: ExchangeRecord) => void) | null

const maxModelLength = 256
const maxCauseLength = 512

/** Filled anew for each exchange: counting one costs no memory. */
const counted: { -readonly [K in keyof Counted]: Counted[K] } = {
  series: 0,
  durationMs: 0,
  firstByteMs: -1,
  tokensIn: 0,
  tokensOut: 0,
  tokensReasoning: 0,
  tokensCacheRead: 0,
}

/** Filled anew, too. */
const detail: { -readonly [K in keyof PriceDetail]: PriceDetail[K] } = {}

/** Metrics and the record of one exchange. Requests that were refused before they were understood count in no series. */
export function finishRecord(exchange: Exchange, metrics: ThreadMetrics, records: RecordSink): void {
  const { usage, target, failure, startedAt, firstByteAt, endedAt, snapshot } = exchange
  counted.series = target === null ? 0 : target.series(exchange.model)
  counted.durationMs = endedAt - startedAt
  counted.firstByteMs = firstByteAt < 0 ? -1 : firstByteAt - startedAt
  counted.tokensIn = usage.prompt
  counted.tokensOut = usage.completion
  counted.tokensReasoning = usage.reasoning
  counted.tokensCacheRead = usage.cacheRead
  const cost = costOf(exchange)
  if (exchange.surfaceId !== '') metrics.finish(counted, outcomeOf(failure?.kind ?? ''), cost)
  // Failures are always reported; main knows whether its log wants them.
  if (records === null || (!snapshot.data.recordRequests && exchange.status < 400)) return
  records({
    ...counted,
    tokensCacheWrite: usage.cacheWrite,
    costNanoUsd: cost ?? -1,
    traceId: exchange.id,
    startedAtMs: exchange.startedMs,
    surface: exchange.surfaceId,
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

/**
 * In nano-dollars; null: not known. What its upstream refused cost nothing. What it had accepted and then broke off, or
 * was left by its client, was likely charged: without a report of its usage nobody knows how much.
 */
function costOf(exchange: Exchange): number | null {
  const { target, snapshot, usage, measured, failure, status, isAccepted } = exchange
  const { catalog } = snapshot
  if (target === null) return 0
  if (usage === noUsage && (failure !== null || status >= 400)) return isAccepted ? null : 0
  if (catalog === null) return null
  detail.answeredBy = exchange.answeredBy
  detail.nowMs = exchange.startedMs
  detail.imageSize = measured?.imageSize
  detail.imageQuality = measured?.imageQuality
  const counted = measured === undefined ? usage : withMeasured(usage, measured)
  return catalog.cost(target.provider.id, exchange.model, counted, detail)
}

/** What the answer says is worth more than what was asked for. */
const withMeasured = (usage: Usage, { images = 0, characters = 0 }: Measured): Usage => ({
  ...usage,
  images: usage.images || images,
  characters: usage.characters || characters,
})
