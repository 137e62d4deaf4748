import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireError } from '../../src/wire/errors.ts'
import { HeadParser, MALFORMED, MORE } from '../../src/wire/head.ts'

const limits = { maxBytes: 4096, maxFields: 16 }

/** Feeds `text` in the given pieces; each piece is overwritten after use, as a shared read buffer would be. */
function feed(parser: HeadParser, text: string, cuts: readonly number[] = []): { result: number; consumed: number } {
  const whole = Buffer.from(text, 'latin1')
  let from = 0
  for (const to of [...cuts, whole.length]) {
    const piece = Buffer.from(whole.subarray(from, to))
    const result = parser.feed(piece, 0, piece.length)
    if (result !== MORE) {
      parser.keep()
      piece.fill(0x58)
      return { result, consumed: result > 0 ? from + result : from }
    }
    piece.fill(0x58)
    from = to
  }
  return { result: MORE, consumed: whole.length }
}

const response =
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Empty:\r\nx-multi: a\r\nX-Padded: \t  v w \t\r\nX-Multi: b\r\n\r\n'
const request = 'POST /v1/chat?x=1 HTTP/1.0\r\nHost: a\r\nX_A^: \x80\xff\r\n\r\n'

function assertResponse(parser: HeadParser): void {
  assert.equal(parser.status, 200)
  assert.equal(parser.minor, 1)
  assert.equal(parser.fields.count, 5)
  assert.equal(parser.fields.get('content-type'), 'application/json')
  assert.equal(parser.fields.get('x-empty'), '')
  assert.equal(parser.fields.has('x-empty'), true)
  assert.equal(parser.fields.get('x-multi'), 'a, b')
  assert.deepEqual(parser.fields.all('x-multi'), ['a', 'b'])
  assert.equal(parser.fields.get('x-padded'), 'v w')
  assert.equal(parser.fields.get('missing'), '')
  assert.equal(parser.fields.nameAt(0), 'content-type')
  assert.equal(parser.fields.valueAt(0), 'application/json')
}

test('a response head is the same wherever it is cut, and the body position is exact', () => {
  const withBody = response + 'BODY'
  for (let cut = 0; cut <= withBody.length; cut++) {
    const parser = new HeadParser('response', limits)
    const { consumed } = feed(parser, withBody, [cut])
    assert.equal(consumed, response.length, `cut at ${cut}`)
    assertResponse(parser)
  }
})

test('a response head may come one byte at a time', () => {
  const parser = new HeadParser('response', limits)
  const cuts = Array.from({ length: response.length - 1 }, (_, index) => index + 1)
  assert.equal(feed(parser, response, cuts).consumed, response.length)
  assertResponse(parser)
})

test('a request head is the same wherever it is cut', () => {
  for (const prefix of ['', '\r\n']) {
    const text = prefix + request
    for (let cut = 0; cut <= text.length; cut++) {
      const parser = new HeadParser('request', limits)
      assert.equal(feed(parser, text, [cut]).consumed, text.length, `cut at ${cut}`)
      assert.equal(parser.method, 'POST')
      assert.equal(parser.target, '/v1/chat?x=1')
      assert.equal(parser.minor, 0)
      assert.equal(parser.fields.get('host'), 'a')
      assert.equal(parser.fields.get('x_a^'), '\x80\xff')
      assert.equal(parser.fields.get('x\x7fa~'), '', 'punctuation has no case')
    }
  }
})

test('fields are read in place until they are kept', () => {
  const parser = new HeadParser('response', limits)
  const bytes = Buffer.from('....' + response)
  assert.equal(parser.feed(bytes, 4, bytes.length), bytes.length)
  assertResponse(parser)
  parser.keep()
  bytes.fill(0)
  assertResponse(parser)
})

test('a parser can be used again after reset, whatever it saw before', () => {
  const parser = new HeadParser('response', limits)
  for (const before of [response, 'HTTP/1.1 200 OK\r\nA: b', 'HTTP/1.1 200 OK\r\n bad', '']) {
    feed(parser, before, [3])
    parser.reset()
    assert.equal(parser.isUnderWay, false)
    assert.equal(feed(parser, response, [7]).consumed, response.length)
    assertResponse(parser)
    parser.reset()
  }
})

