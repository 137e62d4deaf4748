import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sink } from '../../src/telemetry/line-sink.ts'
import { createLineWriter } from '../../src/telemetry/line-writer.ts'

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })

/** Takes bytes when the test says so, and fails how the test says. */
function manualSink() {
  const taken: string[] = []
  let settle: ((code: string | null, keep?: number) => void) | null = null
  const sink: Sink = (bytes, done) => {
    assert.equal(settle, null, 'one write at a time')
    settle = (code, keep = 0) => {
      settle = null
      taken.push(bytes.toString('utf8', 0, code === null ? bytes.length : keep))
      done(code === null ? null : failure(code), bytes.subarray(code === null ? bytes.length : keep))
    }
  }
  return {
    sink,
    text: () => taken.join(''),
    isAsked: () => settle !== null,
    async answer(code: string | null, keep?: number) {
      while (settle === null) await new Promise(setImmediate)
      settle(code, keep)
    },
  }
}

test('lines of one turn go out in one write, later ones wait for it', async () => {
  const { sink, answer, text, isAsked } = manualSink()
  const writer = createLineWriter({ sink })
  writer.write('a\n')
  writer.write('b\n')
  assert.equal(isAsked(), false)
  await answer(null)
  writer.write('c\n')
  await answer(null)
  assert.equal(text(), 'a\nb\nc\n')
  assert.equal(await writer.flush(10), true)
})

for (const code of ['ENOSPC', 'EAGAIN']) {
  test(`after ${code} in the middle of a line the rest follows, once`, async () => {
    const { sink, answer, text } = manualSink()
    const writer = createLineWriter({ sink })
    writer.write('first line\n')
    await answer(code, 4)
    writer.write('second line\n')
    await answer(code, 0)
    await answer(null)
    await answer(null)
    assert.equal(text(), 'first line\nsecond line\n')
    assert.equal(writer.dropped, 0)
  })
}

test('flush tries again at once, and gives up when its time is over', async () => {
  const { sink, answer, isAsked } = manualSink()
  const writer = createLineWriter({ sink })
  writer.write('x\n')
  await answer('ENOSPC')
  const flushed = writer.flush(1)
  assert.ok(isAsked())
  assert.equal(await flushed, false)
  await answer(null)
  assert.equal(await writer.flush(1), true)
})

test('a full queue drops the newest, and reports once when half of it is free', async () => {
  const { sink, answer, text } = manualSink()
  const reports: number[] = []
  const writer = createLineWriter({ sink, maxQueueBytes: 20, onRecovered: lost => reports.push(lost) })
  for (const line of ['1234567\n', 'abcdefg\n', 'dropped\n', 'dropped\n', 'abc\n']) writer.write(line)
  assert.equal(writer.dropped, 2)
  assert.deepEqual(reports, [])
  await answer(null)
  assert.deepEqual(reports, [2])
  writer.write('zzzzzzz\n')
  await answer(null)
  assert.deepEqual(reports, [2])
  assert.equal(text(), '1234567\nabcdefg\nabc\nzzzzzzz\n')
})

test('the bound is in bytes, not characters', () => {
  const writer = createLineWriter({ sink: () => {}, maxQueueBytes: 10 })
  writer.write('€€€\n')
  writer.write('\n')
  assert.equal(writer.dropped, 1)
})

test('after EPIPE everything that waits and everything that comes is counted as dropped', async () => {
  const { sink, answer, isAsked } = manualSink()
  const writer = createLineWriter({ sink })
  writer.write('a\n')
  writer.write('b\n')
  const flushed = writer.flush(10_000)
  writer.write('c\n')
  await answer('EPIPE')
  assert.equal(await flushed, false)
  writer.write('d\n')
  await new Promise(setImmediate)
  assert.equal(writer.dropped, 4)
  assert.equal(isAsked(), false)
})
