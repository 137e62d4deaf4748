import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool, longestPooled } from '../../src/core/buffer-pool.ts'

test('a buffer is as long as was asked for, in memory little longer, from the shortest to the longest', () => {
  const pool = new BufferPool()
  for (let bytes = 4096; bytes <= longestPooled; bytes += 997) {
    const buffer = pool.take(bytes)
    assert.equal(buffer.length, bytes)
    assert.ok(buffer.buffer.byteLength <= bytes * 1.25, `${bytes} bytes in ${buffer.buffer.byteLength}`)
    pool.giveBack(buffer)
    const again = pool.take(bytes)
    assert.equal(again.buffer, buffer.buffer, `${bytes} bytes are used again`)
    assert.equal(again.length, bytes)
  }
  for (const bytes of [0, 1, 4095, longestPooled + 1]) {
    const buffer = pool.take(bytes)
    assert.equal(buffer.length, bytes)
    pool.giveBack(buffer)
  }
  assert.equal(pool.take(longestPooled).length, longestPooled)
})

test('what is given back twice is lent once, also by a view of it', () => {
  const pool = new BufferPool()
  const buffer = pool.take(10_000)
  pool.giveBack(buffer.subarray(100, 200))
  pool.giveBack(buffer)
  const [one, two] = [pool.take(10_000), pool.take(10_000)]
  assert.equal(one.buffer, buffer.buffer)
  assert.notEqual(two.buffer, one.buffer)
})

test('memory that is not the pool’s never gets into it', () => {
  const pool = new BufferPool()
  pool.giveBack(Buffer.alloc(8192))
  pool.giveBack(Buffer.allocUnsafeSlow(8192))
  pool.giveBack(new Uint8Array(new SharedArrayBuffer(8192)))
  assert.equal(pool.freeBytes, 0)
})

test('no more is kept than it may', () => {
  const pool = new BufferPool(100_000)
  const buffers = Array.from({ length: 10 }, () => pool.take(16_384))
  for (const buffer of buffers) pool.giveBack(buffer)
  assert.equal(pool.freeBytes, 6 * 16_384)
})

test('what nobody needs between two trims is let go, what is used stays', () => {
  const pool = new BufferPool()
  const buffers = Array.from({ length: 8 }, () => pool.take(65_536))
  for (const buffer of buffers) pool.giveBack(buffer)
  pool.trim()
  assert.equal(pool.freeBytes, 8 * 65_536, 'all of them were needed since the last time')
  const used = [pool.take(65_536), pool.take(65_536), pool.take(65_536)]
  for (const buffer of used) pool.giveBack(buffer)
  pool.trim()
  assert.equal(pool.freeBytes, 3 * 65_536)
  pool.trim()
  assert.equal(pool.freeBytes, 0)
  assert.equal(pool.take(65_536).length, 65_536)
})
