import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { tokenBucketBytes, tokenBuckets } from '../../src/shared/token-buckets.ts'
import { random } from '../core/random.ts'
import type { TakerData } from './token-taker.ts'

const memory = (slots = 1024) => new SharedArrayBuffer(tokenBucketBytes(slots))
const start = 1_764_000_000_000

test('a burst goes through, the next is told how long to wait, and after that long it goes through', () => {
  const buckets = tokenBuckets(memory(), 10, 5)
  for (let i = 0; i < 5; i++) assert.equal(buckets.take('a', start), 0)
  const waitMs = buckets.take('a', start)
  assert.equal(waitMs, 100)
  assert.ok(buckets.take('a', start + waitMs - 1) > 0)
  assert.equal(buckets.take('a', start + waitMs), 0)
  assert.ok(buckets.take('a', start + waitMs) > 0)
})

test('keys have allowances of their own', () => {
  const buckets = tokenBuckets(memory(), 1, 1)
  assert.equal(buckets.take('a', start), 0)
  assert.equal(buckets.take('b', start), 0)
  assert.ok(buckets.take('a', start) > 0)
  assert.ok(buckets.take('b', start) > 0)
})

test('a bucket never holds more than its burst, however long it was idle', () => {
  const buckets = tokenBuckets(memory(), 100, 3)
  const week = 7 * 24 * 3_600_000
  for (const now of [start, start + 1_000, start + 3_600_000, start + 100 * 3_600_000, start + week]) {
    let taken = 0
    while (buckets.take('a', now) === 0) taken++
    assert.equal(taken, 3, `at ${now - start} ms`)
  }
})

test('over any length of time no more is given than burst and rate allow', () => {
  const dice = random(7)
  for (const [rate, burst] of [
    [1, 1],
    [20, 40],
    [1000, 10],
    [3, 2.5],
  ] as const) {
    const buckets = tokenBuckets(memory(), rate, burst)
    let now = start
    let taken = 0
    for (let i = 0; i < 5_000; i++) {
      now += dice.below(dice.chance(0.9) ? 20 : 2_000) / 4
      if (buckets.take('a', now) === 0) taken++
    }
    const allowed = burst + (rate * (now - start)) / 1000
    assert.ok(taken <= allowed + 1, `${taken} of ${allowed}`)
  }
})

test('a bucket that is asked all the time gives what its rate allows, and no less', () => {
  for (const [rate, burst] of [
    [1, 1],
    [20, 40],
    [250, 10],
  ] as const) {
    const buckets = tokenBuckets(memory(), rate, burst)
    let taken = 0
    for (let at = 0; at < 10_000; at++) while (buckets.take('a', start + at) === 0) taken++
    const allowed = burst + rate * 10
    assert.ok(taken >= allowed * 0.98 - 1 && taken <= allowed + 1, `${taken} of ${allowed}`)
  }
})

test('the clock of 100 µs wraps without giving or taking anything', () => {
  // 2³¹ units after the epoch's multiple below `start`.
  const wrapMs = (Math.ceil((start * 10) / 2 ** 31) * 2 ** 31) / 10
  const buckets = tokenBuckets(memory(), 10, 5)
  let taken = 0
  for (let now = wrapMs - 2_000; now < wrapMs + 2_000; now += 10) if (buckets.take('a', now) === 0) taken++
  assert.ok(taken >= 43 && taken <= 46, `${taken} in four seconds`)
})

test('more keys than slots cost the idle ones their memory, never an error or an endless search', () => {
  const buckets = tokenBuckets(memory(64), 1, 1)
  for (let i = 0; i < 10_000; i++) buckets.take(`key-${i}`, start + i)
  assert.equal(buckets.take('key-fresh', start + 20_000), 0)
  assert.ok(buckets.take('key-fresh', start + 20_000) > 0)
})

test('between threads, one allowance is one allowance: not a token more, not a token less', async () => {
  const shared = memory()
  const control = new SharedArrayBuffer(64)
  const go = new Int32Array(control)
  const threads = 3
  const data: TakerData = { memory: shared, control, rate: 1, burst: 30_000, key: 'one', tries: 20_000, nowMs: start }
  // The slot is there before they race: two threads that open one bucket at once may do so twice (`find` says why).
  tokenBuckets(shared, data.rate, data.burst).take(data.key, start)
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL('./token-taker.js', import.meta.url), { workerData: data }),
  )
  await Promise.all(workers.map(worker => once(worker, 'message')))
  const results = workers.map(worker => once(worker, 'message').then(([taken]) => taken as number))
  Atomics.store(go, 0, 1)
  Atomics.notify(go, 0)
  const taken = await Promise.all(results)
  await Promise.all(workers.map(worker => worker.terminate()))
  assert.equal(
    taken.reduce((sum, n) => sum + n, 1),
    30_000,
    `each took ${taken.join(', ')}`,
  )
})
