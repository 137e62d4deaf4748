import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { frameHeader, type RingLayout, recordsLayout } from '../../src/shared/layout.ts'
import { RingReader, RingWriter } from '../../src/shared/ring.ts'
import { type Random, random } from '../core/random.ts'
import type { ProducerData } from './ring-producer.ts'

const size = 64 << 10
const reserveForControl = 4096

function ring(startAt = 0): { writer: RingWriter; reader: RingReader; layout: RingLayout; words: Int32Array } {
  const layout = recordsLayout(size)
  const buffer = new SharedArrayBuffer(layout.bytes)
  const words = new Int32Array(buffer)
  words[layout.head] = startAt
  words[layout.tail] = startAt
  return { writer: new RingWriter(buffer, layout), reader: new RingReader(buffer, layout), layout, words }
}

function put(writer: RingWriter, id: number, meta: Uint8Array, payload: Uint8Array, urgent = false): boolean {
  const at = writer.reserve(id, 7, 3, 404, meta.length, payload.length, urgent)
  if (at < 0) return false
  writer.bytes.set(meta, at)
  writer.bytes.set(payload, at + meta.length)
  writer.commit()
  return true
}

const take = (reader: RingReader) =>
  reader.next()
    ? {
        id: reader.id,
        meta: Buffer.from(reader.bytes.subarray(reader.meta, reader.meta + reader.metaLength)),
        payload: Buffer.from(reader.bytes.subarray(reader.payload, reader.payload + reader.payloadLength)),
      }
    : null

const bytesOf = (length: number, dice: Random): Buffer => Buffer.from(Array.from({ length }, () => dice.below(256)))

test('a frame comes out as it went in, with all its fields', () => {
  const { writer, reader } = ring()
  assert.ok(put(writer, 0xfffffffe, Buffer.from('meta'), Buffer.from('payload')))
  assert.equal(writer.publish(), true)
  assert.ok(reader.next())
  assert.deepEqual([reader.id, reader.kind, reader.flags, reader.code], [-2, 7, 3, 404])
  assert.equal(reader.bytes.toString('latin1', reader.meta, reader.meta + reader.metaLength), 'meta')
  assert.equal(reader.bytes.toString('latin1', reader.payload, reader.payload + reader.payloadLength), 'payload')
  assert.equal(reader.next(), false)
})

test('nothing is seen before it is published, and only what was committed by then', () => {
  const { writer, reader } = ring()
  put(writer, 1, Buffer.alloc(0), Buffer.from('a'))
  assert.equal(reader.next(), false)
  assert.equal(writer.publish(), true)
  assert.equal(writer.publish(), false, 'there is nothing new to publish')
  writer.reserve(2, 1, 0, 0, 0, 8)
  assert.equal(writer.publish(), false, 'a reserved frame is not a committed one')
  assert.equal(take(reader)?.id, 1)
  assert.equal(take(reader), null)
})

test('a writer that dies between reserve and commit leaves nothing that could be read', () => {
  const { writer, reader, layout, words } = ring()
  put(writer, 1, Buffer.alloc(0), Buffer.from('whole'))
  writer.publish()
  const at = writer.reserve(2, 1, 0, 0, 0, 1000)
  writer.bytes.fill(0xff, at, at + 500)
  assert.equal(take(reader)?.id, 1)
  assert.equal(take(reader), null)
  reader.release()
  assert.equal(words[layout.head], words[layout.tail])
})

test('a credit carries its number where the length of the meta would be, and has no bytes', () => {
  const { writer, reader } = ring()
  const at = writer.reserve(5, 5, 0, 0, 0, 0)
  writer.setWord(at - 4, 70_000)
  writer.commit()
  put(writer, 6, Buffer.alloc(0), Buffer.from('next'))
  writer.publish()
  assert.ok(reader.next())
  assert.deepEqual([reader.metaLength, reader.payloadLength], [70_000, 0])
  assert.equal(take(reader)?.payload.toString(), 'next')
})

test('frames of every length come through at every position, also across the end', () => {
  const dice = random(1)
  const { writer, reader } = ring()
  // 40 bytes and less at a time move the cursor over every 8-byte position many times.
  let id = 0
  for (let round = 0; round < 20_000; round++) {
    const meta = bytesOf(dice.below(12), dice)
    const payload = bytesOf(dice.below(28), dice)
    assert.ok(put(writer, ++id, meta, payload))
    writer.publish()
    assert.deepEqual(take(reader), { id, meta, payload })
    reader.release()
  }
})

test('the largest frame comes through from every position, whatever has to be skipped', () => {
  const { writer, reader } = ring()
  const payload = bytesOf(writer.maxFrame - frameHeader, random(2))
  for (let position = 0; position < size / 8; position++) {
    // One small frame more each time moves the start of the large one by 24 bytes.
    assert.ok(put(writer, 1, Buffer.alloc(0), Buffer.from('12345678')))
    assert.ok(put(writer, 2, Buffer.alloc(0), payload))
    writer.publish()
    assert.equal(take(reader)?.payload.toString(), '12345678')
    assert.ok(take(reader)?.payload.equals(payload))
    reader.release()
  }
})

test('a frame above a quarter of the ring is a mistake of the caller, not a wait for ever', () => {
  const { writer } = ring()
  assert.throws(() => writer.reserve(1, 1, 0, 0, 0, writer.maxFrame - frameHeader + 1), RangeError)
})

