import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, comesTrue, type Gateway, startGateway } from '../support/gateway.ts'
import {
  answerAsOpenAi,
  beginStream,
  closing,
  completion,
  done,
  json,
  type MockAnswer,
  opening,
  piece,
  startMockOpenAi,
} from '../support/mock-openai.ts'
import { eventually } from '../support/raw-client.ts'

/** Answers one after the other; the last one again and again. */
function inTurn(...answers: MockAnswer[]): MockAnswer {
  let next = 0
  return (request, response) => answers[Math.min(next++, answers.length - 1)](request, response)
}
const failing =
  (status: number, headers: Record<string, string> = {}, message = `status ${status}`): MockAnswer =>
  (_request, response) =>
    json(response, status, JSON.stringify({ error: { message, type: 'some_error' } }), headers)

const target = (name: string, url: string, more: object = {}) => ({
  name,
  provider: 'openai',
  api_key: `sk-of-${name}`,
  base_url: `${url}/v1`,
  ...more,
})

const assertError = (answer: Answer, status: number, type: string, code: string, message?: RegExp): void => {
  assert.equal(answer.status, status, answer.text)
  assert.deepEqual([answer.error.type, answer.error.code], [type, code])
  if (message !== undefined) assert.match(answer.error.message, message)
}

test('what an upstream’s status means to the client', async t => {
  const gateway = await startGateway(t)
  const table: readonly [number, number, string, string, RegExp?][] = [
    [429, 429, 'rate_limit_error', 'rate_limit_exceeded', /^rate limit exceeded$/],
    [401, 502, 'upstream_error', 'upstream_auth_error'],
    [403, 502, 'upstream_error', 'upstream_auth_error'],
    [404, 404, 'invalid_request_error', 'model_not_found', /no longer offers it/],
    [400, 400, 'invalid_request_error', 'invalid_request', /^too hot$/],
    [422, 422, 'invalid_request_error', 'invalid_request', /^too hot$/],
    [408, 504, 'upstream_error', 'upstream_timeout'],
    [504, 504, 'upstream_error', 'upstream_timeout'],
    [500, 502, 'upstream_error', 'upstream_error'],
    [502, 502, 'upstream_error', 'upstream_error'],
    [503, 502, 'upstream_error', 'upstream_error'],
    [418, 502, 'upstream_error', 'upstream_error'],
    [402, 502, 'upstream_error', 'upstream_error'],
    [301, 502, 'upstream_error', 'upstream_error'],
    [201, 502, 'upstream_error', 'upstream_error'],
  ]
  for (const [upstream, status, type, code, message] of table) {
    await t.test(`${upstream} → ${status} ${code}`, async () => {
      gateway.upstream.answer = failing(upstream, {}, 'too hot')
      for (const stream of [false, true]) {
        const answer = await gateway.chat({ stream })
        assertError(answer, status, type, code, message)
        if (status !== 400 && status !== 422)
          assert.ok(!answer.text.includes('too hot'), 'what an upstream says of itself is its own business')
      }
    })
  }
  await t.test('a page of a proxy is never quoted', async () => {
    gateway.upstream.answer = (_request, response) => {
      response.writeHead(400, { 'content-type': 'text/html' })
      response.end('<html>internal-host-17 says no</html>')
    }
    const answer = await gateway.chat()
    assertError(answer, 400, 'invalid_request_error', 'invalid_request')
    assert.ok(!answer.text.includes('internal-host'))
  })
  await t.test('its hint when to come back is passed on, in whole seconds', async () => {
    for (const [headers, seconds] of [
      [{ 'retry-after': '7' }, '7'],
      [{ 'retry-after': '0.2' }, '1'],
      [{ 'retry-after-ms': '2500' }, '3'],
      [{}, '1'],
    ] as const) {
      gateway.upstream.answer = failing(429, headers)
      assert.equal((await gateway.chat()).headers['retry-after'], seconds, JSON.stringify(headers))
    }
    gateway.upstream.answer = failing(503, { 'retry-after': '9' })
    assert.equal((await gateway.chat()).headers['retry-after'], '9')
  })
})

