import type { FailureKind } from '../core/failures.ts'
import { failures } from '../core/failures.ts'
import type { ExchangeRecord } from '../core/record.ts'
import { isTraceId } from '../core/trace.ts'

/**
 * Records cross from the data plane to main as bytes.
 *
 *   u16 magic · u8 stream · u8 failure (0 = none) · 16 × f64 · 10 × (u16 length · UTF-8)
 *
 * Native byte order: writer and reader are threads of one process. The writer cuts strings at their bounds, the reader
 * takes any bytes and gives null for what is not a record.
 */
const magic = 0xfe01
const headBytes = 4

const numberFields = [
  'startedAtMs',
  'status',
  'upstreamStatus',
  'attempts',
  'durationMs',
  'upstreamMs',
  'firstByteMs',
  'requestBytes',
  'responseBytes',
  'tokensIn',
  'tokensOut',
  'tokensReasoning',
  'tokensCacheRead',
  'tokensCacheWrite',
  'costNanoUsd',
  'series',
] as const
const stringsAt = headBytes + numberFields.length * 8

/** Most bytes of each string, in the order of the wire. */
const stringBytes = {
  traceId: 32,
  surface: 32,
  method: 16,
  path: 512,
  remote: 64,
  keyId: 64,
  model: 256,
  target: 128,
  provider: 64,
  cause: 512,
} as const

/** The longest record there can be. */
export const maxRecordBytes = Object.values(stringBytes).reduce((sum, bytes) => sum + 2 + bytes, stringsAt)

const failureKinds = Object.keys(failures) as FailureKind[]
const failureNumber = new Map<FailureKind | '', number>([
  ['', 0],
  ...failureKinds.map((kind, i) => [kind, i + 1] as const),
])

const numbers = new Float64Array(numberFields.length)
const numberBytes = new Uint8Array(numbers.buffer)

/** Writes at `offset` and returns how many bytes; 0, and nothing is written, when fewer than `maxRecordBytes` are left. */
export function encodeRecord(record: ExchangeRecord, target: Buffer, offset: number): number {
  if (offset + maxRecordBytes > target.length) return 0
  target[offset] = magic & 0xff
  target[offset + 1] = magic >>> 8
  target[offset + 2] = record.stream ? 1 : 0
  target[offset + 3] = failureNumber.get(record.failure) ?? 0

  // Written out, because a loop over the names costs a dictionary read each.
  numbers[0] = record.startedAtMs
  numbers[1] = record.status
  numbers[2] = record.upstreamStatus
  numbers[3] = record.attempts
  numbers[4] = record.durationMs
  numbers[5] = record.upstreamMs
  numbers[6] = record.firstByteMs
  numbers[7] = record.requestBytes
  numbers[8] = record.responseBytes
  numbers[9] = record.tokensIn
  numbers[10] = record.tokensOut
  numbers[11] = record.tokensReasoning
  numbers[12] = record.tokensCacheRead
  numbers[13] = record.tokensCacheWrite
  numbers[14] = record.costNanoUsd
  numbers[15] = record.series
  target.set(numberBytes, offset + headBytes)

  let at = offset + stringsAt
  at = writeString(target, at, record.traceId, stringBytes.traceId)
  at = writeString(target, at, record.surface, stringBytes.surface)
  at = writeString(target, at, record.method, stringBytes.method)
  at = writeString(target, at, record.path, stringBytes.path)
  at = writeString(target, at, record.remote, stringBytes.remote)
  at = writeString(target, at, record.keyId, stringBytes.keyId)
  at = writeString(target, at, record.model, stringBytes.model)
  at = writeString(target, at, record.target, stringBytes.target)
  at = writeString(target, at, record.provider, stringBytes.provider)
  at = writeString(target, at, record.cause, stringBytes.cause)
  return at - offset
}

/** The record in these bytes, or null when they are anything else. */
export function decodeRecord(source: Buffer, offset: number, length: number): ExchangeRecord | null {
  if (length < stringsAt || offset < 0 || offset + length > source.length) return null
  if (source.readUInt16LE(offset) !== magic || source[offset + 2] > 1) return null
  const failure = source[offset + 3] === 0 ? '' : failureKinds[source[offset + 3] - 1]
  if (failure === undefined) return null

  numberBytes.set(source.subarray(offset + headBytes, offset + stringsAt))
  if (!numbers.every(Number.isFinite)) return null

  const end = offset + length
  const strings: string[] = []
  let at = offset + stringsAt
  for (const most of Object.values(stringBytes)) {
    if (at + 2 > end) return null
    const bytes = source.readUInt16LE(at)
    at += 2
    if (bytes > most || at + bytes > end) return null
    strings.push(source.toString('utf8', at, at + bytes))
    at += bytes
  }
  if (at !== end || !isTraceId(strings[0])) return null

  return {
    traceId: strings[0],
    surface: strings[1],
    method: strings[2],
    path: strings[3],
    remote: strings[4],
    keyId: strings[5],
    model: strings[6],
    target: strings[7],
    provider: strings[8],
    cause: strings[9],
    failure,
    stream: source[offset + 2] === 1,
    startedAtMs: numbers[0],
    status: numbers[1],
    upstreamStatus: numbers[2],
    attempts: numbers[3],
    durationMs: numbers[4],
    upstreamMs: numbers[5],
    firstByteMs: numbers[6],
    requestBytes: numbers[7],
    responseBytes: numbers[8],
    tokensIn: numbers[9],
    tokensOut: numbers[10],
    tokensReasoning: numbers[11],
    tokensCacheRead: numbers[12],
    tokensCacheWrite: numbers[13],
    costNanoUsd: numbers[14],
    series: numbers[15],
  }
}

/** Short ASCII, which is nearly all, is cheaper by hand than by a call into the runtime. */
function writeString(target: Buffer, at: number, text: string, most: number): number {
  const start = at + 2
  const length = text.length
  let bytes = 0
  if (length <= most) {
    for (; bytes < length; bytes++) {
      const code = text.charCodeAt(bytes)
      if (code > 0x7f) break
      target[start + bytes] = code
    }
  }
  // Writes whole characters only, so a cut never leaves half of one.
  if (bytes < length) bytes = target.write(text, start, most, 'utf8')
  target[at] = bytes & 0xff
  target[at + 1] = bytes >>> 8
  return start + bytes
}
