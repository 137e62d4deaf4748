import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { comesTrue, type Gateway, startGateway } from '../support/gateway.ts'
import { answerAsOpenAi, beginStream, Gate, opening, piece, requestOf } from '../support/mock-openai.ts'
import { eventually } from '../support/raw-client.ts'

const assertKilledWithReason = async (gateway: Gateway, reason: RegExp): Promise<void> => {
  const { code, signal } = await gateway.exited
  assert.equal(code, null)
  assert.equal(signal, 'SIGKILL', 'not SIGABRT, which leaves a core dump')
  assert.match(gateway.stderr, reason)
  const directory = dirname(gateway.configFile)
  assert.ok(existsSync(directory))
  assert.deepEqual(
    readdirSync(directory).filter(name => name.startsWith('core')),
    [],
  )
}

for (const engine of ['uws', 'node'] as const) {
  test(`${engine}: an acceptor that throws ends what it has with proper errors, and another takes its port`, async t => {
    const gateway = await startGateway(t, { engine })
    const gate = new Gate()
    gateway.upstream.answer = async (request, response) => {
      if (requestOf(request).stream === true) {
        beginStream(response)
        response.write(opening + piece('begun'))
      }
      await gate.pass()
      if (!response.headersSent) answerAsOpenAi(request, response)
    }
    const json = Array.from({ length: 20 }, () =>
      gateway.chat().then(
        answer => answer,
        (error: Error) => error,
      ),
    )
    const streams = await Promise.all(Array.from({ length: 20 }, () => gateway.stream()))
    await Promise.all(
      streams.map(stream => stream.until(({ text }) => text.includes('begun'), 'the start of a stream')),
    )
    await eventually(() => gateway.upstream.open === 40, 'all requests to have reached the upstream')

    const [victim] = await gateway.threads('acceptor')
    await gateway.inject(victim.row, { kind: 'throw' })
    for (const answer of await Promise.all(json)) {
      assert.ok(!(answer instanceof Error), `no answer: ${String(answer)}`)
      assert.equal(answer.status, 500)
      assert.equal(answer.error.code, 'internal_error')
    }
    for (const stream of streams) {
      assert.equal(await stream.over, 'ended')
      assert.notEqual(stream.error, null, stream.text.slice(-200))
    }
    await eventually(() => gateway.upstream.open === 0, 'the upstream calls to be cancelled')
    gate.open()
    await comesTrue(
      () =>
        gateway.chat().then(
          ({ status }) => status === 200,
          () => false,
        ),
      'service from the new acceptor',
    )
    await gateway.logged(line => line.level === 'error' && line.msg === 'acceptor fault', 'the fault')
    await comesTrue(async () => (await gateway.threads('acceptor')).length === 1, 'one acceptor')
    assert.equal((await gateway.stop()).code, 0)
  })
}

test('uws: an acceptor that throws leaves the connections of the other one alone', async t => {
  const gateway = await startGateway(t, { engine: 'uws', acceptors: 2 })
  const gate = new Gate()
  gateway.upstream.answer = async (request, response) => {
    await gate.pass()
    answerAsOpenAi(request, response)
  }
  const asked = Array.from({ length: 60 }, () =>
    gateway.chat().then(
      ({ status }) => status,
      () => 0,
    ),
  )
  await eventually(() => gateway.upstream.open === 60, 'all requests to have reached the upstream')
  const [victim] = await gateway.threads('acceptor')
  await gateway.inject(victim.row, { kind: 'throw' })
  await eventually(() => gateway.upstream.open < 60, 'the calls of one acceptor to be cancelled')
  await comesTrue(
    async () =>
      (await gateway.fetch('/health').then(({ json }) => (json.threads as { acceptors: number }).acceptors)) === 2,
    'two acceptors again',
  )
  gate.open()
  const statuses = await Promise.all(asked)
  const answered = statuses.filter(status => status === 200).length
  const failed = statuses.filter(status => status === 500).length
  assert.ok(answered > 0, 'the other acceptor answered its requests')
  assert.equal(answered + failed, 60, `statuses: ${statuses.join(' ')}`)
})

for (const engine of ['uws', 'node'] as const) {
  test(`${engine}: an acceptor that hangs ends the process with a reason, not with an abort`, async t => {
    const gateway = await startGateway(t, { engine, config: { runtime: { stuck_after: '1s' } } })
    gateway.mayEnd()
    const [victim] = await gateway.threads('acceptor')
    await gateway.inject(victim.row, { kind: 'loop' })
    await assertKilledWithReason(gateway, /ferrite: fatal: acceptor-\d+ does not respond/)
  })

  test(`${engine}: an exception in main ends the process with a reason, not with an abort`, async t => {
    const gateway = await startGateway(t, { engine })
    gateway.mayEnd()
    await gateway.injectInMain({ kind: 'throw' })
    await assertKilledWithReason(gateway, /ferrite: fatal: main: Error: injected fault/)
  })
}

for (const workers of [0, 1]) {
  test(`with ${workers} workers a main thread that hangs is noticed by the others, who end the process with a reason`, async t => {
    const gateway = await startGateway(t, { workers, config: { runtime: { stuck_after: '500ms' } } })
    gateway.mayEnd()
    await gateway.injectInMain({ kind: 'loop' })
    await assertKilledWithReason(gateway, /ferrite: fatal: the main thread does not respond/)
  })
}
