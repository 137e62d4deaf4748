import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNKED, isPersistent, readFraming, UNDECLARED } from '../../src/wire/framing.ts'
import { HeadParser } from '../../src/wire/head.ts'

function parse(fields: string, minor = 1): HeadParser {
  const parser = new HeadParser('response', { maxBytes: 4096, maxFields: 16 })
  const head = Buffer.from(`HTTP/1.${minor} 200 OK\r\n${fields}\r\n`, 'latin1')
  assert.equal(parser.feed(head, 0, head.length), head.length)
  return parser
}

const cases: [string, ReturnType<typeof readFraming>][] = [
  ['', UNDECLARED],
  ['Content-Length: 0\r\n', 0],
  ['CONTENT-LENGTH: 42\r\n', 42],
  ['Content-Length: 007\r\n', 7],
  ['Content-Length: 9007199254740991\r\n', Number.MAX_SAFE_INTEGER],
  ['Content-Length: 9007199254740992\r\n', 'length_too_big'],
  ['Content-Length: 99999999999999999999999\r\n', 'length_too_big'],
  ['Content-Length:\r\n', 'bad_length'],
  ['Content-Length: -1\r\n', 'bad_length'],
  ['Content-Length: +1\r\n', 'bad_length'],
  ['Content-Length: 1e3\r\n', 'bad_length'],
  ['Content-Length: 0x10\r\n', 'bad_length'],
  ['Content-Length: 1 2\r\n', 'bad_length'],
  ['Content-Length: 5,\r\n', 'bad_length'],
  ['Content-Length: 5, 5\r\n', 'repeated_length'],
  ['Content-Length: 5, 6\r\n', 'repeated_length'],
  ['Content-Length: 5\r\nContent-Length: 5\r\n', 'repeated_length'],
  ['Content-Length: 5\r\ncontent-length: 6\r\n', 'repeated_length'],
  ['Transfer-Encoding: chunked\r\n', CHUNKED],
  ['transfer-encoding: Chunked\r\n', CHUNKED],
  ['Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'length_with_coding'],
  ['Content-Length: x\r\nTransfer-Encoding: chunked\r\n', 'length_with_coding'],
  ['Transfer-Encoding: gzip\r\n', 'unknown_coding'],
  ['Transfer-Encoding: identity\r\n', 'unknown_coding'],
  ['Transfer-Encoding: xchunked\r\n', 'unknown_coding'],
  ['Transfer-Encoding:\r\n', 'unknown_coding'],
  ['Transfer-Encoding: gzip, chunked\r\n', 'unknown_coding'],
  ['Transfer-Encoding: chunked, gzip\r\n', 'bad_coding'],
  ['Transfer-Encoding: chunked, chunked\r\n', 'bad_coding'],
  ['Transfer-Encoding: , chunked\r\n', 'bad_coding'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', 'bad_coding'],
]

for (const [fields, expected] of cases) {
  test(`${JSON.stringify(fields)} frames as ${expected}`, () => {
    assert.equal(readFraming(parse(fields).fields, 1), expected)
  })
}

test('HTTP/1.0 knows no transfer coding', () => {
  assert.equal(readFraming(parse('Transfer-Encoding: chunked\r\n', 0).fields, 0), 'coding_in_http10')
  assert.equal(readFraming(parse('Content-Length: 3\r\n', 0).fields, 0), 3)
})

test('persistence follows the version and the Connection options', () => {
  const persists = (fields: string, minor: 0 | 1): boolean => isPersistent(parse(fields, minor).fields, minor)
  assert.equal(persists('', 1), true)
  assert.equal(persists('', 0), false)
  assert.equal(persists('Connection: close\r\n', 1), false)
  assert.equal(persists('Connection: Close\r\n', 1), false)
  assert.equal(persists('Connection: keep-alive\r\n', 0), true)
  assert.equal(persists('Connection: Upgrade, Keep-Alive\r\n', 0), true)
  assert.equal(persists('Connection: keep-alive, close\r\n', 1), false)
  assert.equal(persists('Connection: keep-alive\r\nConnection: close\r\n', 1), false)
  assert.equal(persists('Connection: x-close\r\n', 1), true)
})
