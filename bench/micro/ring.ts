import { fixedHeaders, HeaderBlock } from '../../src/core/header-block.ts'
import { Kind, pairLayout } from '../../src/shared/layout.ts'
import { RingReader, RingWriter } from '../../src/shared/ring.ts'
import { measure } from './measure.ts'

// node .build/bench/micro/ring.js

const layout = pairLayout(1 << 20, 1024)
const buffer = new SharedArrayBuffer(layout.bytes)
const writer = new RingWriter(buffer, layout.responses)
const reader = new RingReader(buffer, layout.responses)

function pass(meta: number, payload: Uint8Array): number {
  const at = writer.reserve(1, Kind.head, 0, 200, meta, payload.length)
  writer.put(at + meta, payload)
  writer.commit()
  writer.publish()
  reader.next()
  reader.release()
  return reader.payload
}

for (const size of [200, 600, 4000]) {
  // As in a socket's buffer, where a body begins anywhere.
  const body = Buffer.alloc(size + 5, 0x61).subarray(5)
  measure(`a frame of ${size} bytes, written and read`, 500_000, () => pass(4, body))
  measure(`  put of ${size} bytes`, 500_000, () => writer.put(20, body))
  measure(`  set of ${size} bytes (for comparison)`, 500_000, () => writer.bytes.set(body, 20))
}

const fixed = fixedHeaders(`content-security-policy: ${'x'.repeat(300)}\r\n`)
measure('a header block, made and written', 500_000, () => {
  const block = new HeaderBlock('0123456789abcdef0123456789abcdef', fixed, '', 0.371)
  block.write(writer.bytes, 20)
  return block.length
})
