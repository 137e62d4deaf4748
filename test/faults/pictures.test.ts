import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Config, comesTrue, type Gateway, masterKey, startGateway } from '../support/gateway.ts'
import { Gate, json, type MockAnswer, startMockOpenAi } from '../support/mock-openai.ts'
import { eventually, RawClient } from '../support/raw-client.ts'

/** What goes wrong while a request takes several calls, or its body is long. */

const flux = '@cf/black-forest-labs/flux-1-schnell'
const kontext = 'accounts/fireworks/models/flux-kontext-pro'
const drawn = '{"result":{"image":"AAAA"},"success":true,"errors":[]}'

async function start(t: Parameters<typeof startGateway>[0], answer: MockAnswer, more: Config = {}) {
  const upstream = await startMockOpenAi(t, answer)
  const config = {
    strategy: { mode: 'fallback' },
    targets: [
      {
        virtual_key: 'cloudflare',
        account_id: 'a1',
        api_key: 'cf-canary-key',
        base_url: `${upstream.url}/ai/v1`,
        models: [flux, '@cf/openai/whisper'],
      },
      { virtual_key: 'fireworks', api_key: 'fw-canary-key', base_url: `${upstream.url}/fw`, models: [kontext] },
    ],
    ...more,
  }
  return { upstream, config, gateway: await startGateway(t, { config }) }
}

const draw = (gateway: Gateway, model: string, more: object = {}, signal?: AbortSignal) =>
  gateway.fetch('/v1/images/generations', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'a kite', ...more }),
    signal,
  })

test('a job that can’t be asked after for a moment is asked after again, not begun anew', async t => {
  let polls = 0
  const { upstream, gateway } = await start(t, (request, response) => {
    if (!request.path.endsWith('/get_result')) return json(response, 200, '{"request_id":"r1"}')
    polls++
    if (polls === 1) return json(response, 503, '{"error":{"message":"busy"}}')
    if (polls === 2) return void request.socket.destroy()
    json(response, 200, '{"id":"r1","status":"Ready","result":{"sample":"https://cdn.test/k.png"}}')
  })
  const { status, json: body, text } = await draw(gateway, kontext)
  assert.equal(status, 200, text)
  assert.deepEqual(body.data, [{ url: 'https://cdn.test/k.png' }])
  assert.equal(upstream.requests.filter(({ path }) => !path.endsWith('/get_result')).length, 1)
})

test('a client that leaves gets no further picture drawn', async t => {
  const gate = new Gate()
  const { upstream, gateway } = await start(t, async (_, response) => {
    if (upstream.requests.length > 2) await gate.pass()
    json(response, 200, drawn)
  })
  const leaves = new AbortController()
  const left = draw(gateway, flux, { n: 10 }, leaves.signal)
  await eventually(() => upstream.requests.length === 3, 'the third picture to be asked for')
  leaves.abort()
  await assert.rejects(left)
  await eventually(() => upstream.open === 0, 'its call to be cut')
  gate.open()
  assert.equal((await draw(gateway, flux)).status, 200)
  assert.equal(upstream.requests.length, 4)
})

test('a worker that ends between two pictures takes its request along, and no other', async t => {
  const gate = new Gate()
  const { upstream, gateway } = await start(t, async (_, response) => {
    if (upstream.requests.length === 2) await gate.pass()
    json(response, 200, drawn)
  })
  const lost = draw(gateway, flux, { n: 3 })
  await eventually(() => upstream.requests.length === 2, 'the second picture to be asked for')
  const [worker] = await gateway.threads('worker')
  await gateway.terminate(worker.row)
  const { status, error } = await lost
  assert.deepEqual([status, error.code], [502, 'worker_lost'])
  gate.open()
  assert.equal((await draw(gateway, flux)).status, 200)
})

test('an upstream that cuts the second picture fails them all, and the cost is unknown', async t => {
  const { upstream, gateway } = await start(t, (request, response) => {
    if (upstream.requests.length !== 2) return json(response, 200, drawn)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': drawn.length })
    response.write(drawn.slice(0, 9), () => request.socket.destroy())
  })
  const { status, error } = await draw(gateway, flux, { n: 2 })
  assert.deepEqual([status, error.code], [502, 'upstream_error'])
  await comesTrue(async () => (await gateway.metric('gateway_requests_unpriced_total')) === 1, 'the cost to be unknown')
})

test('a reload while pictures are drawn changes nothing for them', async t => {
  const gate = new Gate()
  const { upstream, config, gateway } = await start(t, async (_, response) => {
    if (upstream.requests.length === 2) await gate.pass()
    json(response, 200, drawn)
  })
  const under = draw(gateway, flux, { n: 3 })
  await eventually(() => upstream.requests.length === 2, 'the second picture to be asked for')
  await gateway.reload({ ...config, targets: config.targets.slice(1) })
  gate.open()
  const { status, json: body } = await under
  assert.deepEqual([status, (body.data as unknown[]).length], [200, 3])
  assert.equal((await draw(gateway, flux)).status, 404, 'the next one finds the new config')
})

test('uploads that are begun and never finished fill their budget, not the worker', async t => {
  const { gateway } = await start(t, (_, response) => json(response, 200, '{"result":{"text":"Hi."},"success":true}'), {
    runtime: { workers: 1, worker_memory_mb: 128 },
  })
  const size = 24 << 20
  const head = [
    'POST /v1/audio/transcriptions HTTP/1.1',
    'host: x',
    `authorization: Bearer ${masterKey}`,
    'content-type: multipart/form-data; boundary=b',
    `content-length: ${size}`,
    '\r\n',
  ].join('\r\n')
  const port = Number(new URL(gateway.url).port)
  const held: RawClient[] = []
  for (let i = 0; i < 2; i++) {
    const client = await RawClient.connect(t, port)
    await client.send(head)
    await client.send(Buffer.alloc(size - 1))
    held.push(client)
  }
  const refused = await RawClient.connect(t, port)
  await refused.send(head)
  void refused.send(Buffer.alloc(size - 1))
  await eventually(() => refused.receivedBytes > 0, 'the third upload to be refused', 20_000)
  const answer = refused.received.toString('latin1')
  assert.match(answer, /^HTTP\/1\.1 503 /)
  assert.match(answer, /\r\nretry-after: 1\r\n/i)
  for (const { isClosed, receivedBytes } of held) assert.deepEqual([isClosed, receivedBytes], [false, 0])
  for (const { socket } of held) socket.destroy()
  const form = `--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n@cf/openai/whisper\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`
  const body = Buffer.concat([Buffer.from(form), Buffer.alloc(20 << 20), Buffer.from('\r\n--b--\r\n')])
  const hear = () =>
    gateway.fetch('/v1/audio/transcriptions', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body,
    })
  await comesTrue(async () => (await hear()).status === 200, 'room for the next upload')
})
