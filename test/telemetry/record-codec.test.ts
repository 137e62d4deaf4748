import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailureKind } from '../../src/core/failures.ts'
import { failures } from '../../src/core/failures.ts'
import { decodeRecord, encodeRecord, maxRecordBytes } from '../../src/telemetry/record-codec.ts'
import { sampleRecord } from './support/records.ts'

const buffer = () => Buffer.from(new SharedArrayBuffer(2 * maxRecordBytes))

test('a record comes back as it went, at any offset', () => {
  for (const offset of [0, 1, 7, maxRecordBytes]) {
    const bytes = buffer()
    const record = sampleRecord({ stream: true, cause: 'connection reset', firstByteMs: -1 })
    const length = encodeRecord(record, bytes, offset)
    assert.ok(length > 0)
    assert.deepEqual(decodeRecord(bytes, offset, length), record)
  }
})

test('every failure kind survives', () => {
  const bytes = buffer()
  for (const failure of Object.keys(failures) as FailureKind[]) {
    const length = encodeRecord(sampleRecord({ failure }), bytes, 0)
    assert.equal(decodeRecord(bytes, 0, length)?.failure, failure)
  }
})

test('strings are cut at their bounds, between characters, and the rest is intact', () => {
  const bytes = buffer()
  const long = 'é€😀'.repeat(400)
  const length = encodeRecord(
    sampleRecord({
      model: long,
      cause: 'x'.repeat(5_000),
      path: long,
      surface: long,
      method: long,
      remote: long,
      keyId: long,
      target: long,
      provider: long,
    }),
    bytes,
    0,
  )
  assert.ok(length <= maxRecordBytes)
  const back = decodeRecord(bytes, 0, length)
  assert.ok(back !== null)
  assert.equal(back.cause, 'x'.repeat(512))
  assert.ok(Buffer.byteLength(back.model) <= 256 && back.model.length > 60)
  assert.ok(long.startsWith(back.model) && long.startsWith(back.path))
  assert.equal(back.series, 3)
})

test('without room for the longest record nothing is written', () => {
  const bytes = buffer()
  assert.equal(encodeRecord(sampleRecord(), bytes, bytes.length - maxRecordBytes + 1), 0)
  assert.ok(bytes.every(byte => byte === 0))
  assert.ok(encodeRecord(sampleRecord(), bytes, bytes.length - maxRecordBytes) > 0)
})

test('any other length than the one written is no record', () => {
  const bytes = buffer()
  const length = encodeRecord(sampleRecord(), bytes, 0)
  for (let other = -1; other <= length + 40; other++) {
    if (other !== length) assert.equal(decodeRecord(bytes, 0, other), null, `length ${other}`)
  }
  assert.equal(decodeRecord(bytes, -1, length), null)
  assert.equal(decodeRecord(bytes, bytes.length - 10, length), null)
})

// A small generator with a printed seed, so that a failure can be repeated.
const seed = Number(process.env.SEED ?? Date.now() % 1e9)
function* randomNumbers(): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state >>> 8
  }
}

test(`damaged and random bytes give null or a well-formed record, never more (SEED=${seed})`, () => {
  const random = randomNumbers()
  const bytes = buffer()
  const length = encodeRecord(sampleRecord({ model: 'größe', cause: 'cut' }), bytes, 0)
  const pristine = Buffer.from(bytes.subarray(0, length))
  let damagedButWhole = 0
  for (let round = 0; round < 20_000; round++) {
    if (round % 10 === 0) for (let i = 0; i < length; i++) bytes[i] = random.next().value
    else {
      pristine.copy(bytes)
      for (let hits = 1 + (random.next().value % 3); hits > 0; hits--)
        bytes[random.next().value % length] = random.next().value
    }
    const record = decodeRecord(bytes, 0, length)
    if (record === null) continue
    damagedButWhole++
    assert.deepEqual(Object.keys(record).sort(), Object.keys(sampleRecord()).sort())
    for (const [name, value] of Object.entries(record)) {
      assert.equal(typeof value, typeof sampleRecord()[name as keyof typeof record], name)
      if (typeof value === 'number') assert.ok(Number.isFinite(value), name)
    }
  }
  assert.ok(damagedButWhole > 0, 'some damage only changes a value')
})
