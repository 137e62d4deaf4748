import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comesTrue, type Gateway, startGateway } from '../support/gateway.ts'
import { answerAsOpenAi, beginStream, Gate, opening, piece, requestOf } from '../support/mock-openai.ts'
import { eventually } from '../support/raw-client.ts'

/** How a worker can go. */
const ends: readonly { name: string; kill: (gateway: Gateway, row: number) => Promise<void> }[] = [
  { name: 'throws', kill: (gateway, row) => gateway.inject(row, { kind: 'throw' }) },
  { name: 'runs out of memory', kill: (gateway, row) => gateway.inject(row, { kind: 'out-of-memory' }) },
  { name: 'loops for ever', kill: (gateway, row) => gateway.inject(row, { kind: 'loop' }) },
  { name: 'exits', kill: (gateway, row) => gateway.inject(row, { kind: 'exit', code: 0 }) },
  { name: 'is terminated', kill: (gateway, row) => gateway.terminate(row) },
]

for (const { name, kill } of ends) {
  test(`a worker that ${name} with 200 requests in flight takes only its own along, each with a proper end`, async t => {
    const gateway = await startGateway(t, {
      workers: 2,
      config: { runtime: { stuck_after: '1s', worker_memory_mb: 64 } },
    })
    const gate = new Gate()
    gateway.upstream.answer = async (request, response) => {
      const isStream = requestOf(request).stream === true
      if (isStream) {
        beginStream(response)
        response.write(opening + piece('begun'))
      }
      await gate.pass()
      if (isStream) response.end(piece('over') + 'data: [DONE]\n\n')
      else answerAsOpenAi(request, response)
    }
    const json = Array.from({ length: 100 }, () => gateway.chat())
    const streams = await Promise.all(Array.from({ length: 100 }, () => gateway.stream()))
    await Promise.all(
      streams.map(stream => stream.until(({ text }) => text.includes('begun'), 'the start of a stream')),
    )
    await eventually(() => gateway.upstream.open === 200, 'all requests to have reached the upstream')

    const [victim] = await gateway.threads('worker')
    await kill(gateway, victim.row)

    // Service is back at once: somebody answers while the other half still waits.
    const before = gateway.upstream.requests.length
    const fresh = gateway.chat()
    await eventually(() => gateway.upstream.requests.length > before, 'a new request to reach the upstream', 10_000)
    await eventually(
      () => streams.some(({ outcome }) => outcome !== null),
      'the streams of the lost worker to end',
      15_000,
    )
    await eventually(() => gateway.upstream.open <= 101, 'the upstream calls of the lost worker to be cut', 15_000)
    gate.open()
    assert.equal((await fresh).status, 200)

    const answers = await Promise.all(json)
    const lost = answers.filter(({ status }) => status !== 200)
    for (const answer of lost) {
      assert.equal(answer.status, 502)
      assert.equal(answer.error.code, 'worker_lost')
    }
    await Promise.all(streams.map(({ over }) => over))
    const broken = streams.filter(stream => !stream.isDone)
    for (const stream of broken) {
      assert.equal(stream.outcome, 'ended', 'a stream ends with an event, not with a cut connection')
      assert.notEqual(stream.error, null, stream.text.slice(-200))
    }
    // Two workers share the load evenly.
    assert.ok(lost.length >= 30 && lost.length <= 70, `${lost.length} of 100 answers were lost`)
    assert.ok(broken.length >= 30 && broken.length <= 70, `${broken.length} of 100 streams broke off`)

    await comesTrue(async () => (await gateway.threads('worker')).length === 2, 'a second worker')
    const after = await Promise.all(Array.from({ length: 20 }, () => gateway.chat()))
    assert.ok(after.every(({ status }) => status === 200))
    await comesTrue(async () => (await gateway.metric('gateway_in_flight_requests')) === 0, 'nothing in flight')
  })
}

test('requests that a hung worker never looked at are answered by its successor, each exactly once', async t => {
  const gateway = await startGateway(t, { config: { runtime: { stuck_after: '1s' } } })
  const [victim] = await gateway.threads('worker')
  await gateway.chat()
  gateway.upstream.requests.length = 0
  await gateway.inject(victim.row, { kind: 'loop' })
  const asked = Array.from({ length: 50 }, (_, i) => gateway.chat({ user: `user-${i}` }))
  const streams = Array.from({ length: 50 }, (_, i) => gateway.stream({ user: `stream-${i}` }))
  const answers = await Promise.all(asked)
  assert.deepEqual(
    answers.map(({ status, text }) => (status === 200 ? 200 : text)),
    answers.map(() => 200),
  )
  for (const stream of await Promise.all(streams)) {
    await stream.over
    assert.ok(stream.isDone, stream.text)
  }
  const users = gateway.upstream.requests.map(request => String(requestOf(request).user)).sort()
  assert.equal(new Set(users).size, 100)
  assert.equal(users.length, 100, 'no request reached the upstream twice')
})

