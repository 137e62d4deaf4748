import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventCounter } from '../../bench/load/http/event-counter.ts'
import { bodyOf, RequestReader } from '../../bench/load/http/request-reader.ts'
import { ResponseReader } from '../../bench/load/http/response-reader.ts'

const requests = Buffer.from(
  'POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\nhello' +
    'POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n' +
    'GET /c HTTP/1.0\r\nHost: x\r\n\r\n',
)

test('requests are the same wherever the bytes are split', () => {
  for (let split = 1; split < requests.length; split++) {
    const seen: string[] = []
    const reader = new RequestReader(request => {
      seen.push(`${request.head.split(' ')[1]} ${bodyOf(request).toString()} ${request.closeAfter}`)
    })
    // Two feeds share one buffer, as with a socket's read buffer.
    const shared = Buffer.alloc(requests.length)
    requests.copy(shared, 0, 0, split)
    assert.ok(reader.feed(shared, split))
    const rest = requests.copy(shared, 0, split)
    assert.ok(reader.feed(shared, rest))
    assert.deepEqual(seen, ['/a hello false', '/b abcde false', '/c  true'], `split at ${split}`)
  }
})

test('a request that comes byte by byte is read once, whole', () => {
  let seen = 0
  const reader = new RequestReader(() => seen++)
  for (const byte of requests) reader.feed(Buffer.from([byte]), 1)
  assert.equal(seen, 3)
})

const responses = Buffer.from(
  'HTTP/1.1 100 Continue\r\n\r\n' +
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1a;ext=1\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-Trailer: 1\r\n\r\n' +
    'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
)

function readResponses(pieces: readonly Buffer[]): { seen: string[]; sound: boolean; reader: ResponseReader } {
  const seen: string[] = []
  let status = 0
  let body = ''
  const reader = new ResponseReader({
    head: value => {
      status = value
      body = ''
    },
    body: (bytes, start, end) => {
      body += bytes.toString('latin1', start, end)
    },
    end: keepAlive => seen.push(`${status} ${body} ${keepAlive}`),
  })
  let sound = true
  for (const piece of pieces) sound = sound && reader.feed(piece, piece.length)
  return { seen, sound, reader }
}

test('responses are the same wherever the bytes are split', () => {
  for (let split = 1; split < responses.length; split++) {
    const { seen, sound } = readResponses([responses.subarray(0, split), responses.subarray(split)])
    assert.ok(sound)
    assert.deepEqual(seen, ['200 hello true', '200 abcdefghijklmnopqrstuvwxyz true', '502  false'], `split at ${split}`)
  }
})

test('a response without a length ends with its connection, any other is cut short by it', () => {
  const open = readResponses([Buffer.from('HTTP/1.1 200 OK\r\n\r\nall of it')])
  assert.deepEqual(open.seen, [])
  assert.ok(open.reader.closed())
  assert.deepEqual(open.seen, ['200 all of it false'])

  const cut = readResponses([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nsome')])
  assert.equal(cut.reader.closed(), false)
  assert.equal(cut.reader.midway, true)
})

test('what is not a response ends the connection', () => {
  assert.equal(readResponses([Buffer.from('nonsense\r\n\r\n')]).sound, false)
  assert.equal(
    readResponses([Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n')]).sound,
    false,
  )
})

test('events are counted once, and [DONE] is seen, wherever the bytes are split', () => {
  const stream = Buffer.from('data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n')
  for (let split = 0; split <= stream.length; split++) {
    const counter = new EventCounter()
    // In the middle of a larger buffer, whose other bytes must not count.
    const padded = Buffer.concat([Buffer.from('\n\n\n'), stream, Buffer.from('\n\n\n')])
    const found = counter.count(padded, 3, 3 + split) + counter.count(padded, 3 + split, 3 + stream.length)
    assert.equal(found, 3, `split at ${split}`)
    assert.equal(counter.events, 3)
    assert.equal(counter.done, true)
  }
})
