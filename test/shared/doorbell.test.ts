import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Doorbell, ringBell } from '../../src/shared/doorbell.ts'
import { maxThreads, roster } from '../../src/shared/layout.ts'
import { eventually } from '../support/raw-client.ts'
import type { RingerData } from './doorbell-ringer.ts'

const newRoster = () => new SharedArrayBuffer(roster.bytes)

test('a thread hears each producer that rang, also before it listened', async t => {
  const words = new Int32Array(newRoster())
  const heard: number[] = []
  const bell = new Doorbell(words, 3, producer => heard.push(producer))
  for (const producer of [0, 31, 32, 200, maxThreads - 1]) ringBell(words, 3, producer)
  ringBell(words, 4, 7)
  bell.open()
  t.after(() => bell.close())
  assert.deepEqual(
    [...heard].sort((a, b) => a - b),
    [0, 31, 32, 200, maxThreads - 1],
  )
  heard.length = 0
  // Something has to keep the loop alive: waiting for a bell does not.
  await eventually(() => Atomics.load(words, roster.bell(3)) === 1, 'the thread to be asleep')
  ringBell(words, 3, 9)
  await eventually(() => heard.length > 0, 'the bell to be heard')
  assert.deepEqual(heard, [9])
})

test('a bell that is closed is not heard any more', async () => {
  const words = new Int32Array(newRoster())
  let heard = 0
  const bell = new Doorbell(words, 1, () => heard++)
  bell.open()
  bell.close()
  ringBell(words, 1, 2)
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(heard, 0)
})

test('a thread number beyond the bitmap is refused', () => {
  assert.throws(() => new Doorbell(new Int32Array(newRoster()), maxThreads, () => {}), RangeError)
})

// Each producer rings, waits until it was heard, and rings again: one wake-up that is lost stops it for good.
test('no wake-up is lost while three threads ring a hundred thousand times and the listener falls asleep in between', async t => {
  const memory = newRoster()
  const words = new Int32Array(memory)
  const counts = new SharedArrayBuffer(1024)
  const published = new Int32Array(counts)
  const rounds = 35_000
  const producers = [40, 41, 130]
  const seen = new Map<number, number>()
  const bell = new Doorbell(words, 1, producer => {
    const at = producers.indexOf(producer) * 64
    const now = Atomics.load(published, at)
    seen.set(producer, now)
    Atomics.store(published, at + 1, now)
    Atomics.notify(published, at + 1)
  })
  bell.open()
  const keepAlive = setInterval(() => {}, 1000)
  t.after(() => {
    clearInterval(keepAlive)
    bell.close()
  })
  const workers = producers.map((thread, index) => {
    const workerData: RingerData = { roster: memory, counts, at: index * 64, thread, listener: 1, rounds }
    return new Worker(new URL('./doorbell-ringer.js', import.meta.url), { workerData })
  })
  t.after(() => Promise.all(workers.map(worker => worker.terminate())))
  const outcomes = await Promise.all(workers.map(worker => once(worker, 'message').then(([outcome]) => outcome)))
  assert.deepEqual(
    outcomes,
    producers.map(() => 'heard every time'),
  )
  assert.deepEqual(
    producers.map(producer => seen.get(producer)),
    producers.map(() => rounds),
  )
})