test('retry', async t => {
  const gateway = await startGateway(t)
  const retry = { attempts: 3, initial_backoff_ms: 1 }
  const targets = [target('first', gateway.upstream.url, { retry })]
  await gateway.reload({ targets })
  const asked = async (
    answer: MockAnswer,
    more: object = {},
  ): Promise<{ status: number; calls: number; answer: Answer }> => {
    const before = gateway.upstream.requests.length
    gateway.upstream.answer = answer
    const got = await gateway.chat(more)
    return { status: got.status, calls: gateway.upstream.requests.length - before, answer: got }
  }

  for (const status of [408, 429, 500, 502, 503, 504, 529]) {
    await t.test(`${status} is worth another attempt at the same target`, async () => {
      const { status: got, calls } = await asked(inTurn(failing(status), failing(status), answerAsOpenAi))
      assert.deepEqual([got, calls], [200, 3])
    })
  }
  for (const status of [400, 401, 403, 404, 413, 422, 302]) {
    await t.test(`${status} is not`, async () => {
      const { calls } = await asked(inTurn(failing(status), answerAsOpenAi))
      assert.equal(calls, 1)
    })
  }
  await t.test('after the last attempt the client hears of the last failure', async () => {
    const { answer, calls } = await asked(inTurn(failing(500), failing(500), failing(429, { 'retry-after': '5' })))
    assertError(answer, 429, 'rate_limit_error', 'rate_limit_exceeded')
    assert.deepEqual([calls, answer.headers['retry-after']], [3, '5'])
  })
  await t.test('a connection that breaks is worth another attempt, and the whole body is sent again', async () => {
    const { status, calls } = await asked(
      inTurn(
        (_request, response) => void response.destroy(),
        (_request, response) => void response.destroy(),
        answerAsOpenAi,
      ),
      { user: 'x'.repeat(200_000) },
    )
    assert.equal(status, 200)
    // A reused connection that broke before any byte is tried once more by itself.
    assert.ok(calls >= 3)
    assert.equal(gateway.upstream.requests.at(-1)!.body.length, gateway.upstream.requests.at(-2)!.body.length)
  })
  await t.test('a stream that has not begun may be tried again, although its status was 200', async () => {
    const broken: MockAnswer = (_request, response) => {
      beginStream(response)
      response.write(opening)
      response.end('data: {"error":{"message":"overloaded","type":"server_error"}}\n\n')
    }
    const before = gateway.upstream.requests.length
    gateway.upstream.answer = inTurn(broken, broken, answerAsOpenAi)
    const stream = await gateway.stream()
    await stream.over
    assert.equal(stream.text, opening + piece('Hel') + piece('lo there') + closing + done)
    assert.equal(gateway.upstream.requests.length - before, 3)
  })
  await t.test('a stream that has begun is not', async () => {
    const before = gateway.upstream.requests.length
    gateway.upstream.answer = (_request, response) => {
      beginStream(response)
      response.write(opening + piece('begun'))
      setTimeout(() => response.destroy(), 50)
    }
    const stream = await gateway.stream()
    await stream.over
    assert.equal(stream.error?.code, 'stream_error')
    assert.equal(gateway.upstream.requests.length - before, 1)
  })
  await t.test('each attempt is a span of its own', async () => {
    await asked(inTurn(failing(500), answerAsOpenAi))
    const [one, two] = gateway.upstream.requests.slice(-2).map(({ headers }) => String(headers.traceparent).split('-'))
    assert.equal(one[1], two[1])
    assert.notEqual(one[2], two[2])
  })
  await t.test(
    'a wait that the upstream asks for is kept when it is short, and the target given up when it is long',
    async () => {
      const started = performance.now()
      const { status, calls } = await asked(inTurn(failing(429, { 'retry-after-ms': '300' }), answerAsOpenAi))
      assert.deepEqual([status, calls], [200, 2])
      assert.ok(performance.now() - started >= 290)
      const long = await asked(inTurn(failing(429, { 'retry-after': '31' }), answerAsOpenAi))
      assert.deepEqual([long.status, long.calls, long.answer.headers['retry-after']], [429, 1, '31'])
    },
  )
  await t.test('a list of statuses is taken at its word', async () => {
    await gateway.reload({
      targets: [target('first', gateway.upstream.url, { retry: { ...retry, on_status_codes: [404, 500] } })],
    })
    assert.equal((await asked(inTurn(failing(404), answerAsOpenAi))).calls, 2)
    assert.equal((await asked(inTurn(failing(500), answerAsOpenAi))).calls, 2)
    assert.equal((await asked(inTurn(failing(503), answerAsOpenAi))).calls, 1)
    assert.equal((await asked(inTurn(failing(429), answerAsOpenAi))).calls, 1)
  })
  await t.test('a client that leaves during the wait ends it', async () => {
    await gateway.reload({
      targets: [target('first', gateway.upstream.url, { retry: { attempts: 3, initial_backoff_ms: 1 } })],
    })
    gateway.upstream.answer = failing(429, { 'retry-after': '2' })
    const before = gateway.upstream.requests.length
    const leaving = new AbortController()
    const gone = gateway.chat({}, { signal: leaving.signal }).catch(() => null)
    await eventually(() => gateway.upstream.requests.length === before + 1, 'the first attempt')
    leaving.abort()
    await gone
    await comesTrue(async () => (await gateway.metric('gateway_in_flight_requests')) === 0, 'nothing to be in flight')
    assert.equal(gateway.upstream.requests.length, before + 1)
  })
  await t.test('a deadline for the request ends attempts, waits and calls', async () => {
    await gateway.reload({ request_timeout: '300ms', targets: [target('first', gateway.upstream.url, { retry })] })
    gateway.upstream.answer = () => {}
    assertError(await gateway.chat(), 504, 'upstream_error', 'gateway_timeout')
    await eventually(() => gateway.upstream.open === 0, 'the call to be cancelled')
    gateway.upstream.answer = failing(429, { 'retry-after': '20' })
    assertError(await gateway.chat(), 504, 'upstream_error', 'gateway_timeout')
    gateway.upstream.answer = async (_request, response) => {
      beginStream(response)
      for (let i = 0; i < 10; i++) {
        response.write(i === 0 ? opening + piece('0') : piece(String(i)))
        await new Promise(resolve => setTimeout(resolve, 60))
      }
      response.end(closing + done)
    }
    const stream = await gateway.stream()
    await stream.over
    assert.ok(stream.isDone, 'a stream that flows is not bounded by it')
  })
})

