import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  adoptTrace,
  formatTraceparent,
  isTraceId,
  newSpanId,
  newTraceId,
  parseTraceparent,
} from '../../src/core/trace.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'

test('a version 00 traceparent gives its trace id, parent and sampled bit', () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, parentSpanId: spanId, sampled: true })
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-00`)?.sampled, false)
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-02`)?.sampled, false)
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-03`)?.sampled, true)
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-ff`)?.sampled, true)
})

test('a later version is read by its first four fields, with or without more after a dash', () => {
  assert.equal(parseTraceparent(`01-${traceId}-${spanId}-01`)?.traceId, traceId)
  assert.equal(parseTraceparent(`cc-${traceId}-${spanId}-01-what-comes-later`)?.traceId, traceId)
  assert.equal(parseTraceparent(`cc-${traceId}-${spanId}-01.later`), null)
})

for (const [what, value] of [
  ['version ff', `ff-${traceId}-${spanId}-01`],
  ['a version that is not hex', `0x-${traceId}-${spanId}-01`],
  ['more fields in version 00', `00-${traceId}-${spanId}-01-more`],
  ['two headers joined', `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['a parent id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${traceId.toUpperCase()}-${spanId}-01`],
  ['upper case in the parent', `00-${traceId}-00F067AA0BA902B7-01`],
  ['a short trace id', `00-${traceId.slice(1)}-${spanId}-01`],
  ['flags that are not hex', `00-${traceId}-${spanId}-0z`],
  ['a missing flag digit', `00-${traceId}-${spanId}-0`],
  ['other separators', `00_${traceId}_${spanId}_01`],
  ['nothing', ''],
  ['a line break inside', `00-${traceId.slice(0, 31)}\n-${spanId}-01`],
] as const) {
  test(`a traceparent with ${what} is ignored`, () => assert.equal(parseTraceparent(value), null))
}

test('traceparent wins over X-Request-ID', () => {
  const other = 'a'.repeat(32)
  assert.equal(adoptTrace(`00-${traceId}-${spanId}-01`, other).traceId, traceId)
  assert.equal(adoptTrace(`ff-${traceId}-${spanId}-01`, other).traceId, other)
})

test('an X-Request-ID of 32 hex digits is adopted in lower case, and begins a trace', () => {
  assert.deepEqual(adoptTrace('', traceId.toUpperCase()), { traceId, parentSpanId: '', sampled: true })
})

for (const requestId of [
  '',
  'abc',
  '0'.repeat(32),
  'g'.repeat(32),
  `${traceId}0`,
  `${traceId.slice(0, 30)}\r\n`,
  'İ'.repeat(32),
]) {
  test(`the X-Request-ID ${JSON.stringify(requestId)} is replaced by a fresh id`, () => {
    const adopted = adoptTrace('', requestId).traceId
    assert.ok(isTraceId(adopted))
    assert.notEqual(adopted, requestId)
  })
}

test('fresh ids are valid and do not repeat, also across refills of the pool', () => {
  const ids = new Set(Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? newTraceId() : newSpanId())))
  assert.equal(ids.size, 2_000)
  for (const id of ids) assert.match(id, /^(?:[0-9a-f]{16}){1,2}$/)
})

test('what goes upstream parses back to the same trace', () => {
  const sent = formatTraceparent(traceId, newSpanId(), true)
  assert.equal(parseTraceparent(sent)?.traceId, traceId)
  assert.equal(parseTraceparent(sent)?.sampled, true)
  assert.equal(parseTraceparent(formatTraceparent(traceId, spanId, false))?.sampled, false)
})
