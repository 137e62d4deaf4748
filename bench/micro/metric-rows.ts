import { createMetricMemory, threadMetrics } from '../../src/shared/metric-rows.ts'

// What counting one finished exchange costs. Run from the build: node .build/bench/micro/metric-rows.js
const metrics = threadMetrics(createMetricMemory({ threads: 2, series: 512 }), 1)
const rounds = 5_000_000
const record = {
  series: 0,
  durationMs: 0,
  firstByteMs: 0,
  tokensIn: 12,
  tokensOut: 40,
  tokensReasoning: 0,
  tokensCacheRead: 0,
}

const measure = (name: string, run: (i: number) => void): void => {
  for (let round = 0; round < 3; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) run(i)
    console.log(`${name}: ${(Number(process.hrtime.bigint() - start) / rounds).toFixed(1)} ns`)
  }
}

measure('finish, 60–123 ms', i => {
  record.series = i & 15
  record.durationMs = 60 + (i & 63)
  record.firstByteMs = record.durationMs
  metrics.finish(record, 'success')
})
measure('add', () => metrics.add('framesDropped'))
