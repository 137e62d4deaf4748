import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyInto, copyOf } from '../../src/core/copy-bytes.ts'

const pattern = Uint8Array.from({ length: 5000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff)

/** The pattern's first bytes at an offset into memory of that kind. */
function laid(memory: ArrayBuffer | SharedArrayBuffer, offset: number, size: number): Uint8Array {
  const view = new Uint8Array(memory, offset, size)
  view.set(pattern.subarray(0, size))
  return view
}

test('bytes are copied as they are, from and into shared memory, wherever they lie', () => {
  for (const source of [new ArrayBuffer(6000), new SharedArrayBuffer(6000)])
    for (const target of [new ArrayBuffer(6000), new SharedArrayBuffer(6000)])
      for (const size of [0, 1, 3, 8, 63, 600, 5000])
        for (const offset of [0, 1, 7, 9]) {
          const into = Buffer.from(target)
          into.fill(0x55)
          copyInto(into, 13, laid(source, offset, size))
          assert.deepEqual(into.subarray(13, 13 + size), Buffer.from(pattern.subarray(0, size)))
          // Not a byte before or behind: `fill` would repeat what is too short.
          assert.ok(into.subarray(0, 13).every(byte => byte === 0x55))
          assert.ok(into.subarray(13 + size).every(byte => byte === 0x55))
        }
})

test('a copy stays when what it was made of changes', () => {
  const shared = laid(new SharedArrayBuffer(100), 3, 60)
  const copy = copyOf(shared)
  shared.fill(0)
  assert.deepEqual(copy, Buffer.from(pattern.subarray(0, 60)))
  assert.equal(copyOf(new Uint8Array(0)).length, 0)
})
