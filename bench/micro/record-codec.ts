import type { ExchangeRecord } from '../../src/core/record.ts'
import { newTraceId } from '../../src/core/trace.ts'
import { decodeRecord, encodeRecord, maxRecordBytes } from '../../src/telemetry/record-codec.ts'

// What handing one record to main costs. Run from the build: node .build/bench/micro/record-codec.js
const record: ExchangeRecord = {
  traceId: newTraceId(),
  startedAtMs: Date.now(),
  surface: 'chat',
  method: 'POST',
  path: '/v1/chat/completions',
  remote: '203.0.113.195',
  keyId: 'key_7Yq0c2',
  model: 'gpt-4o-mini-2024-07-18',
  target: 'openai',
  provider: 'openai',
  status: 200,
  failure: '',
  upstreamStatus: 200,
  cause: '',
  stream: true,
  attempts: 1,
  durationMs: 812.5,
  upstreamMs: 811.2,
  firstByteMs: 231.4,
  requestBytes: 412,
  responseBytes: 9_120,
  tokensIn: 57,
  tokensOut: 212,
  tokensReasoning: 0,
  tokensCacheRead: 0,
  tokensCacheWrite: 0,
  costNanoUsd: 1_200_000,
  series: 3,
}
const buffer = Buffer.from(new SharedArrayBuffer(maxRecordBytes))
const rounds = 1_000_000
const bytes = encodeRecord(record, buffer, 0)

const measure = (name: string, run: () => void): void => {
  for (let round = 0; round < 3; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) run()
    console.log(`${name}, ${bytes} bytes: ${(Number(process.hrtime.bigint() - start) / rounds).toFixed(0)} ns`)
  }
}

measure('encode', () => {
  record.traceId = newTraceId()
  encodeRecord(record, buffer, 0)
})
measure('decode', () => decodeRecord(buffer, 0, bytes))
