import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import type { FailureKind } from '../../../src/core/failures.ts'
import { type RawConnection, startRawUpstream } from '../../support/raw-upstream.ts'
import { assertFailed, type CallOptions, openOrigin, send, until } from '../collect.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const streamHead = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

test('an upstream that refuses is unreachable, and the cause says why', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  for (const host of ['127.0.0.1', 'localhost']) {
    const origin = openOrigin(t, { url: `http://${host}:${port}` })
    const outcome = await send(origin)
    assertFailed(outcome, 'upstream_unreachable', /ECONNREFUSED/)
    assert.equal(outcome.sent, 0)
    assert.equal(origin.stats().open, 0)
  }
})

test('a host that does not resolve is unreachable', async t => {
  const outcome = await send(openOrigin(t, { url: 'http://name.invalid' }))
  assertFailed(outcome, 'upstream_unreachable', /name\.invalid/)
})

test('an upstream that never finishes the TLS handshake is unreachable', async t => {
  const upstream = await startRawUpstream(t, { reads: 'nothing' })
  const origin = openOrigin(t, { url: `https://127.0.0.1:${upstream.port}`, connectTimeoutMs: 60 })
  const outcome = await send(origin)
  assertFailed(outcome, 'upstream_unreachable', /ETIMEDOUT: no connection within 60 ms/)
  assert.equal(outcome.sent, 0)
  assert.equal(origin.stats().open, 0)
})

interface Fault {
  readonly name: string
  readonly script: (connection: RawConnection) => void
  readonly result: FailureKind
  readonly cause: RegExp
  readonly call?: CallOptions
}

