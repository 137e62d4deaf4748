import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chatBody, comesTrue, type Gateway, masterKey, startGateway } from '../support/gateway.ts'
import { answerAsOpenAi, beginStream, completion, json, opening, piece, requestOf } from '../support/mock-openai.ts'
import { eventually, RawClient } from '../support/raw-client.ts'

/** A whole request, to be cut into pieces. */
const chatBytes = (body: string, headers = ''): string =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: application/json\r\n` +
  `${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

const nothingInFlight = (gateway: Gateway): Promise<void> =>
  comesTrue(async () => (await gateway.metric('gateway_in_flight_requests')) === 0, 'nothing to be in flight')

/** In use by all threads, after a collection. */
async function bytesInUse(gateway: Gateway): Promise<number> {
  const figures = Object.values(await gateway.figures())
  return figures.reduce((sum, { heapUsed, external }) => sum + heapUsed + external, 0)
}

async function assertMemoryComesBack(gateway: Gateway, before: number): Promise<void> {
  let grown = 0
  await comesTrue(async () => (grown = (await bytesInUse(gateway)) - before) < 12 << 20, 'memory to come back').catch(
    (error: Error) => {
      throw new Error(`${error.message}: ${(grown / 2 ** 20).toFixed(1)} MB more than before`)
    },
  )
}

for (const engine of ['uws', 'node'] as const) {
  test(`${engine}: clients that leave at any stage leave nothing behind, and their upstream calls are cancelled`, async t => {
    const gateway = await startGateway(t, { engine })
    await gateway.chat()
    gateway.upstream.answer = (request, response) => {
      if (requestOf(request).stream !== true) return
      beginStream(response)
      response.write(opening + piece('begun'))
      const more = setInterval(() => response.write(piece('more')), 50)
      response.on('close', () => clearInterval(more))
    }
    const bytes = chatBytes(chatBody())
    const headEnd = bytes.indexOf('\r\n\r\n') + 4
    const before = gateway.upstream.requests.length
    for (const sent of [0, 1, 40, headEnd - 2, headEnd, headEnd + 10, bytes.length - 1]) {
      for (const leave of ['end', 'reset'] as const) {
        const client = await RawClient.connect(t, gateway.port)
        await client.send(bytes.slice(0, sent))
        if (leave === 'reset') client.socket.resetAndDestroy()
        else client.socket.destroy()
      }
    }
    assert.equal(gateway.upstream.requests.length, before, 'half a request reaches no upstream')

    const waiting = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(t, gateway.port)))
    for (const client of waiting) await client.send(bytes)
    await eventually(() => gateway.upstream.open === 20, 'the requests to reach the upstream')
    for (const client of waiting) client.socket.destroy()
    await eventually(() => gateway.upstream.open === 0, 'their upstream calls to be cancelled')

    const streams = await Promise.all(Array.from({ length: 20 }, () => gateway.stream()))
    await Promise.all(streams.map(stream => stream.until(({ text }) => text.includes('begun'), 'a stream to begin')))
    for (const stream of streams) stream.leave()
    await eventually(() => gateway.upstream.open === 0, 'the upstream calls of streams to be cancelled')

    await nothingInFlight(gateway)
    await gateway.logged(line => line.status === 499 && line.failure === 'client_canceled', 'a client that left')
    await comesTrue(
      async () => (await gateway.metric('gateway_provider_errors_total', { error_type: 'client_canceled' })) >= 40,
      'them to be counted',
    )
    gateway.upstream.answer = answerAsOpenAi
    assert.equal((await gateway.chat()).status, 200)
  })

  test(`${engine}: a client that reads nothing costs a window, then it is cut off and its upstream call cancelled`, async t => {
    const gateway = await startGateway(t, { engine, config: { server: { write_stall_timeout: '500ms' } } })
    const large = completion('x'.repeat(20 << 20))
    gateway.upstream.answer = (request, response) => {
      if (requestOf(request).stream !== true) return json(response, 200, large)
      beginStream(response)
      const more = (): void => {
        while (!response.destroyed && response.write(piece('y'.repeat(10_000))));
      }
      response.on('drain', more)
      more()
    }
    assert.equal((await gateway.chat()).text.length, large.length)
    const before = await bytesInUse(gateway)
    const residentBefore = gateway.residentBytes
    const clients: RawClient[] = []
    const asked = gateway.upstream.requests.length
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.connect(t, gateway.port)
      client.socket.pause()
      clients.push(client)
      await client.send(chatBytes(chatBody(i % 2 === 0 ? {} : { stream: true })))
    }
    await eventually(() => gateway.upstream.requests.length === asked + 20, 'the requests to reach the upstream')
    // Others are served as ever meanwhile; the slow ones hold their windows, not the rings.
    const small = completion('small')
    const slow = gateway.upstream.answer
    gateway.upstream.answer = (_request, response) => json(response, 200, small)
    for (let i = 0; i < 20; i++) assert.equal((await gateway.chat()).text, small)
    gateway.upstream.answer = slow
    const grown = (gateway.residentBytes - residentBefore) / 2 ** 20
    assert.ok(grown < 80, `20 clients that read nothing of 20 MB cost ${grown.toFixed(0)} MB`)

    await eventually(() => gateway.upstream.open === 0, 'their upstream calls to be cancelled', 30_000)
    for (const client of clients) client.socket.resume()
    await Promise.all(clients.map(client => client.closed()))
    assert.ok(
      clients.every(client => client.receivedBytes < large.length),
      'nobody got a whole answer',
    )
    await nothingInFlight(gateway)
    await assertMemoryComesBack(gateway, before)
  })

  test(`${engine}: a client that reads a little now and then gets what it reads, in order`, async t => {
    const gateway = await startGateway(t, { engine, config: { server: { write_stall_timeout: '60s' } } })
    const large = completion(Array.from({ length: 400_000 }, (_, i) => i).join(' '))
    gateway.upstream.answer = (_request, response) => json(response, 200, large)
    const client = await RawClient.connect(t, gateway.port)
    await client.send(chatBytes(chatBody()))
    for (let i = 0; i < 200; i++) {
      client.socket.pause()
      await new Promise(resolve => setImmediate(resolve))
      client.socket.resume()
      await new Promise(resolve => setImmediate(resolve))
    }
    const answer = await client.response()
    assert.equal(answer.status, 200)
    assert.ok(answer.isWhole)
    assert.equal(answer.body.toString('latin1'), large)
  })

  test(`${engine}: a body that never arrives is given up`, async t => {
    const gateway = await startGateway(t, { engine, config: { server: { body_timeout: '1s' } } })
    const client = await RawClient.connect(t, gateway.port)
    const bytes = chatBytes(chatBody())
    await client.send(bytes.slice(0, -5))
    const answer = await client.response()
    assert.equal(answer.status, 408)
    assert.equal(JSON.parse(answer.body.toString()).error.code, 'request_timeout')
    await client.closed()
    assert.equal(gateway.upstream.requests.length, 0)
    await nothingInFlight(gateway)
  })

  test(`${engine}: a client that closes its own side is answered or let go, never left waiting`, async t => {
    const gateway = await startGateway(t, { engine })
    for (const sent of ['head', 'all'] as const) {
      const client = await RawClient.connect(t, gateway.port)
      const bytes = chatBytes(chatBody())
      client.socket.end(sent === 'all' ? bytes : bytes.slice(0, bytes.indexOf('\r\n\r\n') + 4))
      await client.closed()
      if (sent === 'all' && client.receivedBytes > 0) assert.equal((await client.response()).status, 200)
      await eventually(() => gateway.upstream.open === 0, 'the upstream call to be over')
    }
    await nothingInFlight(gateway)
  })

  test(`${engine}: 50 requests in one packet are answered in order, or the connection ends`, async t => {
    const gateway = await startGateway(t, { engine })
    gateway.upstream.answer = (request, response) => json(response, 200, completion(String(requestOf(request).user)))
    const client = await RawClient.connect(t, gateway.port)
    await client.send(Array.from({ length: 50 }, (_, i) => chatBytes(chatBody({ user: `user-${i}` }))).join(''))
    let answered = 0
    while (answered < 50) {
      const answer = await client.response().catch(() => null)
      if (answer === null) break
      assert.equal(answer.status, 200)
      assert.ok(answer.body.includes(`user-${answered}"`), `answer ${answered} is for another request`)
      answered++
    }
    if (answered < 50) await client.closed()
    await nothingInFlight(gateway)
    assert.equal((await gateway.chat()).status, 200)
  })

  test(`${engine}: 5,000 idle connections are held while requests are answered, and leave nothing behind`, async t => {
    const gateway = await startGateway(t, { engine })
    await gateway.chat()
    const before = { memory: await bytesInUse(gateway), descriptors: gateway.descriptors }
    const clients: RawClient[] = []
    for (let i = 0; i < 5_000; i += 250) {
      clients.push(...(await Promise.all(Array.from({ length: 250 }, () => RawClient.connect(t, gateway.port)))))
      assert.equal((await gateway.chat()).status, 200)
    }
    await comesTrue(
      async () => (await gateway.metric('gateway_server_connections_current')) >= 5_000,
      'all to be counted',
    )
    const some = clients.filter((_, i) => i % 100 === 0)
    await Promise.all(some.map(client => client.send(chatBytes(chatBody()))))
    for (const client of some) assert.equal((await client.response()).status, 200)
    for (const client of clients) client.socket.destroy()
    await eventually(() => gateway.descriptors <= before.descriptors + 100, 'descriptors to be given back')
    await assertMemoryComesBack(gateway, before.memory)
  })

  test(`${engine}: bodies that are too large, and uploads that are dropped, leave nothing behind`, async t => {
    const gateway = await startGateway(t, { engine })
    const large = chatBody({ user: 'x'.repeat(9 << 20) })
    assert.equal((await gateway.chat({ user: 'x'.repeat(9 << 20) })).status, 200)
    const before = await bytesInUse(gateway)
    for (let i = 0; i < 5; i++) {
      assert.equal((await gateway.chat({ user: 'x'.repeat(9 << 20) })).status, 200)
      assert.ok(gateway.upstream.requests.at(-1)!.body.length >= large.length)
      const refused = await RawClient.connect(t, gateway.port)
      await refused.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${20 << 20}\r\n\r\n`)
      const answer = await refused.response()
      assert.equal(answer.status, 413)
      assert.equal(JSON.parse(answer.body.toString()).error.code, 'request_too_large')
      const dropped = await RawClient.connect(t, gateway.port)
      await dropped.send(chatBytes(large).slice(0, 5 << 20))
      dropped.socket.destroy()
      const piecemeal = await RawClient.connect(t, gateway.port)
      await piecemeal.send(
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      )
      for (let sent = 0; sent < 20 && !piecemeal.hasEnded && piecemeal.receivedBytes === 0; sent++) {
        await piecemeal.send(`100000\r\n${'y'.repeat(1 << 20)}\r\n`)
      }
      assert.equal((await piecemeal.response()).status, 413)
    }
    gateway.upstream.requests.length = 0
    await nothingInFlight(gateway)
    await assertMemoryComesBack(gateway, before)
  })

  test(`${engine}: hostile bodies are refused or passed on as they are, and change nothing for the next one`, async t => {
    const gateway = await startGateway(t, { engine })
    const ask = (body: string | Uint8Array) =>
      gateway.fetch('/v1/chat/completions', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    const messages = '"messages":[{"role":"user","content":"Hi"}]'
    const refused: readonly [string, string | Uint8Array][] = [
      [
        'invalid UTF-8',
        Buffer.concat([
          Buffer.from(`{"model":"gpt-4o",${messages},"user":"`),
          Buffer.from([0xc3, 0x28]),
          Buffer.from('"}'),
        ]),
      ],
      ['deep nesting', `{"model":"gpt-4o",${messages},"x":${'['.repeat(5_000)}${']'.repeat(5_000)}}`],
      ['two models', `{"model":"gpt-4o","model":"gpt-4",${messages}}`],
      ['two models, one escaped', `{"model":"gpt-4o","mod\\u0065l":"gpt-4",${messages}}`],
      ['two streams', `{"model":"gpt-4o","stream":false,"stream":true,${messages}}`],
      ['two lists of messages', `{"model":"gpt-4o",${messages},${messages}}`],
      ['two values', `{"model":"gpt-4o",${messages}}{}`],
      ['an array', '[]'],
      ['nothing', ''],
      ['a lone brace', '{'],
    ]
    for (const [what, body] of refused) {
      const answer = await ask(body)
      assert.equal(answer.status, 400, `${what}: ${answer.text}`)
      assert.equal(answer.error.code, 'invalid_request', what)
    }
    assert.equal(gateway.upstream.requests.length, 0)
    const strange = `{"model":"gpt-4o",${messages},"__proto__":{"stream":true,"polluted":1},"constructor":{"prototype":{"x":1}}}`
    const answer = await ask(strange)
    assert.equal(answer.status, 200)
    assert.equal(gateway.upstream.requests[0].body.toString(), strange)
    const next = await gateway.chat()
    assert.equal(next.headers['content-type'], 'application/json')
    assert.equal(gateway.upstream.requests[1].body.toString(), chatBody())
  })

  test(`${engine}: 10,000 headers reach no worker, and the connection ends`, async t => {
    const gateway = await startGateway(t, { engine })
    const client = await RawClient.connect(t, gateway.port)
    const headers = Array.from({ length: 10_000 }, (_, i) => `x-${i}: ${i}\r\n`).join('')
    await client.send(chatBytes(chatBody(), headers))
    await client.closed(20_000)
    assert.doesNotMatch(client.received.toString('latin1'), /^HTTP\/1\.1 200/)
    assert.equal(gateway.upstream.requests.length, 0)
  })
}
