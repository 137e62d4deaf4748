import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canSharePorts, NodeEngine } from '../../src/downstream/node.ts'
import { eventually, RawClient } from '../support/raw-client.ts'
import { block, echo, shared, startEngine } from './harness.ts'

const get = (target: string, version = '1.1', ...fields: string[]): string =>
  [`GET ${target} HTTP/${version}`, 'Host: gateway', ...fields, '', ''].join('\r\n')

test('HTTP/1.0 is answered, and its connection ends unless it asked to keep it', async t => {
  const { port } = await startEngine(t, 'node')
  const once = await RawClient.connect(t, port)
  await once.send('GET /old HTTP/1.0\r\n\r\n')
  const first = await once.response()
  assert.equal(first.headers['connection'], 'close')
  await once.closed()
  const kept = await RawClient.connect(t, port)
  for (let round = 0; round < 3; round++) {
    await kept.send(get('/old', '1.0', 'Connection: keep-alive'))
    const response = await kept.response()
    assert.equal(response.headers['connection'], 'keep-alive')
    assert.equal(response.body.toString(), 'GET /old ')
  }
})

test('a stream to HTTP/1.0 has no chunks and ends with the connection', async t => {
  const { port } = await startEngine(t, 'node', heard => {
    heard.reply.head(200, block, -1, false)
    heard.reply.write(shared('abc'))
    heard.reply.write(shared('def'))
    heard.reply.end()
  })
  const client = await RawClient.connect(t, port)
  await client.send(get('/', '1.0', 'Connection: keep-alive'))
  await client.closed()
  const response = await client.response()
  assert.equal(response.headers['transfer-encoding'], undefined)
  assert.equal(response.headers['connection'], 'close')
  assert.equal(response.body.toString(), 'abcdef')
})

