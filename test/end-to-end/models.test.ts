import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comesTrue, type Gateway, startGateway } from '../support/gateway.ts'
import { answerAsOpenAi, json, type MockAnswer, startMockOpenAi } from '../support/mock-openai.ts'

interface Entry {
  readonly id: string
  readonly [field: string]: unknown
}

const modelsOf = async (gateway: Gateway): Promise<Entry[]> => (await gateway.fetch('/v1/models')).json.data as Entry[]

/** Lists these models, and answers chats as usual. */
const serving =
  (...ids: string[]): MockAnswer =>
  (request, response) => {
    if (request.path !== '/v1/models') return answerAsOpenAi(request, response)
    json(response, 200, JSON.stringify({ object: 'list', data: ids.map(id => ({ id, object: 'model', created: 99 })) }))
  }

test('the models of a provider are listed with what is known of them', async t => {
  // No call is made: listing needs none.
  const gateway = await startGateway(t, { config: { targets: [{ provider: 'openai', api_key: 'sk-none' }] } })
  const models = await modelsOf(gateway)
  const mini = models.find(({ id }) => id === 'gpt-4o-mini')!
  assert.deepEqual(
    [mini.owned_by, mini.mode, mini.context_window, mini.max_output_tokens],
    ['openai', 'chat', 128_000, 16_384],
  )
  assert.ok((mini.capabilities as string[]).includes('function_calling'))
  assert.equal(models.find(({ id }) => id === 'whisper-1')?.mode, 'audio_transcription')
  assert.equal((await gateway.fetch('/v1/models/gpt-4o-mini')).json.context_window, 128_000)
})

test('what an upstream says it serves is listed and routed to, also after a reload, and nobody is asked unless it is wanted', async t => {
  const upstream = await startMockOpenAi(t)
  upstream.answer = serving('in-house-1', 'gpt-4o')
  const target = {
    name: 'house',
    provider: 'openai',
    api_key: 'sk-h',
    base_url: `${upstream.url}/v1`,
    models: ['mine'],
  }
  const config = { targets: [target, { name: 'demo', provider: 'demo' }] }
  const silent = await startGateway(t, { config })
  assert.ok(!(await modelsOf(silent)).some(({ id }) => id === 'in-house-1'))
  assert.equal(upstream.requests.length, 0)

  const gateway = await startGateway(t, { config, env: { FERRO_MODEL_DISCOVERY_INTERVAL: '1m' } })
  const isListed = async (): Promise<boolean> => (await modelsOf(gateway)).some(({ id }) => id === 'in-house-1')
  await comesTrue(isListed, 'the discovered model to be listed')
  const entry = (await modelsOf(gateway)).find(({ id }) => id === 'in-house-1')!
  assert.deepEqual([entry.owned_by, entry.created], ['openai', 99])
  const answer = await gateway.chat({ model: 'in-house-1' })
  assert.equal(answer.headers['x-gateway-provider'], 'house')
  gateway.child.kill('SIGHUP')
  await comesTrue(
    () => Promise.resolve(gateway.logs.filter(({ msg }) => msg === 'config reloaded').length >= 2),
    'the reload',
  )
  assert.ok(await isListed(), 'a reload forgets nothing')
})

test('a newer catalog is in force soon after the start, and one that is wrong changes nothing', async t => {
  const shelf = await startMockOpenAi(t)
  const document = { version: 1, sections: [{ id: 'openai', models: [{ id: 'gpt-4o', context: 7 }] }] }
  shelf.answer = (request, response) =>
    json(
      response,
      200,
      request.path === '/good' ? JSON.stringify(document) : '{"version":1,"sections":[{"id":"openai"}]}',
    )
  const contextWindow = async (gateway: Gateway): Promise<unknown> =>
    (await gateway.fetch('/v1/models/gpt-4o')).json.context_window

  const good = await startGateway(t, { env: { FERRO_MODEL_CATALOG_URL: `${shelf.url}/good` } })
  await comesTrue(async () => (await contextWindow(good)) === 7, 'the newer catalog')

  const bad = await startGateway(t, { env: { FERRO_MODEL_CATALOG_URL: `${shelf.url}/bad` } })
  const isSaid = (): boolean => bad.logs.some(({ msg }) => msg === 'the catalog of models was not refreshed')
  await comesTrue(() => Promise.resolve(isSaid()), 'the failure to be logged')
  assert.equal(await contextWindow(bad), 128_000)
  assert.match((await bad.fetch('/metrics')).text, /gateway_catalog_loads_total\{source="remote",result="failed"\} 1/)
})