for (const startAt of [0x7fffffff - size / 2, 0xffffffff - size / 2].map(n => (n & ~7) | 0)) {
  test(`cursors go past ${startAt < 0 ? '2³²' : '2³¹'} and nothing is lost`, () => {
    const { writer, reader } = ring(startAt)
    const dice = random(3)
    const sent: Buffer[] = []
    const received: Buffer[] = []
    for (let i = 0; i < 500; i++) {
      const payload = bytesOf(dice.below(1_000), dice)
      while (!put(writer, i, Buffer.alloc(0), payload)) {
        writer.publish()
        for (let frame = take(reader); frame !== null; frame = take(reader)) received.push(frame.payload)
        reader.release()
      }
      sent.push(payload)
    }
    writer.publish()
    for (let frame = take(reader); frame !== null; frame = take(reader)) received.push(frame.payload)
    assert.ok(Buffer.concat(received).equals(Buffer.concat(sent)))
    assert.equal(received.length, 500)
  })
}

test('a full ring refuses, keeps what it has, and takes more when some was consumed', () => {
  const { writer, reader } = ring()
  let sent = 0
  while (put(writer, sent, Buffer.alloc(0), Buffer.alloc(1000))) sent++
  assert.ok(writer.used <= size - reserveForControl)
  writer.publish()
  assert.ok(sent > 50)
  assert.equal(put(writer, 99, Buffer.alloc(0), Buffer.alloc(1000)), false)
  for (let i = 0; i < sent; i++) assert.equal(take(reader)?.id, i)
  assert.equal(take(reader), null)
  assert.equal(put(writer, 99, Buffer.alloc(0), Buffer.alloc(1000)), false, 'not before the reader gave it back')
  reader.release()
  assert.ok(put(writer, 99, Buffer.alloc(0), Buffer.alloc(1000)))
})

test('urgent frames find room when others do not, until the reserve is used up too', () => {
  const { writer, reader } = ring()
  let others = 0
  while (put(writer, others, Buffer.alloc(0), Buffer.alloc(0))) others++
  let urgent = 0
  while (put(writer, others + urgent, Buffer.alloc(0), Buffer.alloc(0), true)) urgent++
  assert.equal(urgent, reserveForControl / frameHeader)
  writer.publish()
  for (let i = 0; i < others + urgent; i++) assert.equal(take(reader)?.id, i)
})

test('a writer that asks for room is told once, when a quarter or less is in use', () => {
  const { writer, reader } = ring()
  let sent = 0
  while (put(writer, sent, Buffer.alloc(0), Buffer.alloc(1000))) sent++
  writer.publish()
  assert.equal(writer.wantSpace(), true, 'there is none now')
  let told = 0
  for (let i = 0; i < sent; i++) {
    take(reader)
    reader.next()
    if (reader.release()) {
      told++
      assert.ok(writer.used <= size / 4)
      assert.ok(put(writer, 1, Buffer.alloc(0), Buffer.alloc(writer.maxFrame - frameHeader)), 'then any frame fits')
    }
  }
  assert.equal(told, 1)
})

test('a writer that asks for room which is there already is told so at once', () => {
  const { writer, reader } = ring()
  put(writer, 1, Buffer.alloc(0), Buffer.alloc(1000))
  writer.publish()
  take(reader)
  reader.next()
  reader.release()
  assert.equal(writer.wantSpace(), false)
})

test('the bytes of a consumed frame hold until something is written over them, and not longer', () => {
  const { writer, reader } = ring()
  const cursor = writer.cursor
  const first = bytesOf(1000, random(4))
  put(writer, 1, Buffer.alloc(0), first)
  let frames = 1
  for (;;) {
    writer.publish()
    while (reader.next());
    reader.release()
    if (!writer.stillHolds(cursor)) break
    assert.ok(writer.bytes.subarray(frameHeader, frameHeader + 1000).equals(first), `after ${frames} frames`)
    put(writer, 2, Buffer.alloc(0), Buffer.alloc(984, frames++))
  }
  assert.ok(frames > 60, `${frames} frames were written before`)
})

for (const seed of [1, 2, 3]) {
  test(`between threads, what goes in comes out once and in order (seed ${seed})`, async () => {
    const layout = recordsLayout(size)
    const buffer = new SharedArrayBuffer(layout.bytes)
    const frames = 60_000
    const data: ProducerData = { buffer, layout, seed, frames }
    const producer = new Worker(new URL('./ring-producer.js', import.meta.url), { workerData: data })
    const failed = new Promise<never>((_, reject) => producer.on('error', reject))
    const reader = new RingReader(buffer, layout)
    const words = new Int32Array(buffer)
    const dice = random(seed ^ 0xabcd)
    const mirror = random(seed)
    let received = 0
    let lastTail = 0
    const read = async (): Promise<void> => {
      while (received < frames) {
        // Sometimes all there is, sometimes a few, sometimes not given back for a while.
        const most = dice.chance(0.5) ? Number.POSITIVE_INFINITY : 1 + dice.below(20)
        for (let i = 0; i < most && reader.next(); i++) {
          assert.equal(reader.id, received)
          const length = expectedLength(mirror)
          assert.equal(reader.payloadLength, length)
          const start = reader.payload
          for (const at of [0, length >> 1, length - 1]) {
            if (at >= 0 && at < length) assert.equal(reader.bytes[start + at], (received + at) & 0xff)
          }
          received++
        }
        if (dice.chance(0.8) && reader.release()) Atomics.notify(words, layout.wantsSpace)
        const tail = Atomics.load(words, layout.tail)
        if (tail === lastTail) await new Promise(resolve => setImmediate(resolve))
        lastTail = tail
      }
    }
    try {
      await Promise.race([read(), failed])
    } finally {
      await producer.terminate()
    }
    assert.equal(received, frames)
    assert.equal(reader.next(), false)
  })
}

/** The same draws as the producer's. */
function expectedLength(mirror: Random): number {
  return mirror.below(mirror.chance(0.9) ? 300 : size / 4 - frameHeader)
}