test('fallback', async t => {
  const second = await startMockOpenAi(t)
  const gateway = await startGateway(t)
  const targets = [target('first', gateway.upstream.url), target('second', second.url)]
  await gateway.reload({ targets })
  const calls = (): [number, number] => [gateway.upstream.requests.length, second.requests.length]
  const claim = (name: string, body: () => Promise<void>): Promise<void> =>
    t.test(name, async () => {
      gateway.upstream.requests.length = 0
      second.requests.length = 0
      gateway.upstream.answer = answerAsOpenAi
      second.answer = answerAsOpenAi
      await body()
    })

  await claim('while the first target answers, the second is not asked', async () => {
    const answer = await gateway.chat()
    assert.equal(answer.headers['x-gateway-provider'], 'first')
    assert.deepEqual(calls(), [1, 0])
  })
  for (const status of [400, 401, 403, 404, 408, 413, 422, 429, 500, 503]) {
    await claim(`${status} of the first is followed by the second`, async () => {
      gateway.upstream.answer = failing(status)
      const answer = await gateway.chat()
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['x-gateway-provider'], 'second')
      assert.deepEqual(calls(), [1, 1])
      assert.equal(second.requests[0].headers.authorization, 'Bearer sk-of-second')
      assert.deepEqual(second.requests[0].body, gateway.upstream.requests[0].body)
    })
  }
  await claim('so are a broken connection, garbage in place of an answer, and a stream without content', async () => {
    const ways: MockAnswer[] = [
      (_request, response) => void response.socket?.resetAndDestroy(),
      (_request, response) => void response.socket?.end('nonsense\r\n\r\n'),
      (_request, response) => json(response, 200, 'not JSON'),
      (_request, response) => json(response, 200, '{"error":{"message":"inside"}}'),
    ]
    for (const way of ways) {
      gateway.upstream.answer = way
      assert.equal((await gateway.chat()).headers['x-gateway-provider'], 'second')
    }
    gateway.upstream.answer = (_request, response) => {
      beginStream(response)
      response.end(opening)
    }
    const stream = await gateway.stream()
    await stream.over
    assert.equal(stream.headers['x-gateway-provider'], 'second')
    assert.equal(stream.text, opening + piece('Hel') + piece('lo there') + closing + done)
  })
  await claim('a stream that has begun stays with its target', async () => {
    gateway.upstream.answer = (_request, response) => {
      beginStream(response)
      response.write(opening + piece('begun'))
      setTimeout(() => response.destroy(), 50)
    }
    const stream = await gateway.stream()
    await stream.over
    assert.notEqual(stream.error, null)
    assert.deepEqual(calls(), [1, 0])
  })
  await claim('when all fail, the client hears of the last one', async () => {
    gateway.upstream.answer = failing(500)
    second.answer = failing(429)
    const answer = await gateway.chat()
    assertError(answer, 429, 'rate_limit_error', 'rate_limit_exceeded')
    assert.equal(answer.headers['x-gateway-provider'], 'second')
    assert.deepEqual(calls(), [1, 1])
  })
  await claim('what the client got wrong itself is asked of nobody', async () => {
    assert.equal((await gateway.chat({ temperature: 99 })).status, 400)
    assert.deepEqual(calls(), [0, 0])
  })
  await claim('a target that lists the model is asked before those that take any', async () => {
    await gateway.reload({ targets: [targets[0], { ...targets[1], models: ['mine'] }] })
    const answer = await gateway.chat({ model: 'mine' })
    assert.equal(answer.headers['x-gateway-provider'], 'second')
    assert.deepEqual(calls(), [0, 1])
  })
  await claim('in the mode single nobody is asked but the first', async () => {
    await gateway.reload({ strategy: { mode: 'single' }, targets })
    gateway.upstream.answer = failing(500)
    assertError(await gateway.chat(), 502, 'upstream_error', 'upstream_error')
    assert.deepEqual(calls(), [1, 0])
  })
  await claim('what happened on the way is counted', async () => {
    assert.ok((await gateway.metric('gateway_provider_errors_total', { provider: 'first' })) > 10)
  })
})