test('service is back long before a hung worker is given up', async t => {
  const gateway = await startGateway(t, { config: { runtime: { stuck_after: '60s' } } })
  const [victim] = await gateway.threads('worker')
  await gateway.inject(victim.row, { kind: 'loop' })
  await comesTrue(async () => (await gateway.threads('worker')).length === 2, 'a spare worker', 5_000)
  await comesTrue(async () => (await gateway.fetch('/readyz')).status === 200, 'to be ready again', 5_000)
  const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.chat()))
  assert.ok(answers.every(({ status }) => status === 200))
})

test('a worker that was only busy loses nothing, and no thread too many stays', async t => {
  const gateway = await startGateway(t, { workers: 2 })
  const [busy] = await gateway.threads('worker')
  await gateway.inject(busy.row, { kind: 'block', ms: 900 })
  const answers = await Promise.all(Array.from({ length: 100 }, () => gateway.chat()))
  assert.ok(answers.every(({ status }) => status === 200))
  await comesTrue(async () => (await gateway.threads('worker')).length === 2, 'two workers again')
  await comesTrue(async () => (await gateway.metric('gateway_workers', { state: 'live' })) === 2, 'both to be live')
})

test('silences that pass by themselves are not answered with one new worker after the other', async t => {
  const gateway = await startGateway(t)
  const [busy] = await gateway.threads('worker')
  for (let silence = 0; silence < 4; silence++) {
    await gateway.inject(busy.row, { kind: 'block', ms: 900 })
    const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.chat()))
    assert.ok(answers.every(({ status }) => status === 200))
    await comesTrue(async () => (await gateway.threads('worker')).length === 1, 'one worker again')
  }
  assert.deepEqual((await gateway.threads('worker'))[0].row, busy.row, 'the one that is warm')
  // The first silence has a spare; the others come before the next one's time.
  assert.ok((await gateway.metric('gateway_worker_restarts_total')) <= 2)
})

test('a worker that holds too much memory finishes what it has, and another takes over', async t => {
  const gateway = await startGateway(t, { config: { runtime: { worker_memory_mb: 128 } } })
  const gate = new Gate()
  gateway.upstream.answer = async (request, response) => {
    await gate.pass()
    answerAsOpenAi(request, response)
  }
  const held = Array.from({ length: 20 }, () => gateway.chat())
  await eventually(() => gateway.upstream.open === 20, 'the requests to be under way')
  const [fat] = await gateway.threads('worker')
  await gateway.inject(fat.row, { kind: 'buffers', mb: 200 })
  await comesTrue(async () => (await gateway.threads('worker')).length === 2, 'a second worker')
  await gateway.logged(line => line.msg.includes('too much memory'), 'why a worker is replaced')
  const fresh = gateway.chat()
  await eventually(() => gateway.upstream.open === 21, 'a request at the new worker')
  gate.open()
  assert.deepEqual(
    [...(await Promise.all(held)), await fresh].map(({ status }) => status),
    Array(21).fill(200),
  )
  await comesTrue(
    async () => !(await gateway.threads('worker')).some(({ row }) => row === fat.row),
    'the fat worker to end',
  )
})

test('workers that die as they start make the gateway not ready, are started more and more rarely, and may come back', async t => {
  const gateway = await startGateway(t)
  await gateway.atStart('worker', { kind: 'throw' })
  const [victim] = await gateway.threads('worker')
  await gateway.terminate(victim.row)
  await comesTrue(
    async () => (await gateway.fetch('/readyz')).json.reason === 'threads keep dying',
    'the crash loop to be reported',
  )
  await gateway.logged(line => line.level === 'error' && line.msg.startsWith('crash loop'), 'the crash loop')
  assert.equal((await gateway.fetch('/livez')).status, 200)
  assert.equal((await gateway.fetch('/health')).status, 200)
  assert.ok((await gateway.metric('gateway_worker_restarts_total')) < 12, 'restarts are held back')
  const waiting = gateway.chat()
  await gateway.atStart('worker', null)
  const answer = await waiting
  assert.equal(answer.status, 200, answer.text)
})
