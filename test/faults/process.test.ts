import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { comesTrue, type Gateway, launchGateway, masterKey, startGateway } from '../support/gateway.ts'
import {
  answerAsOpenAi,
  beginStream,
  completion,
  Gate,
  json,
  opening,
  piece,
  requestOf,
} from '../support/mock-openai.ts'
import { eventually, RawClient } from '../support/raw-client.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Asks again and again, also over new connections, until told to stop. Counts what came of it. */
function load(gateway: Gateway, clients: number) {
  const counts: Record<string, number> = {}
  let running = true
  const loops = Array.from({ length: clients }, async () => {
    while (running) {
      const outcome = await gateway.chat().then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      )
      counts[outcome] = (counts[outcome] ?? 0) + 1
      if (outcome !== '200') await new Promise(resolve => setTimeout(resolve, 5))
    }
  })
  return {
    counts,
    stop: async () => {
      running = false
      await Promise.all(loops)
      return counts
    },
  }
}

for (const engine of ['uws', 'node'] as const) {
  for (const workers of [0, 1]) {
    test(`${engine}, ${workers} workers: SIGTERM answers everything that was accepted, then the process ends with 0`, async t => {
      const gateway = await startGateway(t, { engine, workers })
      const gate = new Gate()
      gateway.upstream.answer = async (request, response) => {
        if (requestOf(request).stream === true) {
          beginStream(response)
          response.write(opening + piece('begun'))
        }
        await gate.pass()
        if (requestOf(request).stream === true) response.end(`${piece('over')}data: [DONE]\n\n`)
        else answerAsOpenAi(request, response)
      }
      const idle = await RawClient.connect(t, gateway.port)
      const json = Array.from({ length: 50 }, () => gateway.chat())
      const streams = await Promise.all(Array.from({ length: 50 }, () => gateway.stream()))
      await eventually(() => gateway.upstream.open === 100, 'all requests to have reached the upstream')
      gateway.kill('SIGTERM')
      await gateway.logged(({ msg }) => msg === 'shutting down', 'the shutdown')
      await comesTrue(
        () =>
          RawClient.connect(t, gateway.port).then(
            () => false,
            ({ code }: NodeJS.ErrnoException) => code === 'ECONNREFUSED',
          ),
        'new connections to be refused',
      )
      gate.open()
      for (const answer of await Promise.all(json)) {
        assert.equal(answer.status, 200)
        assert.equal(String(answer.headers.connection).toLowerCase(), 'close')
      }
      for (const stream of streams) {
        assert.equal(await stream.over, 'ended')
        assert.ok(stream.isDone)
      }
      assert.deepEqual(await gateway.exited, { code: 0, signal: null })
      await idle.closed()
    })
  }
}

test('SIGTERM under load loses nothing that was accepted', async t => {
  const gateway = await startGateway(t)
  const running = load(gateway, 20)
  await eventually(() => (running.counts['200'] ?? 0) > 500, 'some load')
  assert.deepEqual(await gateway.stop(), { code: 0, signal: null })
  const counts = await running.stop()
  // A connection that was idle, or not yet accepted, may be closed; a request that was read is answered.
  const allowed = new Set(['200', '503', 'ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'])
  assert.deepEqual(
    Object.keys(counts).filter(outcome => !allowed.has(outcome)),
    [],
    JSON.stringify(counts),
  )
  assert.equal(gateway.upstream.aborted, 0, 'no upstream call was cut off')
  const answered = gateway.upstream.requests.length
  assert.equal(counts['200'], answered, 'each call that reached the upstream became an answer')
})

for (const engine of ['uws', 'node'] as const) {
  test(`${engine}: SIGTERM lets a client that reads slowly have the rest of its answer`, async t => {
    const gateway = await startGateway(t, { engine })
    const large = completion('x'.repeat(6_000_000))
    gateway.upstream.answer = (_request, response) => json(response, 200, large)
    const clients = await Promise.all(Array.from({ length: 3 }, () => RawClient.connect(t, gateway.port)))
    for (const client of clients) {
      client.socket.pause()
      await client.send(chatBytes)
    }
    await eventually(() => gateway.upstream.requests.length === 3, 'the requests to reach the upstream')
    gateway.kill('SIGTERM')
    await gateway.logged(({ msg }) => msg === 'shutting down', 'the shutdown')
    for (const client of clients) {
      const slowly = setInterval(() => {
        client.socket.resume()
        setImmediate(() => client.socket.pause())
      }, 2)
      await eventually(() => client.receivedBytes > large.length, 'the whole answer', 20_000).finally(() =>
        clearInterval(slowly),
      )
      client.socket.resume()
      const answer = await client.response()
      assert.equal(answer.isWhole, true)
      assert.equal(answer.body.length, large.length)
    }
    assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  })
}

