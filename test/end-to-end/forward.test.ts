import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { comesTrue, type Gateway, masterKey, providerKey, startGateway } from '../support/gateway.ts'
import { Gate, startMockOpenAi } from '../support/mock-openai.ts'
import { entraTenant, entraTokens } from '../support/mock-tokens.ts'
import { eventually, RawClient } from '../support/raw-client.ts'

/** What goes through as it comes, against a whole gateway on each engine. */
interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** As far as it came. */
  bytes: number
  sha256: string
  outcome: 'open' | 'complete' | 'cut'
}

type Answer = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void

async function startUpstream(t: TestContext) {
  const requests: Seen[] = []
  const upstream = {
    url: '',
    requests,
    /** Called when a request's head is there; the default answers when its body is too. */
    answer: null as Answer | null,
    get last(): Seen {
      return requests.at(-1)!
    },
  }
  const server = createServer((incoming, response) => {
    const seen: Seen = {
      method: incoming.method!,
      url: incoming.url!,
      headers: incoming.headers,
      bytes: 0,
      sha256: '',
      outcome: 'open',
    }
    requests.push(seen)
    const hash = createHash('sha256')
    incoming.on('data', (piece: Buffer) => {
      seen.bytes += piece.length
      hash.update(piece)
    })
    incoming.on('error', () => {})
    incoming.on('close', () => {
      if (seen.outcome === 'open') seen.outcome = 'cut'
    })
    incoming.on('end', () => {
      seen.outcome = 'complete'
      seen.sha256 = hash.digest('hex')
      if (upstream.answer === null) {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ id: 'file-1', bytes: seen.bytes }))
      }
    })
    upstream.answer?.(incoming, response, seen)
  })
  server.requestTimeout = 0
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return upstream
}

const keeping = { batch_target: 'openai', responses_target: 'openai' }

async function setUp(t: TestContext, engine: 'uws' | 'node', more: object = {}, workers = 1) {
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, { engine, workers, upstream: upstream.url, config: { ...keeping, ...more } })
  return { upstream, gateway }
}

