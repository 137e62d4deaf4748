import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkedDecoder } from '../../src/wire/chunked.ts'
import type { WireError } from '../../src/wire/errors.ts'

interface Outcome {
  payload: string
  error: WireError | null
  done: boolean
  /** Bytes that belong to the message. */
  consumed: number
}

function decode(text: string, cuts: readonly number[] = []): Outcome {
  const decoder = new ChunkedDecoder()
  const whole = Buffer.from(text, 'latin1')
  let payload = ''
  let from = 0
  for (const to of [...cuts, whole.length]) {
    const piece = Buffer.from(whole.subarray(from, to))
    const at = decoder.decode(piece, 0, piece.length)
    payload += piece.toString('latin1', decoder.dataStart, decoder.dataEnd)
    if (at < 0) return { payload, error: decoder.error, done: false, consumed: -1 }
    if (decoder.isDone) return { payload, error: null, done: true, consumed: from + at }
    assert.equal(at, piece.length, 'an unfinished message takes every byte')
    from = to
  }
  return { payload, error: null, done: false, consumed: whole.length }
}

const good: [string, string][] = [
  ['0\r\n\r\n', ''],
  ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
  ['5\r\nhello\r\n1\r\n,\r\n006\r\n world\r\n000\r\n\r\n', 'hello, world'],
  ['A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n', '0123456789abcdefghij'],
  ['3;a=b;c="d e"\r\nabc\r\n0;last\r\n\r\n', 'abc'],
  ['3\r\n\r\n\n\r\n0\r\nX-Trailer: yes\r\nY:\r\n\r\n', '\r\n\n'],
]

test('each coding decodes to its payload wherever it is cut twice, and what follows is left alone', () => {
  for (const [text, payload] of good) {
    const followed = text + 'HTTP/1.1 200'
    for (let first = 0; first <= followed.length; first++) {
      for (let second = first; second <= followed.length; second++) {
        const outcome = decode(followed, [first, second])
        assert.deepEqual(outcome, { payload, error: null, done: true, consumed: text.length }, `${first}, ${second}`)
      }
    }
  }
})

test('each coding decodes one byte at a time', () => {
  for (const [text, payload] of good) {
    const cuts = Array.from({ length: text.length }, (_, index) => index)
    assert.equal(decode(text, cuts).payload, payload)
  }
})

test('no strict prefix of a coding is done', () => {
  for (const [text] of good) {
    for (let length = 0; length < text.length; length++) assert.equal(decode(text.slice(0, length)).done, false)
  }
})

const bad: [WireError, string][] = [
  ['bad_chunk_size', '\r\n'],
  ['bad_chunk_size', 'x\r\n'],
  ['bad_chunk_size', '-1\r\n'],
  ['bad_chunk_size', ' 5\r\nhello\r\n'],
  ['bad_chunk_size', '5 \r\nhello\r\n'],
  ['bad_chunk_size', '0x5\r\nhello\r\n'],
  ['bad_chunk_size', '5\r\nhello\r\n\r\n'],
  ['bare_lf', '5\nhello\r\n'],
  ['bare_cr', '5\rhello\r\n'],
  ['bad_chunk_end', '5\r\nhello!\r\n'],
  ['bad_chunk_end', '5\r\nhello\n0\r\n\r\n'],
  ['bad_chunk_end', '5\r\nhello\rx'],
  ['chunk_too_big', '20000000000000\r\n'],
  ['chunk_too_big', 'fffffffffffffffff\r\n'],
  ['chunk_too_big', '00000000000000005\r\nhello\r\n'],
  ['bare_lf', '5;a\nhello\r\n'],
  ['bad_chunk_extension', '5;a\x00\r\nhello\r\n'],
  ['bare_cr', '5;a\rb\r\nhello\r\n'],
  ['chunk_extensions_too_long', '5;' + 'a'.repeat(17_000) + '\r\n'],
  ['bad_trailer', '0\r\n folded: x\r\n\r\n'],
  ['bad_trailer', '0\r\nno colon\r\n\r\n'],
  ['bad_trailer', '0\r\n: empty\r\n\r\n'],
  ['bad_trailer', '0\r\na: \x00\r\n\r\n'],
  ['bad_trailer', '0\r\na: b\n\r\n'],
  ['bare_cr', '0\r\na: b\rc\r\n\r\n'],
  ['bare_cr', '0\r\n\rX'],
  ['trailers_too_long', '0\r\na: ' + 'b'.repeat(17_000)],
  ['trailers_too_long', '0\r\n' + 'a: b\r\n'.repeat(4000)],
]

test('each malformed coding is refused with the same name wherever it is cut', () => {
  for (const [error, text] of bad) {
    for (let cut = 0; cut <= Math.min(text.length, 100); cut++) {
      assert.equal(decode(text, [cut]).error, error, `${JSON.stringify(text.slice(0, 40))} cut at ${cut}`)
    }
  }
})

test('the payload before a fault is still delivered', () => {
  assert.deepEqual(decode('5\r\nhello\r\n2\r\nxyz'), {
    payload: 'helloxy',
    error: 'bad_chunk_end',
    done: false,
    consumed: -1,
  })
})

test('extensions may grow with the payload but not beyond it', () => {
  const extended = ('400;' + 'e'.repeat(1000) + '\r\n' + 'p'.repeat(1024) + '\r\n').repeat(100)
  assert.equal(decode(extended + '0\r\n\r\n').done, true)
  assert.equal(decode(('1;' + 'e'.repeat(1000) + '\r\np\r\n').repeat(100)).error, 'chunk_extensions_too_long')
})

test('the payload of all chunks in one read is one run of bytes', () => {
  const decoder = new ChunkedDecoder()
  const bytes = Buffer.from('..1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\nrest')
  const at = decoder.decode(bytes, 2, bytes.length)
  assert.equal(bytes.toString('latin1', decoder.dataStart, decoder.dataEnd), 'abcdef')
  assert.equal(bytes.toString('latin1', at), 'rest')
})