test('requests longer than the grace are ended with an error when it is over, and the exit is clean', async t => {
  const gateway = await startGateway(t, { config: { server: { shutdown_grace: '300ms' } } })
  gateway.upstream.answer = (request, response) => {
    if (requestOf(request).stream !== true) return
    beginStream(response)
    response.write(opening + piece('begun'))
  }
  const json = gateway.chat()
  const stream = await gateway.stream()
  await eventually(() => gateway.upstream.open === 2, 'both to be under way')
  assert.deepEqual(await gateway.stop(), { code: 0, signal: null })
  const answer = await json
  assert.equal(answer.status, 503)
  assert.equal(answer.error.code, 'overloaded')
  await stream.over
  assert.equal(stream.isDone, false)
  assert.notEqual(stream.error, null, stream.text)
})

test('a second signal ends the process at once, with a message and no abort', async t => {
  const gateway = await startGateway(t)
  gateway.upstream.answer = () => {}
  const asked = gateway.chat().catch(() => null)
  await eventually(() => gateway.upstream.open === 1, 'a request to be under way')
  gateway.kill('SIGTERM')
  await gateway.logged(({ msg }) => msg === 'shutting down', 'the shutdown')
  gateway.kill('SIGINT')
  assert.deepEqual(await gateway.exited, { code: null, signal: 'SIGKILL' })
  assert.match(gateway.stderr, /second signal \(SIGINT\)/)
  await asked
})

test('a port in use is said so, and the exit code is 1', async t => {
  const first = await startGateway(t)
  const { gateway, started } = await launchGateway(t, { port: first.port })
  await assert.rejects(started)
  assert.deepEqual(gateway.exit, { code: 1, signal: null })
  assert.match(gateway.stderr, new RegExp(`port ${first.port} is in use`))
  assert.equal((await first.chat()).status, 200)
})

test('a config with mistakes stops the start with all of them and the exit code 1', async t => {
  const { gateway, started } = await launchGateway(t, { config: { stratgy: {}, max_request_bytes: 'many' } })
  await assert.rejects(started)
  assert.deepEqual(gateway.exit, { code: 1, signal: null })
  assert.match(gateway.stderr, /stratgy/)
  assert.match(gateway.stderr, /max_request_bytes/)
})

for (const [what, logs] of [
  ['a pipe that nobody reads', ''],
  ['a full disk', '/dev/full'],
  ['a closed descriptor', '&-'],
] as const) {
  test(`requests go on when the log is ${what}`, async t => {
    const launcher = logs === '' ? [] : ['bash', '-c', `exec "$@" >${logs}`, 'bash']
    const gateway = await startGateway(t, {
      stdout: 'unread',
      port: await freePort(),
      launcher,
      env: { LOG_LEVEL: 'info' },
    })
    // About 300 bytes a line: far more than a pipe holds, and than the queue when the pipe is full.
    for (let round = 0; round < 30; round++) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.chat()))
      assert.ok(answers.every(({ status }) => status === 200))
    }
    assert.equal((await gateway.fetch('/readyz')).status, 200)
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null })
  })
}

test('a log whose reader left stops no request', async t => {
  const gateway = await startGateway(t)
  gateway.child.stdout?.destroy()
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.chat()))
    assert.ok(answers.every(({ status }) => status === 200))
  }
  await comesTrue(
    async () => (await gateway.metric('gateway_log_records_dropped_total')) > 0,
    'lost lines to be counted',
  )
  assert.deepEqual(await gateway.stop(), { code: 0, signal: null })
})

for (const engine of ['uws', 'node'] as const) {
  test(`${engine}: more clients than there are descriptors are turned away, the others are served, and all is well afterwards`, async t => {
    const gateway = await startGateway(t, {
      engine,
      launcher: ['bash', '-c', 'ulimit -n 1200; exec "$@"', 'bash'],
    })
    const clients: RawClient[] = []
    for (let i = 0; i < 1400; i++) clients.push(await RawClient.connect(t, gateway.port))
    // Whoever still has a connection gets an answer; at least as many as the cap leaves.
    await eventually(() => clients.some(client => client.hasEnded || client.isClosed), 'some to be turned away')
    const kept = clients.filter(client => !client.hasEnded && !client.isClosed)
    assert.ok(kept.length >= 100, `${kept.length} connections were kept`)
    // As long as there are too many, who asks is turned away, too, with an answer; that makes room for the rest.
    const serves = async (ask: (client: RawClient) => Promise<{ status: number }>): Promise<void> => {
      for (;;) {
        const client = kept.shift()
        assert.ok(client !== undefined, 'nobody is served')
        if (client.hasEnded || client.isClosed) continue
        const { status } = await ask(client)
        if (status === 200) return
        assert.equal(status, 503)
      }
    }
    await serves(async client => {
      await client.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
      return client.response()
    })
    await serves(chatOver)
    for (const client of clients) client.socket.destroy()
    await comesTrue(
      () =>
        gateway.chat().then(
          ({ status }) => status === 200,
          () => false,
        ),
      'service as before',
    )
    await eventually(() => gateway.descriptors < 200, 'descriptors to be given back')
  })
}

const body = '{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}'
const chatBytes = `POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`

async function chatOver(client: RawClient) {
  await client.send(chatBytes)
  return client.response()
}