const boundary = 'x-boundary'
const formHead = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="f.jsonl"\r\n\r\n`
const formTail = `\r\n--${boundary}--\r\n`

/** Sends a form with a file of that size, made up as it goes; resolves with the answer and the body's digest. */
function upload(gateway: Gateway, path: string, fileBytes: number, { chunked = false } = {}) {
  const hash = createHash('sha256')
  const piece = Buffer.alloc(64 << 10, 'ferrite ')
  return new Promise<{ status: number; text: string; sha256: string }>((resolve, reject) => {
    const sent = request(
      {
        port: gateway.port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        headers: {
          authorization: `Bearer ${masterKey}`,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          ...(chunked ? {} : { 'content-length': formHead.length + fileBytes + formTail.length }),
        },
      },
      response => {
        let text = ''
        response.on('data', part => (text += part))
        response.on('end', () => resolve({ status: response.statusCode!, text, sha256: hash.digest('hex') }))
        response.on('error', reject)
      },
    )
    sent.on('error', reject)
    const write = (bytes: Buffer): boolean => {
      hash.update(bytes)
      return sent.write(bytes)
    }
    let left = fileBytes
    const pump = (): void => {
      while (left > 0) {
        const size = Math.min(left, piece.length)
        left -= size
        if (!write(piece.subarray(0, size))) {
          sent.once('drain', pump)
          return
        }
      }
      write(Buffer.from(formTail))
      sent.end()
    }
    write(Buffer.from(formHead))
    pump()
  })
}

for (const engine of ['uws', 'node'] as const) {
  test(`${engine}: a file of 200 MB goes through byte for byte, and is never held`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    await upload(gateway, '/v1/files', 1 << 20)
    const before = gateway.residentBytes
    let most = before
    const look = setInterval(() => (most = Math.max(most, gateway.residentBytes)), 20)
    const { status, text, sha256 } = await upload(gateway, '/v1/files', 200 << 20).finally(() => clearInterval(look))
    assert.equal(status, 200, text)
    assert.equal(upstream.last.sha256, sha256)
    assert.equal(upstream.last.headers['content-length'], String(upstream.last.bytes))
    assert.ok(most - before < 112 << 20, `${(most - before) >> 20} MB more than before were held`)
  })

  test(`${engine}: a large file for an upstream with a token neither waits in memory nor loses what came before the token`, async t => {
    const gate = new Gate()
    const tokens = await startMockOpenAi(t, async (request, response) => {
      await gate.pass()
      return entraTokens('https://cognitiveservices.azure.com/.default')(request, response)
    })
    const upstream = await startUpstream(t)
    const target = {
      provider: 'azure-openai',
      base_url: upstream.url,
      deployment: 'd',
      tenant_id: entraTenant.tenant,
      client_id: entraTenant.client,
      client_secret: entraTenant.secret,
      authority_host: tokens.url,
    }
    const config = { targets: [target], batch_target: 'azure-openai', max_request_bytes: 1 << 20 }
    const gateway = await startGateway(t, { engine, config })
    const sent = upload(gateway, '/v1/files', 12 << 20)
    await eventually(() => tokens.requests.length > 0, 'the token to be asked for')
    gate.open()
    const { status, text, sha256 } = await sent
    assert.equal(status, 200, text)
    assert.equal(upstream.last.sha256, sha256)
    assert.match(String(upstream.last.headers.authorization), /^Bearer entra\./)
  })

  test(`${engine}: an upload of unknown length stays one`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    const { status, sha256 } = await upload(gateway, '/v1/files', 3 << 20, { chunked: true })
    assert.equal(status, 200)
    assert.equal(upstream.last.sha256, sha256)
    assert.equal(upstream.last.headers['transfer-encoding'], 'chunked')
  })

  test(`${engine}: an upstream that reads slowly slows the client down`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    let paused: IncomingMessage | null = null
    upstream.answer = incoming => {
      incoming.pause()
      paused = incoming
    }
    const socket = connect(gateway.port, '127.0.0.1')
    t.after(() => socket.destroy())
    const total = 64 << 20
    socket.write(
      `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: ${total}\r\n\r\n`,
    )
    const piece = Buffer.alloc(64 << 10)
    let sent = 0
    let isHeldUp = false
    const pump = (): void => {
      isHeldUp = false
      while (sent < total) {
        sent += piece.length
        if (!socket.write(piece)) {
          isHeldUp = true
          socket.once('drain', pump)
          return
        }
      }
    }
    pump()
    await eventually(() => paused !== null, 'the upload to arrive')
    let before = -1
    let stillFor = 0
    await eventually(() => {
      stillFor = before === sent && isHeldUp ? stillFor + 1 : 0
      before = sent
      return stillFor > 200
    }, 'the client to be held up')
    assert.ok(sent < total / 2, `${sent} of ${total} bytes were taken`)
    upstream.answer = null
    paused!.resume()
    await eventually(() => upstream.last.bytes === total, 'all of it', 30_000)
  })

  test(`${engine}: an upload cut in the middle is a broken request upstream`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    const client = await RawClient.connect(t, gateway.port)
    await client.send(
      `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n`,
    )
    await client.send(Buffer.alloc(200_000))
    await eventually(() => upstream.requests.length === 1 && upstream.last.bytes > 0, 'the first part')
    client.socket.destroy()
    await eventually(() => upstream.last.outcome === 'cut', 'the upstream to notice')
    await comesTrue(
      () => gateway.metric('gateway_provider_errors_total', { error_type: 'client_canceled' }).then(n => n === 1),
      'it to be counted',
    )
  })

  test(`${engine}: an upstream that answers before it read all is heard`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    upstream.answer = (_request, response) => {
      response.writeHead(403, { 'content-type': 'application/json' })
      response.end('{"error":{"message":"no"}}')
    }
    const client = await RawClient.connect(t, gateway.port)
    await client.send(
      `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n`,
    )
    await client.send(Buffer.alloc(100_000))
    const { status, body } = await client.response()
    // One engine adds a line end where it cuts an upload short.
    assert.deepEqual([status, body.toString().trim()], [403, '{"error":{"message":"no"}}'])
    await client.closed()
  })

  test(`${engine}: an upstream that closes in the middle of an upload is a 502, at once`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    upstream.answer = incoming => incoming.once('data', () => incoming.socket.destroy())
    const client = await RawClient.connect(t, gateway.port)
    await client.send(
      `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n`,
    )
    await client.send(Buffer.alloc(100_000))
    const { status, body } = await client.response()
    assert.equal(status, 502)
    assert.equal(JSON.parse(body.toString()).error.code, 'upstream_error')
  })

  test(`${engine}: a client that reads a download slowly holds no more than its window`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    const total = 128 << 20
    let written = 0
    upstream.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': total })
      const piece = Buffer.alloc(64 << 10, 'x')
      const pump = (): void => {
        while (written < total) {
          written += piece.length
          if (!response.write(piece)) {
            response.once('drain', pump)
            return
          }
        }
        response.end()
      }
      pump()
    }
    const before = gateway.residentBytes
    const client = await RawClient.connect(t, gateway.port)
    client.socket.pause()
    await client.send(`GET /v1/files/f/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\n\r\n`)
    let last = -1
    let stillFor = 0
    await eventually(() => {
      stillFor = last === written && written > 0 ? stillFor + 1 : 0
      last = written
      return stillFor > 200
    }, 'the upstream to be held up')
    assert.ok(
      written < total / 2,
      `${written} of ${total} bytes were taken from an upstream whose client reads nothing`,
    )
    assert.ok(gateway.residentBytes - before < 48 << 20, 'nothing piles up')
    client.socket.resume()
    await client.until(({ receivedBytes }) => receivedBytes > total, 'all of it', 30_000)
  })

  test(`${engine}: a client that leaves a download ends it upstream`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    let isClosed = false
    upstream.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      response.write('first')
      response.on('close', () => (isClosed = true))
    }
    const client = await RawClient.connect(t, gateway.port)
    await client.send(`GET /v1/files/f/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\n\r\n`)
    await client.until(({ received }) => received.includes('first'), 'the first bytes, before the last')
    client.socket.destroy()
    await eventually(() => isClosed, 'the upstream to be told')
  })

  test(`${engine}: a download that breaks off does not look whole`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    for (const headers of [{}, { 'content-length': 100 }] as const) {
      upstream.answer = (_request, response) => {
        response.writeHead(200, headers)
        response.write('half', () => response.destroy())
      }
      const client = await RawClient.connect(t, gateway.port)
      await client.send(`GET /v1/files/f/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\n\r\n`)
      await client.closed()
      const { isWhole } = await client.response()
      assert.equal(isWhole, false)
    }
  })

  test(`${engine}: statuses without a body, HEAD and redirects go back as they came`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    upstream.answer = (incoming, response) => {
      const status = Number(new URL(incoming.url!, 'http://x').searchParams.get('status'))
      response.writeHead(status, { location: 'https://elsewhere.example/x', 'set-cookie': 'a=b' })
      response.end()
    }
    for (const [method, status] of [
      ['DELETE', 204],
      ['GET', 304],
      ['GET', 302],
      ['GET', 307],
      ['HEAD', 200],
      ['HEAD', 404],
    ] as const) {
      const answer = await gateway.fetch(`/v1/files/f?status=${status}`, { method })
      assert.equal(answer.status, status, method)
      assert.equal(answer.headers['set-cookie'], undefined)
      assert.equal(answer.text, '')
      if (status >= 300 && status < 400) assert.equal(answer.headers.location, 'https://elsewhere.example/x')
    }
    assert.equal(upstream.requests.length, 6, 'a redirect is not followed')
  })

  test(`${engine}: the way of a request is its own, the credential the gateway’s`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    const answer = await gateway.fetch('/v1/vector_stores/vs%2F1/search?q=a%20b&c', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-provider': 'openai',
        'openai-beta': 'assistants=v2',
        cookie: 'session=1',
        'x-secret': 'mine',
      },
      body: '{"query":"x"}',
    })
    assert.equal(answer.status, 200, answer.text)
    const { url, method, headers } = upstream.last
    assert.deepEqual([method, url], ['POST', '/v1/vector_stores/vs%2F1/search?q=a%20b&c'])
    assert.equal(headers.authorization, `Bearer ${providerKey}`)
    assert.equal(headers['openai-beta'], 'assistants=v2')
    for (const name of ['cookie', 'x-secret', 'x-provider', 'x-forwarded-for'])
      assert.equal(headers[name], undefined, name)
    assert.equal(answer.headers['x-gateway-provider'], 'openai')
    await comesTrue(
      () => gateway.metric('gateway_requests_total', { provider: 'openai', status: 'success' }).then(n => n === 1),
      'it to be counted',
    )
    await gateway.logged(({ surface, status }) => surface === 'passthrough' && status === 200, 'the request')
  })

  test(`${engine}: no spelling of a path leaves the provider’s root`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    const paths = [
      '/v1/files/../../admin',
      '/v1/files/%2e%2e/%2e%2e/admin',
      '/v1/files/%252e%252e/x',
      '/v1/files/..%5c..%5cadmin',
      '/v1/files/..;x/y',
      '/v1/files/%00',
      '/v1/files/%zz',
      '/openai/v1/files/%2e%2e/x',
      '/openai/files/..%2fx',
    ]
    for (const path of paths) {
      const client = await RawClient.connect(t, gateway.port)
      await client.send(
        `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\nx-provider: openai\r\n\r\n`,
      )
      const { status, body } = await client.response()
      assert.equal(status, 400, `${path} ${body}`)
      assert.equal(JSON.parse(body.toString()).error.code, 'invalid_proxy_path')
    }
    assert.equal(upstream.requests.length, 0)
  })

  test(`${engine}: a streamed response comes event by event, and its usage is counted`, async t => {
    const { upstream, gateway } = await setUp(t, engine)
    let finish: () => void = () => {}
    upstream.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('event: response.created\ndata: {"type":"response.created"}\n\n')
      finish = () => {
        const usage = { input_tokens: 7, output_tokens: 5, total_tokens: 12 }
        response.end(
          `event: response.completed\ndata: ${JSON.stringify({ type: 'response.completed', response: { usage } })}\n\n`,
        )
      }
    }
    const client = await RawClient.connect(t, gateway.port)
    const body = JSON.stringify({ model: 'gpt-4o', input: 'Hi', stream: true })
    await client.send(
      `POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await client.until(({ received }) => received.includes('response.created'), 'the first event')
    finish()
    const { body: got, headers } = await client.response()
    assert.match(got.toString(), /response\.completed.*"total_tokens":12/s)
    assert.equal(headers['content-type'], 'text/event-stream')
    await comesTrue(() => gateway.metric('gateway_tokens_input_total').then(n => n === 7), 'its tokens to be counted')
  })

  test(`${engine}: what is above max_request_bytes is refused where it is not a file`, async t => {
    const { upstream, gateway } = await setUp(t, engine, { max_request_bytes: 100_000 })
    const refused = await upload(gateway, '/v1/other', 1 << 20).catch((error: NodeJS.ErrnoException) => error)
    if (!(refused instanceof Error)) assert.equal(refused.status, 413)
    assert.ok(upstream.requests.every(({ outcome }) => outcome !== 'complete'))
    assert.equal((await upload(gateway, '/v1/files', 1 << 20)).status, 200)
  })
}

