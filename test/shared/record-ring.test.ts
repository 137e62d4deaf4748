import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRecordRing, RecordReader, RecordWriter, recordRingBytes } from '../../src/shared/record-ring.ts'

const encode = (text: string, target: Buffer, offset: number): number => target.write(text, offset, 'latin1')

test('records come out as they went in, in order', () => {
  const buffer = createRecordRing()
  const writer = new RecordWriter(buffer, 1024)
  const reader = new RecordReader(buffer)
  const got: string[] = []
  const drain = (): void =>
    reader.drain((source, offset, length) => got.push(source.toString('latin1', offset, offset + length)))
  const sent: string[] = []
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < 30; i++) {
      const text = `${round}/${i} ${'x'.repeat((round * 37 + i * 11) % 900)}`
      sent.push(text)
      writer.write(text, encode)
    }
    drain()
  }
  assert.deepEqual(got, sent)
  assert.equal(writer.dropped, 0)
})

test('when nobody reads, the newest records are dropped and counted, and the writer never waits', () => {
  const buffer = createRecordRing()
  const writer = new RecordWriter(buffer, 1024)
  const reader = new RecordReader(buffer)
  const text = 'y'.repeat(500)
  const many = Math.floor(recordRingBytes / 400)
  for (let i = 0; i < many; i++) writer.write(`${i} ${text}`, encode)
  assert.ok(writer.dropped > 0)
  const got: number[] = []
  reader.drain((source, offset, length) =>
    got.push(Number.parseInt(source.toString('latin1', offset, offset + length), 10)),
  )
  assert.deepEqual(
    got,
    Array.from({ length: many - writer.dropped }, (_, i) => i),
  )
  const before = writer.dropped
  writer.write('again', encode)
  assert.equal(writer.dropped, before)
})
