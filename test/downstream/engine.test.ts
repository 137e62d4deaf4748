import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { createEngine } from '../../src/downstream/create-engine.ts'
import { readFileLimit } from '../../src/downstream/peer-limits.ts'
import { eventually, RawClient } from '../support/raw-client.ts'
import { block, certificate, clientTls, echo, type Heard, kinds, shared, startEngine } from './harness.ts'

const get = (target = '/', ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: gateway', ...fields, '', ''].join('\r\n')

const post = (body: string, ...fields: string[]): string =>
  ['POST /v1 HTTP/1.1', 'Host: gateway', `Content-Length: ${body.length}`, ...fields, '', body].join('\r\n')

const chunked = (body: string, ...fields: string[]): string =>
  ['POST /v1 HTTP/1.1', 'Host: gateway', 'Transfer-Encoding: chunked', ...fields, '', body].join('\r\n')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

for (const kind of kinds) {
  const claim = (name: string, body: (t: TestContext) => Promise<void>): void => void test(`${kind}: ${name}`, body)
  // Those that wait for the timers of uWebSockets.js, which can't be changed, run side by side at the end.
  const slow: [string, (t: TestContext) => Promise<void>][] = []
  const slowClaim = (name: string, body: (t: TestContext) => Promise<void>): void => void slow.push([name, body])

  claim('a request is heard as it was sent, and its answer comes with the header block as given', async t => {
    const { port, heard } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    await client.send(
      post('hello', 'X-Twice: a', 'x-twice: b', 'Authorization:   Bearer k  ').replace('/v1', '/v1/x?y=%20z'),
    )
    const response = await client.response()
    assert.equal(response.status, 200)
    assert.match(response.head, /\r\nx-request-id: 00000000000000000000000000000001\r\ncontent-type: text\/plain\r\n/)
    assert.equal(response.headers['content-length'], String(response.body.length))
    assert.ok(response.headers['date'])
    assert.equal(response.body.toString(), 'POST /v1/x?y=%20z hello')
    const [request] = heard
    assert.equal(request.remoteAddress, '127.0.0.1')
    assert.equal(request.bodyLength, 5)
    assert.equal(request.lasts, 1)
    assert.equal(request.closes, 0)
  })

  claim('headers are found by lower-case name, repeated ones joined, absent ones empty', async t => {
    const seen: string[] = []
    const { port } = await startEngine(t, kind, heard => {
      seen.push(heard.header('x-twice'), heard.header('authorization'), heard.header('absent'))
      echo(heard)
    })
    const client = await RawClient.connect(t, port)
    await client.send(get('/', 'X-Twice: a', 'x-twice: b', 'Authorization:   Bearer k  '))
    await client.response()
    assert.deepEqual(seen, ['a, b', 'Bearer k', ''])
  })

  claim('one connection carries many requests', async t => {
    const { port, engine } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    for (let index = 0; index < 30; index++) {
      await client.send(index % 2 === 0 ? get(`/${index}`) : post(`body ${index}`))
      const response = await client.response()
      assert.equal(response.body.toString(), index % 2 === 0 ? `GET /${index} ` : `POST /v1 body ${index}`)
      assert.equal(response.headers['connection'], undefined)
    }
    assert.equal(engine.connections.accepted, 1)
    assert.equal(engine.connections.active, 0)
    assert.equal(client.hasEnded, false)
  })

  claim('HEAD is answered with the length of the body that it leaves out, and the connection stays usable', async t => {
    const { port } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    for (let round = 0; round < 3; round++) {
      await client.send(get('/abc').replace('GET', 'HEAD'))
      const response = await client.response({ head: true })
      assert.equal(response.headers['content-length'], String('HEAD /abc '.length))
    }
    await client.send(get('/next'))
    assert.equal((await client.response()).body.toString(), 'GET /next ')
  })

  claim('HEAD with close ends the connection after the head', async t => {
    const { port } = await startEngine(t, kind, heard => echo(heard, true))
    const client = await RawClient.connect(t, port)
    await client.send(get('/abc').replace('GET', 'HEAD'))
    const response = await client.response({ head: true })
    assert.equal(response.headers['content-length'], String('HEAD /abc '.length))
    assert.equal(response.headers['connection'], 'close')
    await client.closed()
    assert.equal(client.received.length, 0)
  })

  claim('a streamed answer to HEAD is its head alone', async t => {
    const { port } = await startEngine(t, kind, heard => {
      heard.reply.head(200, block, 77, false)
      heard.reply.write(shared('x'.repeat(77)))
      heard.reply.end()
    })
    const client = await RawClient.connect(t, port)
    for (let round = 0; round < 2; round++) {
      await client.send(get('/abc').replace('GET', 'HEAD'))
      const response = await client.response({ head: true })
      assert.equal(response.headers['content-length'], '77')
      assert.equal(client.received.length, 0)
    }
  })

  claim('204 and 304 have neither body nor length', async t => {
    let status = 204
    const { port } = await startEngine(t, kind, heard => heard.reply.whole(status, block, shared(''), false))
    const client = await RawClient.connect(t, port)
    for (status of [204, 304, 204]) {
      await client.send(get())
      const response = await client.response()
      assert.equal(response.status, status)
      assert.equal(response.headers['content-length'], undefined)
      assert.equal(response.headers['transfer-encoding'], undefined)
    }
  })

  claim('any status goes out as given', async t => {
    let status = 0
    const { port } = await startEngine(t, kind, heard => heard.reply.whole(status, block, shared('x'), false))
    const client = await RawClient.connect(t, port)
    for (status of [201, 400, 429, 499, 500, 529, 599]) {
      await client.send(get())
      assert.equal((await client.response()).status, status)
    }
  })

  claim('a stream arrives in order and its end is marked', async t => {
    const { port } = await startEngine(t, kind, heard => {
      heard.reply.head(200, block, -1, false)
      for (let index = 0; index < 100; index++) heard.reply.write(shared(`data: ${index}\n\n`))
      heard.reply.end()
    })
    const client = await RawClient.connect(t, port)
    for (let round = 0; round < 2; round++) {
      await client.send(get())
      const response = await client.response()
      assert.equal(response.headers['transfer-encoding'], 'chunked')
      assert.equal(response.headers['content-length'], undefined)
      assert.ok(response.isWhole)
      assert.equal(response.body.toString(), Array.from({ length: 100 }, (_, index) => `data: ${index}\n\n`).join(''))
    }
  })

  claim('the chunks of a stream reach the client one by one, not at its end', async t => {
    const { port, heard } = await startEngine(t, kind, () => undefined)
    const client = await RawClient.connect(t, port)
    await client.send(get())
    await eventually(() => heard.length === 1, 'the request')
    const { reply } = heard[0]
    reply.head(200, block, -1, false)
    for (let index = 0; index < 5; index++) {
      const before = client.receivedBytes
      reply.write(shared(`event ${index}`))
      await client.until(() => client.received.includes(`event ${index}`), `event ${index}`)
      assert.ok(client.receivedBytes > before)
    }
    reply.end()
    assert.ok((await client.response()).isWhole)
  })

  claim('a stream that is to end its connection is whole, and then the connection ends', async t => {
    const { port } = await startEngine(t, kind, heard => {
      heard.reply.head(200, block, -1, true)
      heard.reply.write(shared('abc'))
      heard.reply.write(shared('def'))
      heard.reply.end()
    })
    const client = await RawClient.connect(t, port)
    await client.send(get())
    const response = await client.response()
    assert.ok(response.isWhole)
    assert.equal(response.body.toString(), 'abcdef')
    assert.equal(response.headers['connection'], 'close')
    await client.closed()
    assert.equal(client.received.length, 0)
  })

  claim('an answer of known length is sent in pieces with that length', async t => {
    const { port } = await startEngine(t, kind, heard => {
      heard.reply.head(200, block, 6, false)
      heard.reply.write(shared('abc'))
      setImmediate(() => {
        heard.reply.write(shared('def'))
        heard.reply.end()
      })
    })
    const client = await RawClient.connect(t, port)
    for (let round = 0; round < 2; round++) {
      await client.send(get())
      const response = await client.response()
      assert.equal(response.headers['content-length'], '6')
      assert.equal(response.body.toString(), 'abcdef')
    }
  })

  claim('an answer with a head alone is empty, not unfinished', async t => {
    const { port } = await startEngine(t, kind, heard => {
      heard.reply.head(200, block, heard.target === '/known' ? 0 : -1, false)
      heard.reply.end()
    })
    const client = await RawClient.connect(t, port)
    for (const target of ['/known', '/unknown', '/known']) {
      await client.send(get(target))
      const response = await client.response()
      assert.ok(response.isWhole)
      assert.equal(response.body.length, 0)
    }
  })

  for (const [what, given] of [
    ['fewer', 'abc'],
    ['more', 'abcdefghi'],
  ]) {
    claim(`an answer with ${what} bytes than promised is cut off, never taken for whole`, async t => {
      const { port } = await startEngine(t, kind, heard => {
        heard.reply.head(200, block, 6, false)
        heard.reply.write(shared(given))
        heard.reply.end()
      })
      const client = await RawClient.connect(t, port)
      await client.send(get())
      await client.closed()
      assert.ok(!client.received.includes('abcdef'))
    })
  }

  claim('abort cuts a stream: the client sees no end marker', async t => {
    const { port, heard } = await startEngine(t, kind, heard => {
      heard.reply.head(200, block, -1, false)
      heard.reply.write(shared('abc'))
    })
    const client = await RawClient.connect(t, port)
    await client.send(get())
    await client.until(() => client.received.includes('abc'), 'the first chunk')
    heard[0].reply.abort()
    await client.closed()
    assert.ok(!client.received.includes('0\r\n\r\n'))
    assert.equal(heard[0].closes, 0)
  })

  claim('nothing is called, and nothing is written, after the end of an exchange', async t => {
    const { port, heard } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    await client.send(post('one'))
    const first = await client.response()
    const { reply } = heard[0]
    reply.whole(200, block, shared('again'), false)
    reply.head(200, block, -1, false)
    reply.write(shared('x'))
    reply.end()
    reply.abort()
    reply.pauseBody()
    reply.resumeBody()
    await client.send(post('two'))
    const second = await client.response()
    assert.equal(first.body.toString(), 'POST /v1 one')
    assert.equal(second.body.toString(), 'POST /v1 two')
    client.socket.destroy()
    await eventually(() => heard.length === 2 && heard[1].lasts === 1, 'both requests')
    assert.equal(heard[0].closes + heard[1].closes, 0)
  })

  // Bodies.

  claim('a chunked upload arrives as its payload, whatever the packets', async t => {
    const { port, heard } = await startEngine(t, kind)
    const body = '5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n'
    for (const pieces of [1, 7, 40]) {
      const client = await RawClient.connect(t, port)
      // One engine takes a request line in two packets for one of HTTP/1.0.
      await client.send(chunked(''))
      await client.sendCut(body, pieces)
      const response = await client.response()
      assert.equal(response.body.toString(), 'POST /v1 hello world')
    }
    assert.ok(heard.every(one => one.bodyLength === -1 && one.lasts === 1))
  })

  claim('a chunk extension or trailer never leads to an answer for a body that was not sent', async t => {
    const { port, heard } = await startEngine(t, kind)
    const bodies = [
      '5;a=b\r\nhello\r\n0\r\n\r\n',
      '5\r\nhello\r\n0\r\nx-trailer: GET /smuggled HTTP/1.1\r\n\r\n',
      '5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: gateway\r\n\r\n',
    ]
    for (const body of bodies.slice(0, kind === 'node' ? 2 : 3)) {
      const client = await RawClient.connect(t, port)
      await client.send(chunked(body))
      // One engine may wait for the rest of a body that it has misread: then the FIN is what ends it.
      client.socket.end()
      await client.until(() => client.received.length > 0 || client.hasEnded || client.isClosed, 'an outcome', 15_000)
      if (client.received.includes('200 OK')) {
        assert.equal((await client.response()).body.toString(), 'POST /v1 hello')
      } else await client.closed()
    }
    if (kind === 'node') assert.ok(heard.every(one => one.body === 'hello'))
    assert.ok(heard.every(one => one.target !== '/smuggled'))
  })

  claim('chunk data without its line end, a bad size or a bare LF never reach the end of a body', async t => {
    const { port, heard } = await startEngine(t, kind, () => undefined)
    for (const body of [
      '5\r\nhelloX0\r\n\r\n',
      'zz\r\nhello\r\n0\r\n\r\n',
      '-5\r\nhello\r\n0\r\n\r\n',
      '\r\nhello\r\n',
    ]) {
      const client = await RawClient.connect(t, port)
      await client.send(chunked(body))
      await client.until(
        () => client.hasEnded || client.isClosed || heard.at(-1)?.lasts === 1,
        `the end of ${JSON.stringify(body)}`,
        15_000,
      )
      if (kind === 'node') assert.equal((await client.response()).status, 400)
      client.socket.destroy()
    }
    if (kind === 'node') assert.ok(heard.every(one => one.lasts === 0 && one.closes === 1))
  })

  claim('20 MB arrive whole while the body is paused again and again', async t => {
    const size = 20 * 1024 * 1024
    let outstanding = 0
    const { port, heard } = await startEngine(t, kind, one => {
      one.keepsBody = false
      let isPaused = false
      one.onPiece = (_bytes, last) => {
        // A piece that comes during a pause would be a breach.
        if (isPaused) outstanding++
        if (last) return one.reply.whole(200, block, shared(String(one.bytes)), false)
        if (one.bytes % 3 === 0) return
        isPaused = true
        one.reply.pauseBody()
        setImmediate(() => {
          isPaused = false
          one.reply.resumeBody()
        })
      }
    })
    const client = await RawClient.connect(t, port)
    await client.send(`POST /v1 HTTP/1.1\r\nHost: gateway\r\nContent-Length: ${size}\r\n\r\n`)
    const piece = Buffer.alloc(64 * 1024, 'a')
    for (let at = 0; at < size; at += piece.length) await client.send(piece)
    const response = await client.response()
    assert.equal(response.body.toString(), String(size))
    assert.equal(outstanding, 0)
    assert.equal(heard[0].lasts, 1)
  })

  claim('a body that is never resumed stops the client from sending', async t => {
    const { port, heard } = await startEngine(t, kind, one => {
      one.keepsBody = false
      one.reply.pauseBody()
    })
    const client = await RawClient.connect(t, port)
    await client.send('POST /v1 HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100000000\r\n\r\n')
    await eventually(() => heard.length === 1, 'the request')
    // Far more than the socket buffers of both sides take.
    let sent = 0
    const piece = Buffer.alloc(256 * 1024)
    const pump = (): void => {
      while (sent < 64 && client.socket.write(piece)) sent++
      if (sent < 64) sent++
    }
    client.socket.on('drain', pump)
    pump()
    await new Promise(resolve => setTimeout(resolve, 300))
    assert.ok(client.socket.writableLength > 0, 'the client still has bytes to send')
    assert.equal(heard[0].lasts, 0)
    heard[0].reply.abort()
    await client.closed()
  })

  claim('an answer given while the body still arrives is read whole by a client that sends on', async t => {
    const { port, heard } = await startEngine(t, kind, one => {
      one.keepsBody = false
      one.onPiece = () => one.reply.whole(413, block, shared('{"error":"too large"}\n'), true)
    })
    for (const head of ['Content-Length: 30000000', 'Transfer-Encoding: chunked']) {
      const client = await RawClient.connect(t, port)
      await client.send(`POST /v1 HTTP/1.1\r\nHost: gateway\r\n${head}\r\n\r\n`)
      // One large chunk in the second case.
      if (head.startsWith('Transfer')) await client.send('1C9C380\r\n')
      const piece = Buffer.alloc(256 * 1024)
      let sent = 0
      while (sent < 30_000_000 && client.received.length === 0 && !client.isClosed) {
        await client.send(piece)
        sent += piece.length
      }
      // A client that doesn't look for an answer before it has sent everything.
      for (let more = 0; more < 20 && !client.isClosed; more++) await client.send(piece)
      const response = await client.response()
      assert.equal(response.status, 413)
      assert.ok(response.isWhole)
      assert.equal(response.headers['connection'], 'close')
      assert.match(response.body.toString(), /^\{"error":"too large"\}\s*$/)
      client.socket.end()
      await client.closed()
    }
    assert.ok(heard.every(one => one.lasts === 0 && one.closes === 0))
  })

  claim('Expect: 100-continue is answered before the body is sent', async t => {
    const { port } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    await client.send(post('hello', 'Expect: 100-continue').replace(/hello$/, ''))
    const interim = await client.response({ interim: true })
    assert.equal(interim.status, 100)
    await client.send('hello')
    const response = await client.response({ interim: true })
    assert.equal(response.status, 200)
    assert.equal(response.body.toString(), 'POST /v1 hello')
  })

  claim('any other expectation gets 417', async t => {
    const { port, heard, refused } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    await client.send(get('/', 'Expect: a miracle'))
    const response = await client.response()
    assert.equal(response.status, 417)
    assert.equal(JSON.parse(response.body.toString()).error.code, 'expectation_failed')
    await client.closed()
    assert.equal(heard.length, 0)
    assert.deepEqual(refused, ['expectation_failed'])
  })

  // Heads.

  for (const pieces of [1, 50]) {
    claim(`a head of 32 KB in ${pieces === 1 ? 'one packet' : '50 packets'} is heard whole`, async t => {
      const long = 'v'.repeat(16_000)
      const seen: number[] = []
      const { port } = await startEngine(t, kind, heard => {
        seen.push(heard.header('x-long').length, heard.header('x-longer').length)
        echo(heard)
      })
      const client = await RawClient.connect(t, port)
      await client.sendCut(get('/', `X-Long: ${long}`, `X-Longer: ${long}`), pieces)
      assert.equal((await client.response()).status, 200)
      assert.deepEqual(seen, [16_000, 16_000])
    })

    claim(
      `a head above the limit in ${pieces === 1 ? 'one packet' : '50 packets'} gets 431 and the connection ends`,
      async t => {
        const { port, heard } = await startEngine(t, kind)
        const client = await RawClient.connect(t, port)
        await client.sendCut(get('/', `X-Long: ${'v'.repeat(56 * 1024)}`), pieces)
        const response = await client.response()
        assert.equal(response.status, 431)
        assert.equal(JSON.parse(response.body.toString()).error.code, 'head_too_large')
        await client.closed()
        assert.equal(heard.length, 0)
      },
    )
  }

  claim('10,000 headers reach nobody', async t => {
    const { port, heard } = await startEngine(t, kind, undefined, { headTimeoutMs: 2000 })
    const client = await RawClient.connect(t, port)
    await client.send(get('/', ...Array.from({ length: 10_000 }, (_, index) => `h${index}: v`)))
    await client.closed()
    assert.equal(heard.length, 0)
  })

  const refusedHeads: Record<string, string> = {
    'two different lengths': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    'a length twice': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
    'a list of lengths': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello',
    'a signed length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello',
    'a negative length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
    'a hexadecimal length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello',
    'a length beyond 2^53': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello',
    'an empty length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nhello',
    'a length with a coding':
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'a coding with a length':
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'an unknown coding': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'two codings': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'a coding twice':
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'chunked not last': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'a coding of identity': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n',
    'two Hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'the same Host twice': 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
    'two Hosts in one line': 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n',
    'a Host with a path': 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
    'no Host': 'GET / HTTP/1.1\r\nAccept: */*\r\n\r\n',
    'an unknown verb': 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n',
    'a lower-case verb': 'get / HTTP/1.1\r\nHost: a\r\n\r\n',
    CONNECT: 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n',
    'an unprintable verb': 'G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n',
    'bytes above ASCII in the target': 'GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n',
    'a control byte in the target': 'GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n',
    'a space in the target': 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n',
    'a fragment': 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n',
    'a target without a slash': 'GET a HTTP/1.1\r\nHost: a\r\n\r\n',
    'a bare LF': 'GET / HTTP/1.1\nHost: a\n\n',
    'a bare CR in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n',
    'a NUL in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n',
    'a space before the colon': 'GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n',
    'a folded header': 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n',
    'a line without a colon': 'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n',
    'an empty header name before the Host': 'GET / HTTP/1.1\r\n: b\r\nHost: a\r\n\r\n',
    'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'HTTP/1.2': 'GET / HTTP/1.2\r\nHost: a\r\n\r\n',
    'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    noise: '\x00\xff\x00\xff\r\n\r\n',
  }

  // All at once: the addon leaves some of them unanswered until its timer of 10 s.
  slowClaim('a head that could be read in two ways, or is none, reaches nobody and ends the connection', async t => {
    const { port, heard } = await startEngine(t, kind, undefined, { headTimeoutMs: 1000 })
    await Promise.all(
      Object.entries(refusedHeads).map(async ([what, head]) => {
        const client = await RawClient.connect(t, port)
        await client.send(head)
        await client.until(() => client.hasEnded || client.isClosed, `the end after ${what}`, 15_000)
        const status = Number(/^HTTP\/1.1 (\d+)/.exec(client.received.toString('latin1'))?.[1] ?? 400)
        assert.ok(status === 400 || status === 408 || status === 501 || status === 505, `${what}: ${status}`)
      }),
    )
    assert.deepEqual(
      heard.map(one => one.target),
      [],
    )
  })

  claim('what is refused by its framing is answered in the error envelope', async t => {
    const { port, refused } = await startEngine(t, kind)
    const expected: [string, number, string][] = [
      ['two different lengths', 400, 'invalid_request'],
      ['a length with a coding', 400, 'invalid_request'],
      ['an unknown coding', 501, 'transfer_coding_not_supported'],
      ['two codings', 501, 'transfer_coding_not_supported'],
      ['two Hosts', 400, 'invalid_request'],
      ['an unknown verb', 501, 'method_not_supported'],
    ]
    for (const [what, status, code] of expected) {
      const client = await RawClient.connect(t, port)
      await client.send(refusedHeads[what])
      const response = await client.response()
      assert.equal(response.status, status, what)
      // One engine refuses this one by itself, before anyone hears of it.
      if (kind === 'uws' && response.body.includes('<h1>')) continue
      assert.equal(JSON.parse(response.body.toString()).error.code, code, what)
      assert.match(response.headers['x-request-id'], /^[0-9a-f]{32}$/)
      assert.equal(response.headers['connection'], 'close')
      client.socket.end()
      await client.closed()
    }
    assert.ok(refused.length === expected.length || kind === 'uws')
  })

  claim('a request hidden in an uncertain body is never heard', async t => {
    const { port, heard } = await startEngine(t, kind)
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
    const carriers = [
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n`,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\nContent-Length: 0\r\n\r\n`,
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
      `POST / HTTP/1.1\r\nHost: a\r\n: e\r\nContent-Length: ${smuggled.length}\r\n\r\n`,
    ]
    for (const carrier of carriers) {
      const client = await RawClient.connect(t, port)
      await client.send(carrier)
      // Also after the answer, when a connection that was kept would take it for the next request.
      await client.until(() => client.received.length > 0 || client.isClosed, 'an answer')
      await client.send(smuggled)
      await client.closed()
    }
    assert.ok(heard.every(one => one.target !== '/smuggled'))
  })

  // Clients that leave, or don't take what they asked for.

  slowClaim('a client that leaves is noticed at every stage', async t => {
    const stages: Record<string, { send: string; act: (heard: Heard) => void }> = {
      'in the middle of its body': { send: post('hello').slice(0, -2), act: () => undefined },
      'in the middle of a chunked body': { send: chunked('5\r\nhel'), act: () => undefined },
      'while its body is paused': { send: post('hello').slice(0, -2), act: heard => heard.reply.pauseBody() },
      'while it waits for the answer': { send: post('hello'), act: () => undefined },
      'after the head of the answer': {
        send: get(),
        act: heard => {
          heard.reply.head(200, block, -1, false)
          heard.reply.write(shared('x'))
        },
      },
    }
    const { port, heard, engine } = await startEngine(t, kind, one => {
      Object.values(stages)[heard.length - 1].act(one)
    })
    let index = 0
    for (const [name, { send }] of Object.entries(stages)) {
      const client = await RawClient.connect(t, port)
      await client.send(send)
      await eventually(() => heard.length === index + 1, name)
      await new Promise(resolve => setImmediate(resolve))
      client.socket.destroy()
      const writes = setInterval(() => heard[index].closes === 0 && heard[index].reply.write(shared('x')), 5)
      await eventually(() => heard[index].closes === 1, `to hear that the client left ${name}`).finally(() =>
        clearInterval(writes),
      )
      index++
    }
    await eventually(() => engine.connections.open === 0, 'all connections to be gone')
    assert.equal(engine.connections.active, 0)
    assert.ok(heard.every(one => one.closes === 1))
  })

  claim('a client that resets while it waits is noticed', async t => {
    const { port, heard } = await startEngine(t, kind, () => undefined)
    const client = await RawClient.connect(t, port)
    await client.send(post('hello'))
    await eventually(() => heard.length === 1, 'the request')
    client.socket.resetAndDestroy()
    await eventually(() => heard[0].closes === 1, 'to hear that the client left')
  })

  claim('a slow reader closes the window, and opens it when it has read', async t => {
    const { port, heard } = await startEngine(t, kind, () => undefined)
    const client = await RawClient.connect(t, port)
    client.socket.pause()
    await client.send(get())
    await eventually(() => heard.length === 1, 'the request')
    const { reply } = heard[0]
    reply.head(200, block, -1, false)
    const piece = shared(Buffer.alloc(256 * 1024, 'a'))
    let written = 1
    while (reply.write(piece)) {
      written++
      assert.ok(written < 200, 'the window never closed')
    }
    assert.equal(heard[0].drains, 0)
    client.socket.resume()
    await eventually(() => heard[0].drains === 1, 'the window to open')
    reply.write(shared('end'))
    reply.end()
    const response = await client.response()
    assert.equal(response.body.length, written * piece.length + 3)
    assert.ok(response.isWhole)
  })

  claim('the same with an answer of known length, and the connection stays usable', async t => {
    const size = 32 * 1024 * 1024
    const { port, heard } = await startEngine(t, kind, one => {
      if (one.target === '/after') return echo(one)
      one.reply.head(200, block, size, false)
    })
    const client = await RawClient.connect(t, port)
    client.socket.pause()
    await client.send(get())
    await eventually(() => heard.length === 1, 'the request')
    const { reply } = heard[0]
    const piece = new Uint8Array(1024 * 1024)
    let windows = 0
    for (let at = 0; at < size; at += piece.length) {
      piece.fill(at / piece.length)
      const drains = heard[0].drains
      if (reply.write(piece)) continue
      windows++
      client.socket.resume()
      await eventually(() => heard[0].drains === drains + 1, 'the window to open')
    }
    reply.end()
    const response = await client.response()
    assert.ok(windows > 0, 'the window never closed')
    assert.equal(response.body.length, size)
    for (let at = 0; at < size; at += piece.length) {
      assert.equal(response.body[at], at / piece.length)
      assert.equal(response.body[at + piece.length - 1], at / piece.length)
    }
    await client.send(get('/after'))
    assert.equal((await client.response()).body.toString(), 'GET /after ')
  })

  claim('a large whole answer is read by a client that reads late', async t => {
    const body = Buffer.alloc(20 * 1024 * 1024, 'z')
    const { port } = await startEngine(t, kind, one => {
      one.reply.whole(200, block, shared(body), one.target === '/close')
    })
    for (const target of ['/keep', '/close']) {
      const client = await RawClient.connect(t, port)
      client.socket.pause()
      await client.send(get(target))
      await new Promise(resolve => setTimeout(resolve, 50))
      client.socket.resume()
      const response = await client.response()
      assert.ok(response.isWhole)
      assert.equal(response.body.length, body.length)
      client.socket.end()
      await client.closed()
    }
  })

  claim('a client that asks again and again but never reads does not fill the memory', async t => {
    const body = shared(Buffer.alloc(3000, 'a'))
    const { port, heard } = await startEngine(t, kind, one => one.reply.whole(200, block, body, false))
    const client = await RawClient.connect(t, port)
    client.socket.pause()
    // Far beyond what socket buffers hold.
    for (let index = 0; index < 8000 && !client.isClosed && client.socket.writable; index++) {
      const before = heard.length
      await client.send(get())
      if (heard.length === before) await new Promise(resolve => setImmediate(resolve))
    }
    assert.ok(heard.length * 3000 < 20 * 1024 * 1024, `${heard.length} answers are held or sent`)
  })

  // uWebSockets.js' own timer ends connections after 8 to 12 s.
  const silenceMs = kind === 'uws' ? 13_000 : 1000
  const timeouts = { headTimeoutMs: 200, keepAliveTimeoutMs: 200 }
  slowClaim(
    'silence of any length between the steps of an exchange is the caller’s business, not the engine’s',
    async t => {
      const answerLate = (one: Heard): void => {
        if (one.method === 'POST') one.onPiece = (_bytes, last) => last && setTimeout(() => echo(one), silenceMs)
      }
      const { port, heard, engine } = await startEngine(t, kind, answerLate, timeouts)
      const wait = (ms = silenceMs): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
      await Promise.all([
        (async () => {
          const client = await RawClient.connect(t, port)
          await client.send(post('hello').slice(0, -3))
          await wait()
          await client.send('llo')
          await wait()
          assert.equal((await client.response()).body.toString(), 'POST /v1 hello', 'a slow body, then a slow answer')
        })(),
        (async () => {
          const client = await RawClient.connect(t, port)
          client.socket.pause()
          await client.send(get('/stream'))
          await eventually(() => heard.some(one => one.target === '/stream'), 'the request')
          const one = heard.find(one => one.target === '/stream')!
          one.reply.head(200, block, -1, false)
          const piece = Buffer.alloc(1024 * 1024)
          let pieces = 1
          while (one.reply.write(piece)) pieces++
          const drains = one.drains
          client.socket.resume()
          await eventually(() => one.drains > drains, 'the window to open')
          await client.until(() => client.receivedBytes > pieces * piece.length, 'all that was written')
          await wait()
          one.reply.write(shared('end'))
          one.reply.end()
          const response = await client.response()
          assert.ok(response.isWhole, 'a stream that was full once and then silent')
          assert.equal(response.body.length, pieces * piece.length + 3)
        })(),
      ])
      assert.equal(engine.connections.active, 0)
    },
  )

  // The connection.

  claim('Connection: close of the client is honoured', async t => {
    const { port } = await startEngine(t, kind)
    const client = await RawClient.connect(t, port)
    await client.send(get('/', 'Connection: close'))
    assert.equal((await client.response()).status, 200)
    await client.closed()
  })

  claim('an answer with close says so and ends the connection', async t => {
    const { port } = await startEngine(t, kind, heard => echo(heard, true))
    const client = await RawClient.connect(t, port)
    await client.send(get())
    const response = await client.response()
    assert.equal(response.headers['connection'], 'close')
    await client.closed()
  })

  claim('50 requests in one packet: answered in order, or the connection ends', async t => {
    const { port, heard } = await startEngine(t, kind, one => {
      setImmediate(() => one.closes === 0 && echo(one))
    })
    const client = await RawClient.connect(t, port)
    await client.send(Array.from({ length: 50 }, (_, index) => get(`/${index}`)).join(''))
    if (kind === 'uws') {
      await client.closed()
      assert.ok(heard.length <= 1)
      return
    }
    for (let index = 0; index < 50; index++) {
      assert.equal((await client.response()).body.toString(), `GET /${index} `)
    }
    assert.equal(heard.length, 50)
  })

  claim(
    'after drain new connections are refused, and what is under way is answered with Connection: close',
    async t => {
      const { port, engine, heard } = await startEngine(t, kind, () => undefined)
      const client = await RawClient.connect(t, port)
      await client.send(get())
      await eventually(() => heard.length === 1, 'the request')
      engine.drain()
      const late = connect({ host: '127.0.0.1', port })
      const outcome = await new Promise(resolve => {
        late.once('connect', () => resolve('connected'))
        late.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      })
      late.destroy()
      assert.equal(outcome, 'ECONNREFUSED')
      echo(heard[0])
      const response = await client.response()
      assert.equal(response.headers['connection'], 'close')
      await client.closed()
    },
  )

  claim('close cuts every connection, tells every exchange and frees the port', async t => {
    const { port, engine, heard } = await startEngine(t, kind, () => undefined, { port: await freePort() })
    const idle = await RawClient.connect(t, port)
    const busy = await RawClient.connect(t, port)
    await busy.send(post('hello'))
    await eventually(() => heard.length === 1, 'the request')
    await engine.close()
    await Promise.all([idle.closed(), busy.closed()])
    assert.equal(heard[0].closes, 1)
    assert.equal(engine.connections.open, 0)
    assert.equal(engine.connections.active, 0)
    const next = await startEngine(t, kind, undefined, { port })
    assert.equal(next.port, port)
  })

  claim('a port in use rejects with the reason of the system', async t => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    t.after(() => server.close())
    const { port } = server.address() as { port: number }
    await assert.rejects(startEngine(t, kind, undefined, { port }), { code: 'EADDRINUSE' })
  })

  claim('a connection above the limit is refused, and there is room again when one has left', async t => {
    const { port, engine, refused } = await startEngine(t, kind, undefined, { maxConnections: 5 })
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.connect(t, port)))
    await eventually(() => engine.connections.open === 5, 'five connections')
    const sixth = await RawClient.connect(t, port)
    await sixth.closed()
    assert.ok(refused.includes('overloaded'))
    for (const client of clients) {
      await client.send(get())
      assert.equal((await client.response()).status, 200)
    }
    clients[0].socket.destroy()
    await eventually(() => engine.connections.open === 4, 'one to leave')
    const next = await RawClient.connect(t, port)
    await next.send(get())
    assert.equal((await next.response()).status, 200)
  })

  // Two descriptors each, as both ends are in this process.
  const idle = Math.min(5000, Math.floor((readFileLimit() - 1000) / 2))
  slowClaim(`${idle} idle connections are held while requests are answered`, async t => {
    const startedMs = performance.now()
    const { port, engine } = await startEngine(t, kind, undefined, { headTimeoutMs: 60_000 })
    for (let left = idle; left > 0; left -= 250) {
      await Promise.all(Array.from({ length: Math.min(250, left) }, () => RawClient.connect(t, port)))
    }
    const client = await RawClient.connect(t, port)
    await client.send(get())
    assert.equal((await client.response()).status, 200)
    assert.equal(engine.connections.accepted, idle + 1)
    // On a machine too slow for this, uWebSockets.js has begun to close the first of them.
    if (kind === 'node' || performance.now() - startedMs < 8000) assert.equal(engine.connections.open, idle + 1)
  })

  claim('over TLS requests, streams and uploads work as without', async t => {
    const { port, heard } = await startEngine(t, kind, undefined, { tls: certificate })
    const client = await RawClient.connect(t, port, clientTls)
    await client.send(get('/secure'))
    assert.equal((await client.response()).body.toString(), 'GET /secure ')
    await client.send(post('x'.repeat(100_000)))
    assert.equal((await client.response()).body.length, 'POST /v1 '.length + 100_000)
    assert.equal(heard[0].remoteAddress, '127.0.0.1')
    client.socket.destroy()
  })

  slowClaim('plain bytes on a TLS port and an abandoned handshake harm nobody', async t => {
    const { port, heard } = await startEngine(t, kind, undefined, { tls: certificate, headTimeoutMs: 500 })
    const plain = await RawClient.connect(t, port)
    await plain.send(get())
    const silent = await RawClient.connect(t, port)
    await Promise.all([plain.closed(), silent.closed()])
    assert.equal(heard.length, 0)
    const client = await RawClient.connect(t, port, clientTls)
    await client.send(get())
    assert.equal((await client.response()).status, 200)
  })

  claim('a certificate file that is missing fails at creation', async () => {
    const options = { host: '127.0.0.1', port: 0, sharedPort: false, maxHeadBytes: 1, maxConnections: 1 }
    const rest = { headTimeoutMs: 1, keepAliveTimeoutMs: 1, onRequest: () => assert.fail('no request was sent') }
    const tls = { certFile: '/nonexistent.pem', keyFile: '/nonexistent.key' }
    await assert.rejects(createEngine(kind, { ...options, ...rest, tls }), /nonexistent/)
  })

  describe(`${kind}: with timers`, { concurrency: true }, () => {
    for (const [name, body] of slow) test(`${kind}: ${name}`, body)
  })
}