test('with the pipeline in the acceptor, an upload and a download go through all the same', async t => {
  const { upstream, gateway } = await setUp(t, 'node', {}, 0)
  const { status, sha256 } = await upload(gateway, '/v1/files', 8 << 20)
  assert.equal(status, 200)
  assert.equal(upstream.last.sha256, sha256)
  const content = Buffer.alloc(8 << 20, 'z').toString()
  upstream.answer = (_request, response) => response.end(content)
  assert.equal((await gateway.fetch('/v1/files/f/content')).text, content)
})

interface AzureSdk {
  new (options: {
    endpoint: string
    apiKey: string
    apiVersion: string
    maxRetries: number
    deployment?: string
  }): {
    readonly chat: { readonly completions: { create(body: object): Promise<{ model: string }> } }
    readonly files: {
      create(body: object): Promise<{ id: string }>
      content(id: string): Promise<Response>
    }
    readonly models: { list(): AsyncIterable<{ id: string }> }
    readonly responses: { create(body: object): Promise<{ id: string }> }
  }
}

function loadSdk(): { AzureOpenAI: AzureSdk; toFile: (bytes: Buffer, name: string) => Promise<unknown> } | null {
  try {
    return createRequire(import.meta.url)('openai')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null
    throw error
  }
}
const sdk = loadSdk()

