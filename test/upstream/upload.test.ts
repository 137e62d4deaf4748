import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createUpstream } from '../../src/upstream/index.ts'
import type { UpstreamCall } from '../../src/upstream/upstream.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { openOrigin, originDefaults, start, until } from './collect.ts'

/** Bodies that are sent piece by piece, on both transports. */
const transports = [
  ['http1', false],
  ['undici', true],
] as const

async function serve(
  t: TestContext,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(onRequest).listen(0, '127.0.0.1')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise(resolve => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Answers with what came, and how it was framed. */
const echo = (request: IncomingMessage, response: ServerResponse): void => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    response.end(`${length ?? ''}|${coding ?? ''}|${Buffer.concat(pieces).toString()}`)
  })
}

for (const [name, http2] of transports) {
  test(`${name}: an upload of known length is sent with it, and every piece in order`, async t => {
    const origin = openOrigin(t, { url: await serve(t, echo), http2 })
    const { call, outcome } = start(origin, { method: 'POST', uploadBytes: 9 })
    const piece = Buffer.from('abc')
    for (let i = 0; i < 3; i++) {
      piece.fill(`${i}`)
      call.write(piece)
    }
    // Whoever lent the memory may use it again at once.
    piece.fill('x')
    call.end()
    const { status, body } = await outcome
    assert.deepEqual([status, body.toString()], [200, '9||000111222'])
  })

  test(`${name}: an upload of unknown length is chunked; an empty piece does not end it`, async t => {
    const origin = openOrigin(t, { url: await serve(t, echo), http2 })
    const { call, outcome } = start(origin, { method: 'POST', uploadBytes: -1 })
    call.write(Buffer.from('ab'))
    call.write(Buffer.alloc(0))
    call.write(Buffer.alloc(20, 'c'))
    call.end()
    const { body } = await outcome
    // undici finds out that all is there already, and says how much that is.
    assert.equal(body.toString(), `${http2 ? '22|' : '|chunked'}|ab${'c'.repeat(20)}`)
  })

  test(`${name}: an upload without a byte ends at once`, async t => {
    const origin = openOrigin(t, { url: await serve(t, echo), http2 })
    const { call, outcome } = start(origin, { method: 'POST', uploadBytes: -1 })
    call.end()
    assert.equal((await outcome).body.toString(), http2 ? '0||' : '|chunked|')
  })

  test(`${name}: a sender is told to wait when the peer does not read, and when there is room again`, async t => {
    let request: IncomingMessage | null = null
    let received = 0
    const url = await serve(t, (incoming, response) => {
      request = incoming
      incoming.on('data', (piece: Buffer) => (received += piece.length))
      incoming.pause()
      incoming.on('end', () => response.end('ok'))
    })
    const upstream = createUpstream()
    t.after(() => upstream.close(0))
    const origin = upstream.origin({ ...originDefaults, url, http2 })
    const total = 16 << 20
    const piece = Buffer.alloc(64 << 10)
    let sent = 0
    let status = 0
    let ended = false
    const call: UpstreamCall = origin.send(
      {
        head: origin.prepare('POST', '/', []),
        trace: null,
        spanId: '',
        extraHeaders: '',
        body: null,
        uploadBytes: total,
        maxBodyBytes: 1 << 20,
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 0,
      },
      {
        onSent() {},
        onRoom: () => pump(),
        onHead: code => (status = code),
        onData() {},
        onEnd: () => (ended = true),
        onFailure: failure => assert.fail(failure.details.cause),
      },
    )
    function pump(): void {
      while (sent < total) {
        sent += piece.length
        if (!call.write(piece)) break
      }
      if (sent === total) call.end()
    }
    pump()
    await until(() => request !== null, 'the head to arrive')
    let before = -1
    await until(() => {
      const isStill = before === sent
      before = sent
      return isStill
    }, 'the sender to be held back')
    assert.ok(sent < total, `${sent} of ${total} bytes were taken from a sender whose peer reads nothing`)
    request!.resume()
    await until(() => ended, 'the answer')
    assert.deepEqual([status, received], [200, total])
  })

  test(`${name}: a cancelled upload reaches the peer as a broken request, not as a complete one`, async t => {
    let outcome = ''
    const url = await serve(t, request => {
      request.on('data', () => {})
      request.on('end', () => (outcome = 'complete'))
      request.on('error', () => (outcome ||= 'broken'))
      request.on('aborted', () => (outcome ||= 'broken'))
    })
    for (const uploadBytes of [100, -1]) {
      outcome = ''
      const { call, sofar } = start(openOrigin(t, { url, http2 }), { method: 'POST', uploadBytes })
      call.write(Buffer.alloc(10))
      await until(() => sofar.sent === 1, 'the head to be sent')
      call.cancel()
      // Whoever still has bytes to give is not held up by a call that is over.
      assert.equal(call.write(Buffer.alloc(10)), true)
      call.end()
      await until(() => outcome !== '', 'the peer to notice')
      assert.equal(outcome, 'broken')
    }
  })

  test(`${name}: an answer that overtakes the upload ends the call, and its connection is not used again`, async t => {
    const upstream = await startRawUpstream(t, {
      reads: 'heads',
      onRequest: connection => connection.write('HTTP/1.1 413 No\r\ncontent-length: 4\r\n\r\nfull'),
    })
    const origin = openOrigin(t, { url: upstream.url, http2 })
    const { call, outcome } = start(origin, { method: 'POST', uploadBytes: 1 << 20 })
    call.write(Buffer.alloc(1000))
    const { status, body } = await outcome
    assert.deepEqual([status, body.toString()], [413, 'full'])
    await until(() => origin.stats().open === 0, 'the connection to be closed')
  })

  test(`${name}: an upload that nobody takes fails after the longest silence`, async t => {
    const upstream = await startRawUpstream(t, { reads: 'nothing' })
    const { call, outcome } = start(openOrigin(t, { url: upstream.url, http2 }), {
      method: 'POST',
      uploadBytes: 1 << 20,
      firstByteTimeoutMs: 60,
    })
    call.write(Buffer.alloc(1000))
    assert.equal((await outcome).result, 'upstream_timeout')
  })
}

test('an upload goes out on a fresh connection: it could not be sent again', async t => {
  const origin = openOrigin(t, { url: await serve(t, echo) })
  await start(origin, { method: 'POST', body: Buffer.from('x') }).outcome
  assert.equal(origin.stats().idle, 1)
  const { call, outcome } = start(origin, { method: 'POST', uploadBytes: 1 })
  call.write(Buffer.from('y'))
  call.end()
  await outcome
  assert.deepEqual(
    [origin.stats().opened, origin.stats().reused, origin.stats().idle],
    [2, 0, 2],
    'a complete upload leaves a connection that can be used',
  )
})
