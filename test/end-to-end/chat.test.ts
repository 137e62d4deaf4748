import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Answer,
  chatBody,
  comesTrue,
  type Gateway,
  masterKey,
  providerKey,
  startGateway,
  variants,
} from '../support/gateway.ts'
import {
  answerAsOpenAi,
  beginStream,
  closing,
  completion,
  done,
  json,
  opening,
  piece,
  requestOf,
  usageEvent,
} from '../support/mock-openai.ts'
import { RawClient } from '../support/raw-client.ts'

const traceId = /^[0-9a-f]{32}$/
const adopted = '4bf92f3577b34da6a3ce929d0e0e4736'

function assertError(answer: Answer, status: number, type: string, code: string): void {
  assert.equal(answer.status, status, answer.text)
  assert.deepEqual([answer.error.type, answer.error.code], [type, code])
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.match(String(answer.headers['x-request-id']), traceId)
}

for (const variant of variants) {
  test(`${variant.name}: the API`, async t => {
    const gateway = await startGateway(t, {
      ...variant,
      config: { aliases: { fast: 'gpt-4o-mini' }, max_request_bytes: 100_000 },
      env: { CORS_ORIGINS: 'https://app.example.com' },
    })
    const claim = (name: string, body: (t: TestContext) => Promise<void>): Promise<void> =>
      t.test(name, async t => {
        gateway.upstream.answer = answerAsOpenAi
        gateway.upstream.requests.length = 0
        await body(t)
      })
    await answers(gateway, claim)
    await streams(gateway, claim)
    await refusals(gateway, claim)
    await headers(gateway, claim)
    await controls(gateway, claim)
  })
}

type Claim = (name: string, body: (t: TestContext) => Promise<void>) => Promise<void>