const badFields: [WireError, string][] = [
  ['bad_field_name', ': no name\r\n\r\n'],
  ['bad_field_name', 'space : x\r\n\r\n'],
  ['bad_field_name', 'no colon\r\n\r\n'],
  ['bad_field_name', 'nocolon\r\n\r\n'],
  ['bad_field_name', 'n\x00ul: x\r\n\r\n'],
  ['bad_field_name', 'n\xe9: x\r\n\r\n'],
  ['bad_field_value', 'a: b\x00c\r\n\r\n'],
  ['bad_field_value', 'a: b\x7fc\r\n\r\n'],
  ['bad_field_value', 'a: b\x0bc\r\n\r\n'],
  ['bare_cr', 'a: b\rc\r\n\r\n'],
  ['bare_cr', 'a: b\r\r\n\r\n'],
  ['bare_cr', 'a: b\r\n\rX'],
  ['bare_lf', 'a: b\nc: d\r\n\r\n'],
  ['bare_lf', 'a: b\r\n\nX'],
  ['bare_lf', 'a:\n\r\n'],
  ['folded_field', 'a: b\r\n c\r\n\r\n'],
  ['folded_field', 'a: b\r\n\tc\r\n\r\n'],
  ['folded_field', ' a: b\r\n\r\n'],
  ['too_many_fields', 'a: b\r\n'.repeat(17) + '\r\n'],
  ['head_too_large', 'a: ' + 'b'.repeat(4096) + '\r\n\r\n'],
  ['head_too_large', 'b'.repeat(5000)],
]
const badResponses: [WireError, string][] = [
  ...badFields.map(([error, text]): [WireError, string] => [error, 'HTTP/1.1 200 OK\r\n' + text]),
  ['bad_status_line', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 2000\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 099 X\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 600 X\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 2x0 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['bad_status_line', 'http/1.1 200 OK\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1\r\n\r\n'],
  ['bad_status_line', 'HTTP/1.1 200 O\x01K\r\n\r\n'],
  ['bad_status_line', ' HTTP/1.1 200 OK\r\n\r\n'],
  ['bad_status_line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['bare_lf', 'HTTP/1.1 200 OK\n\r\n'],
  ['bare_cr', 'HTTP/1.1 200 OK\rX\r\n\r\n'],
  ['bad_version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['bad_version', 'HTTP/1.2 200 OK\r\n\r\n'],
  ['bad_version', 'HTTP/0.9 200 OK\r\n\r\n'],
]
const badRequests: [WireError, string][] = [
  ...badFields.map(([error, text]): [WireError, string] => [error, 'GET / HTTP/1.1\r\n' + text]),
  ['bad_request_line', 'GET  / HTTP/1.1\r\n\r\n'],
  ['bad_request_line', 'GET / HTTP/1.1 \r\n\r\n'],
  ['bad_request_line', 'GET /\r\n\r\n'],
  ['bad_request_line', 'GET / a HTTP/1.1\r\n\r\n'],
  ['bad_request_line', ' GET / HTTP/1.1\r\n\r\n'],
  ['bad_request_line', 'GET\t/ HTTP/1.1\r\n\r\n'],
  ['bad_request_line', 'G(T / HTTP/1.1\r\n\r\n'],
  ['bad_request_line', 'GET /\xe9 HTTP/1.1\r\n\r\n'],
  ['bad_request_line', 'GET /\x7f HTTP/1.1\r\n\r\n'],
  ['bad_request_line', '\r\n\r\nGET / HTTP/1.1\r\n\r\n'],
  ['bad_request_line', 'GET / HTTP/1.11\r\n\r\n'],
  ['bad_version', 'GET / HTTP/2.0\r\n\r\n'],
  ['bare_cr', '\rGET / HTTP/1.1\r\n\r\n'],
]

for (const [kind, corpus] of [
  ['response', badResponses],
  ['request', badRequests],
] as const) {
  test(`each malformed ${kind} head is refused with the same name wherever it is cut`, () => {
    for (const [error, text] of corpus) {
      for (let cut = 0; cut <= Math.min(text.length, 200); cut++) {
        const parser = new HeadParser(kind, limits)
        const { result } = feed(parser, text, [cut])
        assert.equal(result, MALFORMED, JSON.stringify(text))
        assert.equal(parser.error, error, `${JSON.stringify(text.slice(0, 60))} cut at ${cut}`)
      }
    }
  })
}

test('a head of exactly the limit passes and one byte more does not', () => {
  const start = 'HTTP/1.1 200 OK\r\na: '
  const fill = (length: number): string => start + 'b'.repeat(length - start.length - 4) + '\r\n\r\n'
  for (const cuts of [[], [100], [4095], [4096]]) {
    assert.equal(feed(new HeadParser('response', limits), fill(4096), cuts).result > 0, true)
    assert.equal(feed(new HeadParser('response', limits), fill(4097), cuts).result, MALFORMED)
  }
})

test('a status without a reason is accepted with and without the space', () => {
  for (const line of ['HTTP/1.1 204 ', 'HTTP/1.1 204', 'HTTP/1.0 204 Caf\xe9 \t x']) {
    const parser = new HeadParser('response', limits)
    assert.equal(feed(parser, line + '\r\n\r\n').result, line.length + 4)
    assert.equal(parser.status, 204)
  }
})

test('a field count beyond the first allotment is kept', () => {
  const parser = new HeadParser('response', { maxBytes: 65536, maxFields: 1000 })
  const lines = Array.from({ length: 300 }, (_, index) => `x-${index}: ${index}\r\n`).join('')
  assert.equal(feed(parser, `HTTP/1.1 200 OK\r\n${lines}\r\n`, [5]).result > 0, true)
  for (const index of [0, 31, 32, 33, 299]) assert.equal(parser.fields.get(`x-${index}`), String(index))
})
