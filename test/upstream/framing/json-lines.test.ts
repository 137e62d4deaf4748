import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamEvent } from '../../../src/core/provider.ts'
import { JsonLinesParser } from '../../../src/upstream/framing/json-lines.ts'
import { pieces, random } from '../../core/random.ts'

interface Parsed {
  lines: string[]
  rest: StreamEvent | null
  failure: string | null
}

function parsed(chunks: readonly Uint8Array[], maxBytes = 1 << 20): Parsed {
  const lines: string[] = []
  const parser = new JsonLinesParser({ maxBytes }, ({ event, data }) => {
    assert.equal(event, '')
    lines.push(data)
  })
  let failure: string | null = null
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    failure = parser.push(copy)?.details.cause ?? null
    copy.fill(0x21)
  }
  return { lines, rest: parser.end(), failure }
}

const of = (text: string): Parsed => parsed([Buffer.from(text)])

test('each line is an event, blank ones are none', () => {
  assert.deepEqual(of('{"a":1}\n{"b":2}\r\n\n  \r\n{"c":"é😀"}\n').lines, ['{"a":1}', '{"b":2}', '{"c":"é😀"}'])
  assert.deepEqual(of('\ufeff{}\n\ufeffx\n').lines[0], '{}')
  assert.deepEqual(of('').lines, [])
})

test('a last line without its end is handed over apart', () => {
  assert.deepEqual(of('{}\n{"a"').rest, { event: '', data: '{"a"' })
  assert.equal(of('{}\n').rest, null)
  assert.equal(of('{}\n  ').rest, null)
  assert.deepEqual(of('\ufeff{}').rest, { event: '', data: '{}' })
})

test('the split of the bytes makes no difference', () => {
  const chance = random(5)
  for (let round = 0; round < 800; round++) {
    let text = chance.chance(0.2) ? '\ufeff' : ''
    for (let count = chance.below(10); count > 0; count--)
      text += chance.pick(['{"a":"é😀"}', '', ' ', '{', '\ufeff']) + chance.pick(['\n', '\r\n'])
    if (chance.chance(0.5)) text += '{"tail":1}'
    const bytes = Buffer.from(text)
    const whole = parsed([bytes])
    assert.deepEqual(parsed(pieces(bytes, chance)), whole, JSON.stringify(text))
    assert.deepEqual(parsed([...bytes].map(byte => Uint8Array.of(byte))), whole, JSON.stringify(text))
  }
})

test('a line beyond the limit is a failure, and the end', () => {
  const bytes = Buffer.from(`{}\n${'x'.repeat(3000)}\n{}\n`)
  for (const chunks of [[bytes], [...bytes].map(byte => Uint8Array.of(byte))])
    assert.deepEqual(parsed(chunks, 1000), { lines: ['{}'], rest: null, failure: 'a line is longer than 1000 bytes' })
})
