import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PulseWatch, startHeartbeat } from '../../src/shared/heartbeat.ts'
import { roster } from '../../src/shared/layout.ts'
import { Roster } from '../../src/shared/roster.ts'
import { eventually } from '../support/raw-client.ts'

test('a thread that beats is not silent, one that stopped is more and more so', async () => {
  const memory = new SharedArrayBuffer(roster.bytes)
  const words = new Int32Array(memory)
  const watch = new PulseWatch(words, 5)
  const beating = startHeartbeat(words, 5, () => 42)
  assert.equal(watch.look(), 0)
  let beats = Atomics.load(words, roster.beat(5))
  await eventually(() => Atomics.load(words, roster.beat(5)) > beats, 'another beat')
  assert.equal(watch.look(), 0)
  beating.stop()
  beats = Atomics.load(words, roster.beat(5))
  await eventually(() => watch.look() > 50, 'its silence to be noticed')
  assert.equal(Atomics.load(words, roster.beat(5)), beats)
  assert.equal(new Roster(memory).view(5).inFlight, 42)
})

test('a watcher that was held up itself does not take that time for silence', () => {
  const words = new Int32Array(new SharedArrayBuffer(roster.bytes))
  const watch = new PulseWatch(words, 1)
  const until = performance.now() + 600
  while (performance.now() < until);
  assert.ok(watch.look() <= 200, `${watch.silentMs} ms`)
})

test('a row that is given to another thread has nothing of the last one, and its neighbours keep theirs', () => {
  const memory = new SharedArrayBuffer(roster.bytes)
  const table = new Roster(memory)
  table.words.fill(7)
  table.clear(3)
  assert.deepEqual(table.view(3), { state: 'empty', heapMb: 0, externalMb: 0, inFlight: 0, lagMs: 0 })
  assert.equal(Atomics.load(table.words, roster.bell(3)), 0)
  assert.equal(Atomics.load(table.words, roster.dirty(3, roster.dirtyWords - 1)), 0)
  assert.equal(Atomics.load(table.words, roster.state(3) - 1), 7)
  assert.equal(Atomics.load(table.words, roster.state(4)), 7)
})