test('Azure’s client works as it is: deployments, its credential, files and responses', {
  skip: sdk === null && 'the package openai is not installed',
}, async t => {
  const { upstream, gateway } = await setUp(t, 'uws')
  const { AzureOpenAI, toFile } = sdk!
  const client = new AzureOpenAI({ endpoint: gateway.url, apiKey: masterKey, apiVersion: '2024-10-21', maxRetries: 0 })
  upstream.answer = (incoming, response) => {
    response.setHeader('content-type', incoming.url!.endsWith('/content') ? 'text/plain' : 'application/json')
    incoming.on('end', () =>
      response.end(
        incoming.url!.endsWith('/content')
          ? 'the content'
          : JSON.stringify({
              id: 'some-id',
              object: 'chat.completion',
              model: 'gpt-4o',
              choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
              usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
            }),
      ),
    )
  }
  const { model } = await client.chat.completions.create({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: 'Hi' }],
  })
  assert.equal(model, 'gpt-4o')
  assert.equal(upstream.last.url, '/v1/chat/completions')
  assert.equal(upstream.last.headers.authorization, `Bearer ${providerKey}`)
  assert.equal(upstream.last.headers['api-key'], undefined)

  const deployed = new AzureOpenAI({
    endpoint: gateway.url,
    apiKey: masterKey,
    apiVersion: '2024-10-21',
    maxRetries: 0,
    deployment: 'gpt-4o',
  })
  await deployed.chat.completions.create({ messages: [{ role: 'user', content: 'Hi' }] })
  assert.equal(upstream.last.url, '/v1/chat/completions')

  const file = await client.files.create({ file: await toFile(Buffer.from('{}'), 'a.jsonl'), purpose: 'batch' })
  assert.equal(file.id, 'some-id')
  assert.equal(upstream.last.url, '/v1/files')
  assert.equal(await (await client.files.content('file-1')).text(), 'the content')
  const ids: string[] = []
  for await (const { id } of client.models.list()) ids.push(id)
  assert.ok(ids.includes('gpt-4o'))
  await client.responses.create({ model: 'gpt-4o', input: 'Hi' })
  assert.equal(upstream.last.url, '/v1/responses')

  const stranger = new AzureOpenAI({ endpoint: gateway.url, apiKey: 'wrong', apiVersion: 'x', maxRetries: 0 })
  await assert.rejects(
    stranger.chat.completions.create({ model: 'gpt-4o', messages: [] }),
    (error: { status?: number }) => error.status === 401,
  )
})

test('Groq’s path is the same as ours', async t => {
  const { upstream, gateway } = await setUp(t, 'uws')
  const answer = await gateway.fetch('/openai/v1/models')
  assert.equal(answer.status, 200)
  await gateway.fetch('/openai/v1/files', { method: 'GET' })
  assert.equal(upstream.last.url, '/v1/files')
  const refused = await gateway.fetch('/openai/v1/chat/completions', { method: 'GET', key: '' })
  assert.equal(refused.status, 401)
})