const faults: Fault[] = [
  {
    name: 'stays silent',
    script: () => undefined,
    result: 'upstream_timeout',
    cause: /no response within 60 ms/,
    call: { firstByteTimeoutMs: 60 },
  },
  {
    name: 'sends its head too slowly',
    script: c => drip(c, ok),
    result: 'upstream_timeout',
    cause: /no response within 60 ms/,
    call: { firstByteTimeoutMs: 60 },
  },
  {
    name: 'resets before a byte',
    script: c => c.reset(),
    result: 'upstream_error',
    cause: /ECONNRESET.* before a response/,
  },
  { name: 'closes before a byte', script: c => c.end(), result: 'upstream_error', cause: /closed before a response/ },
  {
    name: 'closes within the head',
    script: c => closeAfter(c, 'HTTP/1.1 200 OK\r\ncontent-'),
    result: 'upstream_error',
    cause: /closed within the response head/,
  },
  {
    name: 'closes within a declared body',
    script: c => closeAfter(c, 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort'),
    result: 'upstream_error',
    cause: /closed before the end of the body/,
  },
  {
    name: 'closes within a chunk',
    script: c => closeAfter(c, `${streamHead}5\r\nhel`),
    result: 'upstream_error',
    cause: /closed before the end of the body/,
  },
  {
    name: 'closes between chunks',
    script: c => closeAfter(c, `${streamHead}5\r\nhello\r\n`),
    result: 'upstream_error',
    cause: /closed before the end of the body/,
  },
  {
    name: 'closes before the last line end',
    script: c => closeAfter(c, `${streamHead}0\r\n\r`),
    result: 'upstream_error',
    cause: /closed before the end of the body/,
  },
  {
    name: 'resets within a body until close',
    script: c => void c.writeCut(Buffer.from('HTTP/1.1 200 OK\r\n\r\nhello'), []).then(() => c.reset()),
    result: 'upstream_error',
    cause: /ECONNRESET.* before the end of the body/,
  },
  {
    name: 'falls silent in a stream',
    script: c => c.write(`${streamHead}5\r\nhello\r\n`),
    result: 'stream_timeout',
    cause: /silent for 60 ms/,
    call: { idleTimeoutMs: 60 },
  },
  {
    name: 'sends garbage',
    script: c => c.write('\x16\x03\x01\x02\x00garbage\r\n\r\n'),
    result: 'upstream_error',
    cause: /status line/,
  },
  {
    name: 'sends an invalid chunk',
    script: c => c.write(`${streamHead}5\r\nhello\r\nzz\r\n`),
    result: 'upstream_error',
    cause: /chunk size/,
  },
  {
    name: 'sends two lengths',
    script: c => c.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok'),
    result: 'upstream_error',
    cause: /more than one Content-Length/,
  },
  {
    name: 'sends a length and a coding',
    script: c => c.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok'),
    result: 'upstream_error',
    cause: /both Content-Length and Transfer-Encoding/,
  },
  {
    name: 'sends headers of 100 KB',
    script: c => c.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`),
    result: 'upstream_error',
    cause: /head is longer/,
  },
  {
    name: 'sends ten thousand headers',
    script: c => c.write(`HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(10_000)}\r\n`),
    result: 'upstream_error',
    cause: /more field lines/,
  },
  {
    name: 'sends nothing but 100 Continue',
    script: c => c.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(10_000)),
    result: 'upstream_error',
    cause: /too many interim/,
  },
  {
    name: 'sends long interim answers',
    script: c => c.write(`HTTP/1.1 103 Early\r\nlink: ${'x'.repeat(9000)}\r\n\r\n`.repeat(3)),
    result: 'upstream_error',
    cause: /too many interim/,
  },
  {
    name: 'switches protocols',
    script: c => c.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'),
    result: 'upstream_error',
    cause: /switched protocols/,
  },
  {
    name: 'never ends',
    script: c => drip(c, `${streamHead}${'1\r\nx\r\n'.repeat(500)}`),
    result: 'upstream_timeout',
    cause: /longer than 150 ms/,
    call: { totalTimeoutMs: 150 },
  },
]

function closeAfter(connection: RawConnection, text: string): void {
  connection.write(text)
  connection.end()
}

/** A byte every few milliseconds, for as long as anyone listens. */
function drip(connection: RawConnection, text: string): void {
  let at = 0
  const timer = setInterval(() => connection.write(text[at++ % text.length]), 10)
  connection.socket.on('close', () => clearInterval(timer))
}

for (const { name, script, result, cause, call } of faults) {
  test(`an upstream that ${name} ends in ${result} and a closed connection`, async t => {
    const upstream = await startRawUpstream(t, { onRequest: script })
    const origin = openOrigin(t, upstream)
    assertFailed(await send(origin, call), result, cause)
    assert.equal(origin.stats().open, 0)
    await until(() => upstream.openCount() === 0, 'the upstream saw it close')
  })
}

test('bytes after a complete answer don’t spoil it, but their connection is done', async t => {
  for (const surplus of ['x', ok, '\r\n']) {
    for (const answer of [ok, `${streamHead}2\r\nok\r\n0\r\n\r\n`, 'HTTP/1.1 204 No Content\r\n\r\n']) {
      const upstream = await startRawUpstream(t, { onRequest: c => c.write(answer + surplus) })
      const origin = openOrigin(t, upstream)
      const outcome = await send(origin)
      assert.equal(outcome.result, 'end')
      assert.equal(outcome.body.toString(), outcome.status === 204 ? '' : 'ok')
      assert.equal(origin.stats().open, 0)
    }
  }
})

test('a second answer that comes a moment later is never taken for the next one', async t => {
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      const forged = ok.replace('ok', 'no')
      if (upstream.requests.length === 1) void c.writeCut(Buffer.from(ok + forged), [ok.length])
      else c.write(ok)
    },
  })
  const origin = openOrigin(t, upstream)
  assert.equal((await send(origin)).body.toString(), 'ok')
  await until(() => origin.stats().open === 0, 'the connection is gone')
  assert.equal((await send(origin)).body.toString(), 'ok')
})

test('a body of 50 MB passes where the limit allows it', async t => {
  const size = 50 << 20
  const upstream = await startRawUpstream(t, {
    onRequest: c => {
      c.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
      c.write(Buffer.alloc(size, 'x'))
    },
  })
  const origin = openOrigin(t, upstream)
  const outcome = await send(origin, { maxBodyBytes: size })
  assert.deepEqual([outcome.result, outcome.body.length], ['end', size])
  assert.equal(origin.stats().idle, 1)
})

test('a peer that dies behind a paused answer is noticed in the end', async t => {
  const upstream = await startRawUpstream(t, { onRequest: c => c.write(`${streamHead}5\r\nhello\r\n`) })
  const origin = openOrigin(t, upstream)
  const outcome = await send(origin, { idleTimeoutMs: 30, on: (event, call) => event === 'head' && call.pause() })
  assertFailed(outcome, 'stream_timeout', /paused for too long/)
  assert.equal(origin.stats().open, 0)
})

test('an upload that the upstream stops taking times out', async t => {
  const upstream = await startRawUpstream(t, { reads: 'heads' })
  const origin = openOrigin(t, upstream)
  const outcome = await send(origin, { method: 'POST', body: new Uint8Array(32 << 20), firstByteTimeoutMs: 60 })
  assertFailed(outcome, 'upstream_timeout', /no response within 60 ms/)
})
