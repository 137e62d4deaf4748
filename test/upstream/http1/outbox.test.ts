import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mostKept, Outbox } from '../../../src/upstream/http1/outbox.ts'

const afterTick = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('what is kept is written at the end of the tick, each once and in order', async () => {
  const outbox = new Outbox()
  const written: string[] = []
  const sender = (name: string) => ({ writeKept: (bytes: Buffer) => void written.push(`${name} ${bytes}`) })
  outbox.add(sender('a'), Buffer.from('1'))
  outbox.add(sender('b'), Buffer.from('2'))
  outbox.add(sender('a'), Buffer.from('3'))
  assert.deepEqual(written, [])
  await afterTick()
  assert.deepEqual(written, ['a 1', 'b 2', 'a 3'])
  outbox.add(sender('c'), Buffer.from('4'))
  await afterTick()
  assert.deepEqual(written.slice(3), ['c 4'])
})

test('many do not wait for the end of the tick, and those after them have an end of their own', async () => {
  const outbox = new Outbox()
  let written = 0
  const sender = { writeKept: () => void written++ }
  for (let kept = 1; kept < mostKept; kept++) outbox.add(sender, Buffer.alloc(1))
  assert.equal(written, 0)
  outbox.add(sender, Buffer.alloc(1))
  assert.equal(written, mostKept)
  outbox.add(sender, Buffer.alloc(1))
  assert.equal(written, mostKept)
  await afterTick()
  assert.equal(written, mostKept + 1)
})

test('what a write brings about is kept for the next round', async () => {
  const outbox = new Outbox()
  const written: string[] = []
  const second = { writeKept: () => void written.push('second') }
  outbox.add({ writeKept: () => outbox.add(second, Buffer.alloc(1)) }, Buffer.alloc(1))
  outbox.flush()
  assert.deepEqual(written, [])
  await afterTick()
  assert.deepEqual(written, ['second'])
})
