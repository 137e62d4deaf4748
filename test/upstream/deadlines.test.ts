import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadlines, type Timed } from '../../src/upstream/deadlines.ts'
import { until } from './collect.ts'

class Waiting implements Timed {
  waitUntilMs = Number.POSITIVE_INFINITY
  totalUntilMs = Number.POSITIVE_INFINITY
  place = -1
  expired: boolean[] = []
  onExpire: () => void = () => undefined

  expire(isTotal: boolean): void {
    this.expired.push(isTotal)
    this.onExpire()
  }
}

test('what is late is told once it is removed by its callback, and which deadline it was', async () => {
  const deadlines = new Deadlines()
  const [late, total, patient] = [new Waiting(), new Waiting(), new Waiting()]
  for (const timed of [late, total, patient]) {
    timed.onExpire = () => deadlines.remove(timed)
    deadlines.add(timed)
  }
  late.waitUntilMs = deadlines.after(10)
  total.totalUntilMs = deadlines.after(10)
  await until(() => deadlines.size === 1, 'two are late')
  assert.deepEqual([late.expired, total.expired, patient.expired], [[false], [true], []])
  deadlines.remove(patient)
})

test('ending one call may end all others', async () => {
  const deadlines = new Deadlines()
  const all = Array.from({ length: 5 }, () => new Waiting())
  for (const timed of all) {
    timed.waitUntilMs = 0
    timed.onExpire = () => {
      for (const other of all) if (other.waitUntilMs === 0) deadlines.remove(other)
      for (const other of all) other.waitUntilMs = 1
    }
    deadlines.add(timed)
  }
  await until(() => deadlines.size === 0, 'all are gone')
  assert.deepEqual(deadlines.members(), [])
})

test('removing keeps the others, wherever it was', () => {
  const deadlines = new Deadlines()
  const all = Array.from({ length: 4 }, () => new Waiting())
  for (const timed of all) deadlines.add(timed)
  for (const [index, rest] of [
    [0, [3, 2, 1]],
    [2, [3, 1]],
    [3, [1]],
    [1, []],
  ] as const) {
    deadlines.remove(all[index])
    assert.deepEqual(new Set(deadlines.members()), new Set(rest.map(each => all[each])))
  }
})

test('a deadline that is moved back, or comes before all others, is told in its time', async () => {
  const deadlines = new Deadlines()
  const [first, moved, last] = [new Waiting(), new Waiting(), new Waiting()]
  const told: Waiting[] = []
  for (const timed of [first, moved, last]) {
    timed.onExpire = () => {
      told.push(timed)
      deadlines.remove(timed)
    }
    deadlines.add(timed)
  }
  last.totalUntilMs = deadlines.after(400)
  moved.waitUntilMs = deadlines.after(1)
  moved.waitUntilMs = deadlines.after(200)
  first.waitUntilMs = deadlines.after(100)
  await until(() => deadlines.size === 0, 'all are late')
  assert.deepEqual(told, [first, moved, last])
})

test('who is given more time to wait keeps the deadline of the whole', async () => {
  const deadlines = new Deadlines()
  const timed = new Waiting()
  timed.onExpire = () => {
    if (timed.expired.at(-1) === true) deadlines.remove(timed)
    else timed.waitUntilMs = deadlines.after(60_000)
  }
  deadlines.add(timed)
  timed.waitUntilMs = deadlines.after(1)
  timed.totalUntilMs = deadlines.after(200)
  await until(() => deadlines.size === 0, 'the whole took too long')
  assert.deepEqual(timed.expired, [false, true])
})

test('silence while this thread was busy does not count', async () => {
  const deadlines = new Deadlines()
  const timed = new Waiting()
  deadlines.add(timed)
  timed.waitUntilMs = deadlines.after(200)
  const busyUntil = performance.now() + 400
  while (performance.now() < busyUntil);
  await new Promise(resolve => setTimeout(resolve, 1))
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(timed.expired, [])
  assert.ok(timed.waitUntilMs > performance.now())
  deadlines.remove(timed)
})

test('waiting for the last one resolves at once when there is none, and after the grace when it stays', async () => {
  const deadlines = new Deadlines()
  await deadlines.empty(60_000)
  const timed = new Waiting()
  deadlines.add(timed)
  await deadlines.empty(1)
  assert.equal(deadlines.size, 1)
  const empty = deadlines.empty(60_000)
  deadlines.remove(timed)
  await empty
})