test('a coding in HTTP/1.0 is refused', async t => {
  const { port, heard } = await startEngine(t, 'node')
  const client = await RawClient.connect(t, port)
  await client.send('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
  assert.equal((await client.response()).status, 400)
  await client.closed()
  assert.equal(heard.length, 0)
})

test('absolute-form and OPTIONS * are heard in origin form', async t => {
  const { port } = await startEngine(t, 'node')
  const client = await RawClient.connect(t, port)
  for (const [line, target] of [
    ['GET http://gateway/v1/x?y=z', 'GET /v1/x?y=z '],
    ['GET HTTPS://gateway:8443', 'GET / '],
    ['GET http://gateway?q', 'GET /?q '],
    ['OPTIONS *', 'OPTIONS / '],
  ]) {
    await client.send(`${line} HTTP/1.1\r\nHost: gateway\r\n\r\n`)
    assert.equal((await client.response()).body.toString(), target)
  }
  await client.send('GET * HTTP/1.1\r\nHost: gateway\r\n\r\n')
  assert.equal((await client.response()).status, 400)
})

test('a client that half-closes after its request still gets the answer', async t => {
  const { port, heard } = await startEngine(t, 'node', one => void setTimeout(() => echo(one), 150))
  const client = await RawClient.connect(t, port)
  client.socket.end(get('/half'))
  const response = await client.response()
  assert.equal(response.body.toString(), 'GET /half ')
  assert.equal(response.headers['connection'], 'close')
  await client.closed()
  assert.equal(heard[0].closes, 0)
})

test('a client that closes its side in the middle of a silent stream is gone at once', async t => {
  const { port, heard } = await startEngine(t, 'node', one => {
    one.reply.head(200, block, -1, false)
    one.reply.write(shared('data: 1\n\n'))
  })
  const client = await RawClient.connect(t, port)
  await client.send(get('/stream'))
  await eventually(() => client.received.includes('data: 1'), 'the first event')
  client.socket.end()
  await eventually(() => heard[0].closes === 1, 'the exchange to hear of it')
})

test('a client that sends several requests and half-closes gets every answer', async t => {
  const { port } = await startEngine(t, 'node', one => void setImmediate(() => echo(one)))
  const client = await RawClient.connect(t, port)
  client.socket.end(get('/1') + get('/2') + get('/3'))
  for (const target of ['/1', '/2', '/3']) assert.equal((await client.response()).body.toString(), `GET ${target} `)
  await client.closed()
})

test('the next request is heard only when the answer to the one before is complete', async t => {
  const { port, heard } = await startEngine(t, 'node', () => undefined)
  const client = await RawClient.connect(t, port)
  await client.send(get('/1') + get('/2'))
  await eventually(() => heard.length === 1, 'the first request')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(heard.length, 1)
  heard[0].reply.head(200, block, -1, false)
  heard[0].reply.write(shared('one'))
  await client.until(() => client.received.includes('one'), 'the first chunk')
  assert.equal(heard.length, 1)
  heard[0].reply.end()
  await eventually(() => heard.length === 2, 'the second request')
  echo(heard[1])
  assert.equal((await client.response()).body.toString(), 'one')
  assert.equal((await client.response()).body.toString(), 'GET /2 ')
})

test('a client that sends requests without end is not read beyond a bound', async t => {
  const { port } = await startEngine(t, 'node', () => undefined)
  const client = await RawClient.connect(t, port)
  const many = Buffer.from(get('/').repeat(2000))
  for (let index = 0; index < 200 && client.socket.writableLength === 0; index++) {
    client.socket.write(many)
    await new Promise(resolve => setImmediate(resolve))
  }
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.ok(client.socket.writableLength > 0, 'the server has stopped to read')
})

test('trailers are read and dropped, and the connection stays usable', async t => {
  const { port } = await startEngine(t, 'node')
  const client = await RawClient.connect(t, port)
  await client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  await client.send('5;a="b"\r\nhello\r\n0\r\nx-trailer: GET / HTTP/1.1\r\n\r\n')
  assert.equal((await client.response()).body.toString(), 'POST / hello')
  await client.send(get('/next'))
  assert.equal((await client.response()).body.toString(), 'GET /next ')
})

test('100 Continue is sent when the body is wanted, not before', async t => {
  const { port, heard } = await startEngine(t, 'node', one => {
    one.reply.pauseBody()
    one.onPiece = (_bytes, last) => last && echo(one)
  })
  const client = await RawClient.connect(t, port)
  await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n')
  await eventually(() => heard.length === 1, 'the request')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(client.received.length, 0)
  heard[0].reply.resumeBody()
  assert.equal((await client.response({ interim: true })).status, 100)
  await client.send('hello')
  assert.equal((await client.response({ interim: true })).body.toString(), 'POST / hello')
})

test('a refusal in place of 100 Continue ends the connection, since the body may come or not', async t => {
  const { port } = await startEngine(t, 'node', one => one.reply.whole(401, block, shared('no'), false))
  const client = await RawClient.connect(t, port)
  await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
  const response = await client.response({ interim: true })
  assert.equal(response.status, 401)
  assert.equal(response.headers['connection'], 'close')
  await client.closed()
})

test('an early answer keeps the connection when the rest of the body is short', async t => {
  const { port } = await startEngine(
    t,
    'node',
    one => one.method === 'POST' && one.reply.whole(401, block, shared('no'), false),
  )
  const client = await RawClient.connect(t, port)
  await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe')
  assert.equal((await client.response()).status, 401)
  await client.send('lloPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  assert.equal((await client.response()).status, 401)
  assert.equal(client.hasEnded, false)
})

test('a head that does not end gets 408, and a connection that sends nothing is closed', async t => {
  const { port, refused } = await startEngine(t, 'node', undefined, { headTimeoutMs: 100, keepAliveTimeoutMs: 60_000 })
  const slow = await RawClient.connect(t, port)
  const silent = await RawClient.connect(t, port)
  await slow.send('GET / HTTP/1.1\r\nHost: ')
  assert.equal((await slow.response()).status, 408)
  await slow.closed()
  await silent.closed()
  assert.equal(silent.receivedBytes, 0)
  assert.deepEqual(refused, ['request_timeout'])
})

test('a head that trickles in is not given more time with each byte', async t => {
  const { port } = await startEngine(t, 'node', undefined, { headTimeoutMs: 200 })
  const client = await RawClient.connect(t, port)
  const trickle = setInterval(() => void client.send('x'), 20)
  t.after(() => clearInterval(trickle))
  await client.send('GET / HTTP/1.1\r\nHost: ')
  assert.equal((await client.response()).status, 408)
})

test('an idle connection is closed after the keep-alive timeout, one with an exchange is not', async t => {
  const { port, heard } = await startEngine(t, 'node', one => one.target === '/now' && echo(one), {
    keepAliveTimeoutMs: 100,
  })
  const busy = await RawClient.connect(t, port)
  await busy.send(get('/later'))
  const idle = await RawClient.connect(t, port)
  await idle.send(get('/now'))
  assert.equal((await idle.response()).status, 200)
  await idle.closed()
  assert.equal(busy.hasEnded || busy.isClosed, false)
  echo(heard[0])
  assert.equal((await busy.response()).status, 200)
})

test('head and first chunk leave in one packet, and a head alone does not wait for a chunk', async t => {
  const { port, heard } = await startEngine(t, 'node', one => {
    one.reply.head(200, block, -1, false)
    if (one.target === '/both') one.reply.write(shared('chunk'))
  })
  const client = await RawClient.connect(t, port)
  const packets: string[] = []
  client.socket.on('data', bytes => packets.push(bytes.toString('latin1')))
  await client.send(get('/both'))
  await client.until(() => packets.length > 0, 'the answer')
  assert.match(packets[0], /\r\n\r\n5\r\nchunk\r\n$/)
  heard[0].reply.end()
  await client.response()
  await client.send(get('/head'))
  await client.until(() => client.received.includes('\r\n\r\n'), 'the head')
})

test('a shared port is refused where Node cannot share it', () => {
  assert.deepEqual(['20.20.2', '22.11.0', '22.12.0', '23.0.0', '23.1.0', '24.0.0'].map(canSharePorts), [
    false,
    false,
    true,
    false,
    true,
    true,
  ])
  if (canSharePorts(process.versions.node)) return
  const options = { host: '127.0.0.1', port: 0, sharedPort: true, maxHeadBytes: 1, maxConnections: 1, tls: null }
  const rest = { headTimeoutMs: 1, keepAliveTimeoutMs: 1, onRequest: () => assert.fail('no request was sent') }
  assert.throws(() => new NodeEngine({ ...options, ...rest }), /cannot share a port/)
})
