import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { providers } from '../../providers/index.ts'
import type { TargetData } from '../../src/core/snapshot.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'
import { UnsupportedNotes } from '../../src/pipeline/unsupported.ts'
import { createMetricMemory, threadMetrics } from '../../src/shared/metric-rows.ts'
import { TargetState, targetStateBytes } from '../../src/shared/target-state.ts'
import { tokenBucketBytes } from '../../src/shared/token-buckets.ts'
import { strategies } from '../../src/strategies/index.ts'
import { surfaces } from '../../src/surfaces/index.ts'
import type { UpstreamRequest } from '../../src/upstream/upstream.ts'
import { FakeIncoming, snapshotData, targetData } from './harness.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const used = (): number => {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** What one request keeps alive at the moment it is sent upstream, in lengths of its body. */
function keptWhileSending(target: TargetData, imageBytes: number): { kept: number; sent: number } {
  let kept = -1
  let sent = 0
  let before = 0
  const origin = (url: string) => ({
    url,
    prepare: (method: string, path: string) => ({ method, path }),
    send(request: UpstreamRequest) {
      kept = used() - before
      sent = request.body?.length ?? 0
      return { pause() {}, resume() {}, write: () => true, end() {}, cancel() {} }
    },
    stats: () => ({ open: 0, idle: 0, queued: 0, opened: 0, reused: 0 }),
  })
  const pipeline = new Pipeline(
    {
      providers,
      strategies,
      surfaces,
      upstream: { origin: ({ url }) => origin(url), close: () => Promise.resolve() },
      userAgent: 'test',
      metrics: threadMetrics(createMetricMemory({ threads: 1, series: 4 }), 0),
      buckets: new SharedArrayBuffer(tokenBucketBytes(64)),
      targetState: new TargetState(new SharedArrayBuffer(targetStateBytes(8))),
      unsupported: new UnsupportedNotes(() => {}),
      records: null,
    },
    snapshotData({ targets: [target], maxRequestBytes: 64 << 20 }),
  )
  const url = `data:image/png;base64,${'iVBORw0KGgoA'.repeat(imageBytes / 12)}`
  const parts = [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url } },
  ]
  const body = Buffer.from(JSON.stringify({ model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: parts }] }))
  const incoming = new FakeIncoming('POST', '/v1/chat/completions', {})
  const listener = pipeline.accept(incoming)
  before = used()
  const pieceBytes = 48 << 10
  for (let at = 0; at < body.length; at += pieceBytes)
    listener.onBody(body.subarray(at, at + pieceBytes), at + pieceBytes >= body.length)
  assert.equal(incoming.ends.length, 0, incoming.body)
  return { kept: kept / body.length, sent: sent / body.length }
}

const image = 12 << 20

test('a request with a large image keeps at most two copies of it alive while it is translated and sent', () => {
  const settings = { apiKey: 'k', baseUrl: 'http://one.test/v1' }
  const { kept, sent } = keptWhileSending(targetData('one', { provider: 'anthropic', settings }), image)
  assert.ok(sent > 0.99 && sent < 1.01, `sent ${sent} bodies`)
  assert.ok(kept < 2.2, `kept ${kept.toFixed(2)} bodies`)
})

test('a relayed request with a large image keeps one copy of it, also when another attempt may need it', () => {
  const { kept } = keptWhileSending(targetData('one'), image)
  assert.ok(kept < 1.2, `kept ${kept.toFixed(2)} bodies`)
  const retry = { attempts: 2, onStatusCodes: [], initialBackoffMs: 1 }
  const again = keptWhileSending(targetData('one', { retry }), image)
  assert.ok(again.kept < 1.2, `kept ${again.kept.toFixed(2)} bodies with a retry`)
})
