import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixedHeaders, HeaderBlock } from '../../src/core/header-block.ts'
import { decimalLength, writeDecimal, writeText } from '../../src/core/write-bytes.ts'

const written = (write: (bytes: Buffer) => number): string => {
  const bytes = Buffer.alloc(64)
  return bytes.latin1Slice(0, write(bytes))
}

test('numbers are written as they are printed, up to the largest whole one', () => {
  const powers = Array.from({ length: 16 }, (_, digits) => 10 ** digits)
  for (const number of [0, ...powers.flatMap(power => [power - 1, power, power + 1]), Number.MAX_SAFE_INTEGER]) {
    assert.equal(
      written(bytes => writeDecimal(bytes, 0, number)),
      String(number),
    )
    assert.equal(decimalLength(number), String(number).length)
  }
})

test('text is written as Latin-1', () => {
  assert.equal(
    written(bytes => writeText(bytes, 0, 'a: é\xff')),
    'a: é\xff',
  )
})

const id = '0123456789abcdef0123456789abcdef'
const block = (overheadMs: number | undefined, own = ''): string => {
  const headers = new HeaderBlock(id, fixedHeaders('a: b\r\n'), own, overheadMs)
  const text = headers.toBuffer().latin1Slice()
  assert.equal(text.length, headers.length)
  return text
}

test('a header block has its id first, then what is shared, then its own', () => {
  assert.equal(block(undefined), `x-request-id: ${id}\r\na: b\r\n`)
  assert.equal(block(undefined, 'c: é\r\n'), `x-request-id: ${id}\r\na: b\r\nc: é\r\n`)
})

test('the overhead is told in milliseconds with three digits behind the point', () => {
  const cases: [number, string][] = [
    [0, '0.000'],
    [0.0004, '0.000'],
    [0.0005, '0.001'],
    [0.07, '0.070'],
    [0.9996, '1.000'],
    [9.9999, '10.000'],
    [12.345, '12.345'],
    [600_000, '600000.000'],
  ]
  for (const [ms, text] of cases)
    assert.equal(block(ms, 'c: d\r\n'), `x-request-id: ${id}\r\na: b\r\nx-gateway-overhead-ms: ${text}\r\nc: d\r\n`)
})