async function answers(gateway: Gateway, claim: Claim): Promise<void> {
  await claim('an answer comes back byte for byte, with the headers of the gateway', async () => {
    const odd = ` \n{"id":"chatcmpl-1","unknown":{"b":[1.0,1e2,"\\u00e9\\/"]},"choices":[{"index":0,"message":{"role":"assistant","content":null,"new_field":1},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`
    gateway.upstream.answer = (_request, response) =>
      json(response, 200, odd, { 'openai-processing-ms': '12', 'set-cookie': 'a=b', 'openai-organization': 'acme' })
    const answer = await gateway.chat()
    assert.equal(answer.status, 200)
    assert.equal(answer.text, odd)
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.equal(answer.headers['x-gateway-provider'], 'openai')
    assert.match(String(answer.headers['x-gateway-overhead-ms']), /^\d+\.\d{3}$/)
    assert.ok(Number(answer.headers['x-gateway-overhead-ms']) > 0)
    assert.equal(answer.headers['openai-processing-ms'], '12')
    assert.equal(answer.headers['set-cookie'], undefined)
    assert.equal(answer.headers['openai-organization'], undefined)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.equal(answer.headers['access-control-allow-origin'], undefined)
  })

  await claim('a request reaches the upstream byte for byte, with its credential and not the client’s', async () => {
    const body = `{ "messages" : [{"role":"user","content":"h\\u00e9"}],\n "model":"gpt-4o", "x_unknown": [1.50], "temperature":0.0 }`
    const answer = await gateway.fetch('/v1/chat/completions', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', cookie: 'a=b', 'x-custom': 'mine' },
    })
    assert.equal(answer.status, 200)
    const [request] = gateway.upstream.requests
    assert.equal(request.body.toString(), body)
    assert.equal(request.path, '/v1/chat/completions')
    assert.equal(request.headers.authorization, `Bearer ${providerKey}`)
    assert.equal(request.headers.cookie, undefined)
    assert.equal(request.headers['x-custom'], undefined)
    assert.match(String(request.headers['user-agent']), /^ferrite\//)
  })

  await claim('an alias is replaced in the request, and nothing else is', async () => {
    const body = chatBody({ model: 'fast', x: '"model":"fast"' })
    assert.equal((await gateway.fetch('/v1/chat/completions', { method: 'POST', body })).status, 200)
    assert.equal(gateway.upstream.requests[0].body.toString(), body.replace('"model":"fast"', '"model":"gpt-4o-mini"'))
  })

  for (const kilobytes of [10, 60, 90]) {
    await claim(`a body of ${kilobytes} KB arrives whole, with a length, in chunks and in many packets`, async t => {
      const body = chatBody({
        user: createHash('sha256')
          .update('x')
          .digest('hex')
          .repeat(16 * kilobytes),
      })
      gateway.upstream.answer = (request, response) =>
        json(response, 200, completion(createHash('sha256').update(request.body).digest('hex')))
      const digest = createHash('sha256').update(body).digest('hex')
      assert.ok((await gateway.fetch('/v1/chat/completions', { method: 'POST', body })).text.includes(digest))
      const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\n`
      const cut = await RawClient.connect(t, gateway.port)
      await cut.sendCut(`${head}Content-Length: ${body.length}\r\n\r\n${body}`, 50)
      assert.ok((await cut.response()).body.includes(digest))
      const chunked = await RawClient.connect(t, gateway.port)
      const half = body.length >> 1
      await chunked.sendCut(
        `${head}Transfer-Encoding: chunked\r\n\r\n${half.toString(16)}\r\n${body.slice(0, half)}\r\n${(body.length - half).toString(16)}\r\n${body.slice(half)}\r\n0\r\n\r\n`,
        20,
      )
      assert.ok((await chunked.response()).body.includes(digest))
    })
  }

  for (const bytes of [1_000, 70_000, 300_000, 5_000_000]) {
    await claim(`an answer of ${bytes} bytes arrives whole, with a length and in chunks`, async () => {
      const body = completion('y'.repeat(bytes))
      gateway.upstream.answer = (_request, response) => json(response, 200, body)
      assert.equal((await gateway.chat()).text, body)
      gateway.upstream.answer = (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write(body.slice(0, 100))
        response.end(body.slice(100))
      }
      assert.equal((await gateway.chat()).text, body)
    })
  }
}

async function streams(gateway: Gateway, claim: Claim): Promise<void> {
  await claim('a stream comes back byte for byte, the usage that nobody asked for left out', async () => {
    const stream = await gateway.stream()
    assert.equal(await stream.over, 'ended')
    assert.equal(stream.status, 200)
    assert.equal(stream.headers['content-type'], 'text/event-stream')
    assert.equal(stream.headers['cache-control'], 'no-cache')
    assert.equal(stream.headers['x-gateway-provider'], 'openai')
    assert.match(String(stream.headers['x-request-id']), traceId)
    assert.equal(stream.text, opening + piece('Hel') + piece('lo there') + closing + done)
    assert.equal(
      (requestOf(gateway.upstream.requests[0]).stream_options as { include_usage: boolean }).include_usage,
      true,
    )
  })

  await claim('usage in a stream is passed on to who asked for it', async () => {
    const stream = await gateway.stream({ stream_options: { include_usage: true } })
    await stream.over
    assert.equal(stream.text, opening + piece('Hel') + piece('lo there') + closing + usageEvent + done)
  })

  await claim('usage in a stream is kept from who refused it', async () => {
    const stream = await gateway.stream({ stream_options: { include_usage: false } })
    await stream.over
    assert.equal(stream.text, opening + piece('Hel') + piece('lo there') + closing + done)
  })

  await claim('events reach the client as they come, not at the end', async () => {
    let more: () => void = () => {}
    gateway.upstream.answer = (_request, response) => {
      beginStream(response)
      response.write(opening + piece('one'))
      more = () => response.end(piece('two') + closing + done)
    }
    const stream = await gateway.stream()
    await stream.until(({ text }) => text === opening + piece('one'), 'the first piece')
    more()
    await stream.over
    assert.equal(stream.text, opening + piece('one') + piece('two') + closing + done)
  })

  await claim('a stream cut at any byte by the network is the same stream', async () => {
    const whole = Buffer.from(opening + piece('Grüße, 世界 🦀') + closing + done)
    gateway.upstream.answer = async (_request, response) => {
      beginStream(response)
      for (let at = 0; at < whole.length; at += 7) {
        response.write(whole.subarray(at, at + 7))
        await new Promise(resolve => setImmediate(resolve))
      }
      response.end()
    }
    const stream = await gateway.stream()
    await stream.over
    assert.equal(stream.text, whole.toString())
  })

  await claim('an error before the first content is an answer with a status', async () => {
    for (const start of ['', opening]) {
      gateway.upstream.answer = (_request, response) => {
        beginStream(response)
        response.end(`${start}data: {"error":{"message":"overloaded","type":"server_error"}}\n\n`)
      }
      const answer = await gateway.chat({ stream: true })
      assertError(answer, 502, 'upstream_error', 'upstream_error')
    }
  })

  await claim('a long stream to many clients at once is complete for each', async () => {
    const pieces = Array.from({ length: 500 }, (_, i) => piece(`piece ${i} ${'z'.repeat(100)}`))
    gateway.upstream.answer = async (_request, response) => {
      beginStream(response)
      response.write(opening)
      for (let i = 0; i < pieces.length; i += 50) {
        response.write(pieces.slice(i, i + 50).join(''))
        await new Promise(resolve => setImmediate(resolve))
      }
      response.end(closing + done)
    }
    const all = await Promise.all(Array.from({ length: 20 }, () => gateway.stream()))
    await Promise.all(all.map(({ over }) => over))
    for (const { text } of all) assert.equal(text, opening + pieces.join('') + closing + done)
  })
}

async function refusals(gateway: Gateway, claim: Claim): Promise<void> {
  const post = (body: string, more: Parameters<Gateway['fetch']>[1] = {}) =>
    gateway.fetch('/v1/chat/completions', { method: 'POST', body, ...more })

  await claim('without a key: 401, before anything else is looked at', async () => {
    for (const [path, method] of [
      ['/v1/chat/completions', 'POST'],
      ['/v1/chat/completions', 'GET'],
      ['/v1/models', 'GET'],
      ['/v1/nothing', 'GET'],
      ['/metrics', 'GET'],
    ]) {
      const answer = await gateway.fetch(path, { method, key: '', body: method === 'POST' ? chatBody() : undefined })
      assertError(answer, 401, 'authentication_error', 'missing_api_key')
      assertError(await gateway.fetch(path, { method, key: 'wrong' }), 401, 'authentication_error', 'invalid_api_key')
    }
    for (const authorization of ['Basic abc', 'Bearer', 'Bearer ', masterKey, `Bearer  `]) {
      assertError(
        await post(chatBody(), { key: '', headers: { authorization } }),
        401,
        'authentication_error',
        'missing_api_key',
      )
    }
    assertError(
      await post(chatBody(), { key: '', headers: { authorization: `Bearer ${masterKey.slice(0, -1)}` } }),
      401,
      'authentication_error',
      'invalid_api_key',
    )
    assert.equal((await post(chatBody(), { key: '', headers: { authorization: `bearer ${masterKey}` } })).status, 200)
    assert.equal(gateway.upstream.requests.length, 1)
  })

  await claim('mistakes in the request: 400, and the upstream does not hear of them', async () => {
    const messages = [{ role: 'user', content: 'x' }]
    const wrong: readonly [string, RegExp][] = [
      ['{', /JSON/],
      [JSON.stringify({ messages }), /^model is required/],
      [JSON.stringify({ model: 'gpt-4o' }), /^at least one message is required/],
      [JSON.stringify({ model: 'gpt-4o', messages: [] }), /^at least one message is required/],
      [JSON.stringify({ model: 'gpt-4o', messages, temperature: 3 }), /^temperature must be between 0 and 2/],
      [JSON.stringify({ model: 'gpt-4o', messages, top_p: -1 }), /^top_p must be between 0 and 1/],
      [JSON.stringify({ model: 'gpt-4o', messages, max_tokens: 0 }), /^max_tokens must be positive/],
      [
        JSON.stringify({ model: 'gpt-4o', messages, presence_penalty: 9 }),
        /^presence_penalty must be between -2 and 2/,
      ],
    ]
    for (const [body, message] of wrong) {
      const answer = await post(body)
      assertError(answer, 400, 'invalid_request_error', 'invalid_request')
      assert.match(answer.error.message, message)
    }
    assert.equal(gateway.upstream.requests.length, 0)
  })

  await claim('a path that is not there: 404; one of the API that nobody is named for: 400', async () => {
    for (const path of ['/v1', '/nothing', '/', '/v1/models/no/such'])
      assertError(
        await gateway.fetch(path),
        404,
        'invalid_request_error',
        path.startsWith('/v1/m') ? 'model_not_found' : 'not_found',
      )
    for (const path of ['/v1/nothing', '/v1/responses'])
      assertError(
        await gateway.fetch(path, { method: 'POST', body: '{}' }),
        400,
        'invalid_request_error',
        'provider_not_resolved',
      )
  })

  await claim('a wrong method: 405 with the right ones', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await gateway.fetch('/v1/chat/completions', { method })
      assertError(answer, 405, 'invalid_request_error', 'method_not_supported')
      assert.equal(answer.headers.allow, 'POST')
    }
    for (const path of ['/v1/models', '/health', '/readyz', '/metrics', '/livez']) {
      const answer = await gateway.fetch(path, { method: 'POST', body: '{}' })
      assert.equal(answer.status, 405, path)
      assert.equal(answer.headers.allow, 'GET, HEAD', path)
    }
  })

  await claim('a body above the limit: 413, whether it says so or not', async t => {
    const body = chatBody({ user: 'x'.repeat(100_001) })
    assertError(await post(body), 413, 'invalid_request_error', 'request_too_large')
    const client = await RawClient.connect(t, gateway.port)
    await client.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    )
    assert.equal((await client.response()).status, 413)
    // No worker has seen them; they are reported all the same.
    await gateway.logged(
      ({ msg, failure }) => msg === 'request refused' && failure === 'request_too_large',
      'a refusal',
    )
    const labels = { provider: 'none', status: 'rejected' }
    assert.ok((await gateway.metric('gateway_requests_total', labels)) >= 2)
    assert.equal(gateway.upstream.requests.length, 0)
  })

  await claim('a head above the limit: 431', async t => {
    const client = await RawClient.connect(t, gateway.port)
    await client.send(`GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(70_000)}\r\n\r\n`)
    assert.equal((await client.response()).status, 431)
    await client.closed()
  })

  await claim('a method nobody knows: 501', async t => {
    const client = await RawClient.connect(t, gateway.port)
    await client.send('BREW /v1/models HTTP/1.1\r\nHost: x\r\n\r\n')
    const answer = await client.response()
    assert.equal(answer.status, 501)
    assert.equal(JSON.parse(answer.body.toString()).error.code, 'method_not_supported')
  })

  await claim('an unknown model where every model is known: 404', async () => {
    // The mock's own base URL takes any model; a name that nobody could serve is still passed on.
    const answer = await gateway.chat({ model: 'no-such-model' })
    assert.equal(answer.status, 200)
  })
}

async function headers(gateway: Gateway, claim: Claim): Promise<void> {
  await claim(
    'an id is made when the client has none, adopted when it is a trace id, and replaced when it is not',
    async () => {
      const first = String((await gateway.chat()).headers['x-request-id'])
      const second = String((await gateway.chat()).headers['x-request-id'])
      assert.match(first, traceId)
      assert.notEqual(first, second)
      assert.equal((await gateway.chat({}, { headers: { 'x-request-id': adopted } })).headers['x-request-id'], adopted)
      assert.equal(
        (await gateway.chat({}, { headers: { 'x-request-id': adopted.toUpperCase() } })).headers['x-request-id'],
        adopted,
      )
      for (const bad of ['', 'mine', '0'.repeat(32), `${adopted}0`, `${adopted.slice(1)}g`, 'x'.repeat(5_000)]) {
        const id = String((await gateway.chat({}, { headers: { 'x-request-id': bad } })).headers['x-request-id'])
        assert.match(id, traceId)
        assert.notEqual(id, bad)
      }
    },
  )

  await claim(
    'a trace is continued: its id is the request’s, and the upstream is a child of its own in it',
    async () => {
      const parent = 'b7ad6b7169203331'
      const answer = await gateway.chat(
        {},
        { headers: { traceparent: `00-${adopted}-${parent}-01`, tracestate: 'v=1', 'x-request-id': '1'.repeat(32) } },
      )
      assert.equal(answer.headers['x-request-id'], adopted)
      const [{ headers }] = gateway.upstream.requests
      const [version, id, span, flags] = String(headers.traceparent).split('-')
      assert.deepEqual([version, id, flags], ['00', adopted, '01'])
      assert.match(span, /^[0-9a-f]{16}$/)
      assert.notEqual(span, parent)
      assert.equal(headers.tracestate, 'v=1')
      await gateway.chat({}, { headers: { traceparent: `00-${adopted}-${parent}-00` } })
      assert.match(
        String(gateway.upstream.requests[1].headers.traceparent),
        new RegExp(`^00-${adopted}-[0-9a-f]{16}-00$`),
      )
      const fresh = await gateway.chat({}, { headers: { traceparent: 'rubbish', tracestate: 'v=1' } })
      assert.equal(
        String(gateway.upstream.requests[2].headers.traceparent).split('-')[1],
        fresh.headers['x-request-id'],
      )
      assert.equal(gateway.upstream.requests[2].headers.tracestate, undefined)
    },
  )

  await claim('errors carry the id too, also those that no worker saw', async () => {
    const id = { 'x-request-id': adopted }
    assert.equal((await gateway.chat({ model: '' }, { headers: id })).headers['x-request-id'], adopted)
    assert.equal((await gateway.fetch('/nothing', { headers: id })).headers['x-request-id'], adopted)
    assert.equal((await gateway.fetch('/livez', { headers: id })).headers['x-request-id'], adopted)
    assert.equal((await gateway.chat({ user: 'x'.repeat(100_001) }, { headers: id })).headers['x-request-id'], adopted)
  })

  await claim('only listed origins may read answers, and a preflight needs no key', async () => {
    const listed = { origin: 'https://app.example.com' }
    const other = { origin: 'https://evil.example.com' }
    for (const path of ['/v1/chat/completions', '/v1/models', '/health']) {
      const preflight = await gateway.fetch(path, {
        method: 'OPTIONS',
        key: '',
        headers: { ...listed, 'access-control-request-method': 'POST' },
      })
      assert.equal(preflight.status, 204, path)
      assert.equal(preflight.headers['access-control-allow-origin'], listed.origin, path)
      assert.equal(preflight.text, '')
      const refused = await gateway.fetch(path, { method: 'OPTIONS', key: '', headers: other })
      assert.equal(refused.status, 204, path)
      assert.equal(refused.headers['access-control-allow-origin'], undefined, path)
      assert.equal(refused.headers.vary, 'Origin', path)
    }
    const preflight = await gateway.fetch('/v1/models', { method: 'OPTIONS', key: '', headers: listed })
    assert.equal(preflight.headers['access-control-allow-methods'], 'GET, POST, PUT, DELETE, OPTIONS')
    assert.equal(preflight.headers['access-control-allow-headers'], 'Content-Type, Authorization, X-Provider')
    assert.equal(preflight.headers['access-control-max-age'], '86400')
    const answer = await gateway.chat({}, { headers: listed })
    assert.equal(answer.headers['access-control-allow-origin'], listed.origin)
    const stream = await gateway.stream({}, { headers: listed })
    await stream.over
    assert.equal(stream.headers['access-control-allow-origin'], listed.origin)
    assert.equal((await gateway.chat({}, { headers: other })).headers['access-control-allow-origin'], undefined)
    const denied = await gateway.fetch('/v1/models', { key: '', headers: listed })
    assert.equal(denied.status, 401)
    assert.equal(denied.headers['access-control-allow-origin'], listed.origin, 'or a browser could not read the error')
  })

  await claim('OPTIONS without an origin is a method like any other', async () => {
    assertError(
      await gateway.fetch('/v1/chat/completions', { method: 'OPTIONS' }),
      405,
      'invalid_request_error',
      'method_not_supported',
    )
  })

  await claim('HEAD is answered like GET, without the body', async t => {
    for (const path of ['/v1/models', '/v1/models/gpt-4o', '/health', '/livez', '/readyz']) {
      const whole = await gateway.fetch(path)
      const client = await RawClient.connect(t, gateway.port)
      await client.send(`HEAD ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\n\r\n`)
      const head = await client.response({ head: true })
      assert.equal(head.status, whole.status, path)
      assert.equal(Number(head.headers['content-length']), Buffer.byteLength(whole.text), path)
      assert.equal(client.received.length, 0)
    }
  })

  await claim('the query is no part of the path', async () => {
    assert.equal((await gateway.fetch('/v1/models?limit=3')).status, 200)
    assert.equal((await gateway.fetch('/health?x')).status, 200)
    assert.equal(
      (await gateway.fetch('/v1/chat/completions?api-version=1', { method: 'POST', body: chatBody() })).status,
      200,
    )
  })
}

async function controls(gateway: Gateway, claim: Claim): Promise<void> {
  await claim('models are listed, and one can be asked for', async () => {
    const { json: list } = await gateway.fetch('/v1/models')
    assert.equal(list.object, 'list')
    const entries = list.data as { id: string; object: string; created: number; owned_by: string }[]
    const entry = entries.find(({ id }) => id === 'gpt-4o')!
    assert.equal(entry.object, 'model')
    assert.equal(entry.owned_by, 'openai')
    assert.ok(Number.isInteger(entry.created))
    assert.equal(new Set(entries.map(({ id }) => id)).size, entries.length)
    assert.deepEqual((await gateway.fetch('/v1/models/gpt-4o')).json, entry)
    assertError(await gateway.fetch('/v1/models/none'), 404, 'invalid_request_error', 'model_not_found')
  })

  await claim('probes need no key; metrics do', async () => {
    assert.deepEqual((await gateway.fetch('/livez', { key: '' })).json, { status: 'ok' })
    const ready = await gateway.fetch('/readyz', { key: '' })
    assert.equal(ready.status, 200)
    assert.equal(ready.json.status, 'ready')
    assert.deepEqual(ready.json.targets, [{ name: 'openai', routable: true }])
    const health = await gateway.fetch('/health', { key: '' })
    assert.equal(health.status, 200)
    assert.equal(health.json.status, 'ok')
    assert.match(String((await gateway.fetch('/metrics')).headers['content-type']), /^text\/plain/)
  })

  await claim('requests are counted with their tokens, and logged without their words', async () => {
    const labels = { provider: 'openai', model: 'gpt-4o', status: 'success' }
    const before = await gateway.metric('gateway_requests_total', labels)
    const id = String(
      (await gateway.chat({ messages: [{ role: 'user', content: 'a secret prompt' }] })).headers['x-request-id'],
    )
    const stream = await gateway.stream()
    await stream.over
    await comesTrue(
      async () => (await gateway.metric('gateway_requests_total', labels)) === before + 2,
      'both to be counted',
    )
    const line = await gateway.logged(({ trace_id }) => trace_id === id, 'the line of the request')
    assert.deepEqual(
      [line.level, line.method, line.path, line.status, line.model, line.target, line.tokens_in, line.tokens_out],
      ['info', 'POST', '/v1/chat/completions', 200, 'gpt-4o', 'openai', 11, 3],
    )
    assert.ok(Number(line.duration_ms) > 0)
    const streamed = await gateway.logged(
      ({ trace_id }) => trace_id === stream.headers['x-request-id'],
      'the line of the stream',
    )
    assert.deepEqual([streamed.stream, streamed.tokens_in, streamed.tokens_out], [true, 11, 3])
    assert.ok(!gateway.stdout.includes('a secret prompt'))
    assert.ok(!gateway.stdout.includes('Hello there'))
  })
}

for (const variant of variants) {
  test(`${variant.name}: credentials appear nowhere, whatever the upstream says`, async t => {
    const gateway = await startGateway(t, { ...variant, env: { LOG_LEVEL: 'debug' } })
    const seen: string[] = []
    const look = (answer: Answer): void => void seen.push(answer.text, JSON.stringify(answer.headers))
    const echo = `Incorrect API key provided: ${providerKey}. Also: ${masterKey}, Bearer ${providerKey}`
    for (const status of [400, 401, 403, 404, 422, 429, 500, 503]) {
      gateway.upstream.answer = (_request, response) =>
        json(response, status, JSON.stringify({ error: { message: echo, type: 'x', code: providerKey } }), {
          'x-ratelimit-reset-requests': providerKey,
        })
      look(await gateway.chat())
      look(await gateway.chat({ stream: true }))
    }
    gateway.upstream.answer = (_request, response) => {
      beginStream(response)
      response.write(opening + piece('begun'))
      response.end(`data: ${JSON.stringify({ error: { message: echo } })}\n\n`)
    }
    const stream = await gateway.stream()
    await stream.over
    seen.push(stream.text)
    look(await gateway.chat({ model: providerKey }, { key: 'wrong' }))
    look(await gateway.fetch(`/${masterKey}`))
    look(await gateway.fetch('/metrics'))
    look(await gateway.fetch('/health'))
    look(await gateway.fetch('/v1/models'))
    await gateway.stop()
    const all = [...seen, gateway.stdout, gateway.stderr].join('\n')
    for (const secret of [providerKey, masterKey]) {
      const at = all.indexOf(secret)
      assert.ok(at < 0, `a credential in: ${all.slice(Math.max(0, at - 300), at + 60)}`)
    }
  })

  test(`${variant.name}: keys of a file are accepted by their scope until they expire, and its changes are noticed`, async t => {
    const line = (id: string, key: string, more: object = {}): string =>
      JSON.stringify({ id, sha256: createHash('sha256').update(key).digest('hex'), ...more })
    const first = `${line('ci', 'key-of-ci')}\n${line('boss', 'key-of-boss', { scopes: ['admin'] })}\n${line('old', 'key-of-old', { expires_at: '2020-01-01T00:00:00Z' })}\n`
    const gateway = await startGateway(t, { ...variant })
    const file = join(dirname(gateway.configFile), 'keys.jsonl')
    writeFileSync(file, first)
    await gateway.reload({ auth: { keys_file: file } })
    assert.equal((await gateway.chat({}, { key: 'key-of-ci' })).status, 200)
    assert.equal((await gateway.chat({}, { key: 'key-of-boss' })).status, 200)
    assert.equal((await gateway.chat({}, { key: masterKey })).status, 200)
    assertError(await gateway.chat({}, { key: 'key-of-old' }), 401, 'authentication_error', 'invalid_api_key')
    assertError(await gateway.chat({}, { key: 'key-of-new' }), 401, 'authentication_error', 'invalid_api_key')
    assert.equal((await gateway.fetch('/metrics', { key: 'key-of-ci' })).status, 200)
    await gateway.logged(({ key_id }) => key_id === 'ci', 'who asked')
    writeFileSync(file, `${line('new', 'key-of-new')}\n`)
    await comesTrue(
      () => gateway.chat({}, { key: 'key-of-new' }).then(({ status }) => status === 200),
      'the new key to be accepted',
      15_000,
    )
    assertError(await gateway.chat({}, { key: 'key-of-ci' }), 401, 'authentication_error', 'invalid_api_key')
  })
}