test('a provider whose answers are normalised: text that is not its own stays out, unknown fields stay in', async t => {
  const gateway = await startGateway(t)
  await gateway.reload({
    targets: [{ provider: 'openai-compatible', base_url: gateway.upstream.url, api_key: 'sk-local' }],
  })
  gateway.upstream.answer = (_request, response) =>
    json(response, 200, '{"choices":[{"message":{"content":"hi","extra":1},"finish_reason":"eos"}],"x":{"y":2}}')
  const { json: body } = await gateway.chat({ model: 'local-model' })
  assert.equal(body.object, 'chat.completion')
  assert.equal(body.model, 'local-model')
  assert.deepEqual(body.x, { y: 2 })
  const message = { role: 'assistant', content: 'hi', refusal: null, extra: 1 }
  assert.deepEqual(body.choices, [{ index: 0, message, logprobs: null, finish_reason: 'stop' }])
  gateway.upstream.answer = (_request, response) => json(response, 200, completion('z'.repeat(3_000_000)))
  assert.ok((await gateway.chat({ model: 'local-model' })).text.length > 3_000_000)
})

test('a stream that is silent gets comment lines where that is configured, once it has begun', async t => {
  const gateway = await startGateway(t, { config: { stream: { heartbeat: '100ms' } } })
  let half: () => void = () => {}
  let more: () => void = () => {}
  gateway.upstream.answer = (_request, response) => {
    beginStream(response)
    response.write(opening + piece('one'))
    half = () => response.write(piece('two').slice(0, 50))
    more = () => response.end(piece('two').slice(50) + closing + done)
  }
  const stream = await gateway.stream()
  const beats = (count: number) =>
    stream.until(({ text }) => (text.match(/^:/gm) ?? []).length >= count, 'comment lines')
  await beats(3)
  // Within an event of the upstream it would be a part of it.
  half()
  await beats(5)
  more()
  await stream.over
  const events = stream.text.split('\n\n').filter(event => !event.startsWith(':'))
  assert.equal(events.join('\n\n'), opening + piece('one') + piece('two') + closing + done)
})

test('the limit for one client address is one limit for all threads', async t => {
  const gateway = await startGateway(t, { workers: 2, env: { RATE_LIMIT_RPS: '1', RATE_LIMIT_BURST: '10' } })
  const answers = await Promise.all(Array.from({ length: 40 }, () => gateway.chat()))
  const limited = answers.filter(({ status }) => status === 429)
  assert.ok(limited.length >= 25 && limited.length <= 30, `${limited.length} of 40 were limited`)
  assertError(limited[0], 429, 'rate_limit_error', 'rate_limit_exceeded')
  assert.match(String(limited[0].headers['retry-after']), /^[1-9]/)
  for (const path of ['/health', '/livez', '/readyz']) assert.equal((await gateway.fetch(path)).status, 200)
  const other = await gateway.chat({}, { headers: { 'x-forwarded-for': '203.0.113.9' } })
  assert.equal(other.status, 200, 'another address behind a trusted proxy has its own')
  await comesTrue(() => limitedCount(gateway).then(count => count >= limited.length), 'them to be counted', 5_000)
})

async function limitedCount(gateway: Gateway): Promise<number> {
  // Over an address that is not limited.
  const { text } = await gateway.fetch('/metrics', {
    headers: { 'x-forwarded-for': `198.51.100.${1 + ((performance.now() % 250) | 0)}` },
  })
  return Number(/^gateway_rate_limit_rejections_total\{key_type="ip"\} (\d+)/m.exec(text)?.[1] ?? 0)
}
