import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longestPooled } from '../../src/core/buffer-pool.ts'
import { GatheredBytes } from '../../src/core/gathered-bytes.ts'
import { random } from './random.ts'

test('pieces of any size make the same bytes, whatever length was announced', () => {
  const generator = random(7)
  const { below, pick } = generator
  for (let round = 0; round < 200; round++) {
    const length = below(pick([10, 5000, 200_000, 3_000_000]))
    const bytes = Buffer.alloc(length, `${round} green bottles standing on the wall, `)
    const expected = pick([0, -1, 1, length, length + 16_384, 1 << 30])
    const most = 1 + below(pick([100_000, 1_500_000]))
    const gathered = new GatheredBytes()
    for (let from = 0; from < length; ) {
      const to = Math.min(length, from + 1 + below(most))
      const piece = Buffer.from(bytes.subarray(from, to))
      gathered.push(piece, expected)
      piece.fill(0) // its memory is its owner's again
      from = to
    }
    assert.equal(gathered.length, length)
    const all = gathered.all()
    assert.ok(all.bytes.equals(bytes), `round ${round}: ${length} bytes, announced ${expected}`)
    assert.equal(all.isLent, length <= longestPooled)
    gathered.release()
  }
})

test('an announced length takes no more memory than what came may justify', () => {
  const gathered = new GatheredBytes()
  gathered.push(Buffer.alloc(2000), 1 << 30)
  assert.ok(gathered.all().bytes.buffer.byteLength <= 16_384)
  const honest = new GatheredBytes()
  honest.push(Buffer.alloc(40_000), 270_000)
  const { buffer } = honest.all().bytes
  assert.ok(buffer.byteLength >= 270_000, 'the rest comes into the same memory')
  honest.push(Buffer.alloc(230_000), 270_000)
  assert.equal(honest.all().bytes.buffer, buffer)
})

test('its memory serves the next one after it was released, not before', () => {
  const [one, two] = [new GatheredBytes(), new GatheredBytes()]
  one.push(Buffer.alloc(30_000, 'a'))
  const first = one.all().bytes
  two.push(Buffer.alloc(30_000, 'b'))
  assert.equal(first.toString(), 'a'.repeat(30_000))
  one.release()
  const three = new GatheredBytes()
  three.push(Buffer.alloc(30_000, 'c'))
  assert.equal(three.all().bytes.buffer, first.buffer)
  assert.equal(two.all().bytes.toString(), 'b'.repeat(30_000))
})
