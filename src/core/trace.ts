import { randomFillSync } from 'node:crypto'

/**
 * One id names a request everywhere: `X-Request-ID`, the trace id of its spans, `trace_id` in logs and records.
 * https://www.w3.org/TR/trace-context/
 */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string
  /** The caller's span, 16 lower-case hex digits; '' when the trace begins here. */
  readonly parentSpanId: string
  /** The caller's decision; true when the trace begins here, so that an upstream which follows its parent records it. */
  readonly sampled: boolean
}

/** `traceparent` wins, then an `X-Request-ID` that is a trace id, then a fresh id. Header values as they came, '' when absent. */
export function adoptTrace(traceparent: string, requestId: string): TraceContext {
  if (traceparent !== '') {
    const context = parseTraceparent(traceparent)
    if (context !== null) return context
  }
  const traceId = requestId.length === traceIdLength ? requestId.toLowerCase() : ''
  return { traceId: isTraceId(traceId) ? traceId : newTraceId(), parentSpanId: '', sampled: true }
}

/** `version-traceid-parentid-flags`, or null when the rules of the version say it must be ignored. */
export function parseTraceparent(value: string): TraceContext | null {
  if (value.length < traceparentLength) return null
  if (value[2] !== '-' || value[35] !== '-' || value[52] !== '-') return null
  if (!isLowerHex(value, 0, 2) || !isLowerHex(value, 53, 55)) return null
  if (value.startsWith('ff')) return null
  // Version 00 has exactly these four fields; a later version may append more, after a dash.
  if (value.length > traceparentLength && (value.startsWith('00') || value[55] !== '-')) return null
  const traceId = value.slice(3, 35)
  const parentSpanId = value.slice(36, 52)
  if (!isTraceId(traceId) || !isLowerHex(parentSpanId, 0, 16) || isZero(parentSpanId)) return null
  return { traceId, parentSpanId, sampled: (hexDigit(value.charCodeAt(54)) & 1) === 1 }
}

/** What goes to the upstream; every attempt has a span id of its own. */
export const formatTraceparent = (traceId: string, spanId: string, sampled: boolean): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`

export const isTraceId = (value: string): boolean =>
  value.length === traceIdLength && isLowerHex(value, 0, traceIdLength) && !isZero(value)

export const newTraceId = (): string => randomHex(traceIdLength)
export const newSpanId = (): string => randomHex(spanIdLength)

const traceIdLength = 32
const spanIdLength = 16
const traceparentLength = 55

// A slice of one long hex string costs a fifth of `randomUUID` and half of formatting 16 bytes at a time. Ids that
// outlive the pool keep it alive: at most 8 KiB for 256 of them.
const entropy = Buffer.alloc(4096)
let pool = ''
let used = 0

function randomHex(length: number): string {
  if (used + length > pool.length) {
    pool = randomFillSync(entropy).toString('hex')
    used = 0
  }
  used += length
  return pool.slice(used - length, used)
}

function isLowerHex(value: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (hexDigit(value.charCodeAt(i)) < 0) return false
  return true
}

function isZero(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) !== 0x30) return false
  return true
}

/** -1 for anything but 0-9 and a-f. */
const hexDigit = (code: number): number =>
  code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
