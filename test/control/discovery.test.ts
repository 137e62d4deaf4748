import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anthropicModels, openaiModels } from '../../providers/model-lists.ts'
import { Discovery } from '../../src/control/discovery.ts'
import { defineProvider, type Discovery as Listing, type Provider } from '../../src/core/provider.ts'
import type { TargetData } from '../../src/core/snapshot.ts'
import { snapshotData, targetData } from '../pipeline/harness.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { logOf, startServer, upstreamFor } from './support.ts'

const providerOf = (id: string, discovery: Listing | undefined): Provider =>
  defineProvider({
    id,
    settings: { baseUrl: {}, apiKey: { secret: true } },
    origin: ({ baseUrl }) => baseUrl,
    auth: ({ apiKey }) => ({ scheme: 'bearer', token: apiKey }),
    headers: () => ({ 'x-team': 'red' }),
    codecs: {},
    ...(discovery !== undefined && { discovery }),
  })

const target = (key: string, provider: string, baseUrl: string): TargetData =>
  targetData(key, { provider, settings: { baseUrl, apiKey: 'sk-secret' } })

function discoveryOf(t: Lifetime, providers: Provider[], targets: TargetData[]) {
  const log = logOf()
  const changes: string[] = []
  const snapshot = snapshotData({ targets })
  const discovery = new Discovery({
    providers,
    upstream: upstreamFor(t),
    log,
    userAgent: 'test/1',
    intervalMs: 3_600_000,
    targets: () => ({ snapshot, fingerprint: key => key }),
    onChange: () => changes.push('changed'),
  })
  return { discovery, log, changes, ids: (key: string) => discovery.of(key).map(({ id }) => id) }
}

const list = (...ids: string[]): string =>
  JSON.stringify({ object: 'list', data: ids.map(id => ({ id, object: 'model', created: 1_700_000_000 })) })

test('an upstream is asked with its credential, and what it says is known', async t => {
  const server = await startServer(t, { '/v1/models': { body: list('a', 'b') } })
  const { discovery, changes, ids } = discoveryOf(
    t,
    [providerOf('lab', openaiModels)],
    [target('one', 'lab', `${server.url}/v1`)],
  )
  await discovery.round()
  assert.deepEqual(ids('one'), ['a', 'b'])
  assert.equal(discovery.of('one')[0].created, 1_700_000_000)
  assert.deepEqual(changes, ['changed'])
  const { headers } = server.requests[0]
  assert.equal(headers.authorization, 'Bearer sk-secret')
  assert.equal(headers['x-team'], 'red')
})

test('another snapshot is wanted only when a list has changed, whatever its order', async t => {
  const server = await startServer(t, { '/models': { body: list('a', 'b') } })
  const { discovery, changes, ids } = discoveryOf(
    t,
    [providerOf('lab', openaiModels)],
    [target('one', 'lab', server.url)],
  )
  await discovery.round()
  server.answers['/models'] = { body: list('b', 'a') }
  await discovery.round()
  assert.equal(changes.length, 1)
  server.answers['/models'] = { body: list('b') }
  await discovery.round()
  assert.equal(changes.length, 2)
  assert.deepEqual(ids('one'), ['b'])
})

test('a round in which everybody changes makes one snapshot', async t => {
  const server = await startServer(t, { '/models': { body: list('a') } })
  const names = Array.from({ length: 20 }, (_, i) => `t${i}`)
  const { discovery, changes } = discoveryOf(
    t,
    [providerOf('lab', openaiModels)],
    names.map(name => target(name, 'lab', server.url)),
  )
  await Promise.all([discovery.round(), discovery.round()])
  assert.equal(server.requests.length, 20, 'a round that runs is not begun again')
  assert.equal(changes.length, 1)
})

/** [what, answer] */
const failures: [string, { status?: number; body?: string; location?: string }][] = [
  ['an error', { status: 500, body: '{}' }],
  ['a refusal', { status: 401, body: '{"error":{"message":"bad key sk-secret"}}' }],
  ['a redirect', { location: 'http://127.0.0.1:1/models' }],
  ['half a list', { body: '{"data":[' }],
  ['another form', { body: '{"data":{"a":1}}' }],
  ['no answer that is JSON', { body: '<html>' }],
]

for (const [what, answer] of failures)
  test(`${what} keeps the list as it was, is logged, and hinders nobody else`, async t => {
    const bad = await startServer(t, { '/models': { body: list('a') } })
    const good = await startServer(t, { '/models': { body: list('x') } })
    const { discovery, log, changes, ids } = discoveryOf(
      t,
      [providerOf('lab', openaiModels)],
      [target('bad', 'lab', bad.url), target('good', 'lab', good.url)],
    )
    await discovery.round()
    bad.answers['/models'] = answer
    good.answers['/models'] = { body: list('x', 'y') }
    await discovery.round()
    assert.deepEqual([ids('bad'), ids('good')], [['a'], ['x', 'y']])
    assert.equal(changes.length, 2)
    const [line] = log.lines
    assert.deepEqual([line[0], line[1]], ['warn', 'models could not be discovered'])
    assert.ok(!JSON.stringify(log.lines).includes('sk-secret'), 'what it says is not repeated')
  })

test('pages are followed, and a list without an end is not', async t => {
  const entry = (id: string) => ({ type: 'model', id, created_at: '2026-01-02T00:00:00Z' })
  const page = (id: string, more: boolean) => JSON.stringify({ data: [entry(id)], has_more: more, last_id: id })
  const server = await startServer(t, {
    '/models?limit=1000': { body: page('m 1', true) },
    '/models?limit=1000&after_id=m%201': { body: page('m2', false) },
  })
  const { discovery, log, ids } = discoveryOf(
    t,
    [providerOf('lab', anthropicModels)],
    [target('one', 'lab', server.url)],
  )
  await discovery.round()
  assert.deepEqual(ids('one'), ['m 1', 'm2'])
  assert.equal(discovery.of('one')[0].created, Date.UTC(2026, 0, 2) / 1000)
  server.answers['/models?limit=1000&after_id=m%201'] = { body: page('m 1', true) }
  await discovery.round()
  assert.deepEqual(ids('one'), ['m 1', 'm2'], 'the list before stays')
  assert.match(JSON.stringify(log.lines), /does not end/)
})

test('an upstream that wants each request signed gets it signed', async t => {
  const server = await startServer(t, { '/models': { body: list('a') } })
  const provider: Provider = {
    ...providerOf('lab', openaiModels),
    auth: () => ({
      scheme: 'sigv4',
      service: 'bedrock',
      region: 'eu-west-1',
      accessKeyId: 'AKIAEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI',
      sessionToken: '',
      profile: '',
      roleArn: '',
      webIdentityTokenFile: '',
      roleSessionName: '',
    }),
  }
  const { discovery, ids } = discoveryOf(t, [provider], [target('one', 'lab', server.url)])
  await discovery.round()
  assert.deepEqual(ids('one'), ['a'])
  const { authorization } = server.requests[0].headers
  assert.match(String(authorization), /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d{8}\/eu-west-1\/bedrock/)
})

test('ids that could not stand in a log or a metric are left out', async t => {
  const body = JSON.stringify({ data: [{ id: 'good' }, { id: 'x'.repeat(300) }, { id: 'a\nb' }, { id: 7 }, null, {}] })
  const server = await startServer(t, { '/models': { body } })
  const { discovery, ids } = discoveryOf(t, [providerOf('lab', openaiModels)], [target('one', 'lab', server.url)])
  await discovery.round()
  assert.deepEqual(ids('one'), ['good'])
})

test('who cannot be asked is not, and what is no longer configured is forgotten', async t => {
  const server = await startServer(t, { '/models': { body: list('a') } })
  const targets = [target('one', 'lab', server.url), target('mute', 'mute', server.url)]
  const { discovery, log, ids } = discoveryOf(
    t,
    [providerOf('lab', openaiModels), providerOf('mute', undefined)],
    targets,
  )
  await discovery.round()
  assert.equal(server.requests.length, 1)
  assert.deepEqual([ids('one'), ids('mute'), log.lines], [['a'], [], []])
  targets.shift()
  await discovery.round()
  assert.deepEqual(ids('one'), [])
})

test('a list that its reader trips over is that target’s trouble only', async t => {
  const server = await startServer(t, { '/models': { body: list('a') } })
  const tripping: Listing = {
    path: '/models',
    decode() {
      throw new TypeError('not thought of')
    },
  }
  const rootless: Listing = { ...openaiModels, root: () => 'nowhere' }
  const { discovery, log, ids } = discoveryOf(
    t,
    [providerOf('lab', openaiModels), providerOf('tripping', tripping), providerOf('rootless', rootless)],
    [target('one', 'tripping', server.url), target('two', 'rootless', server.url), target('three', 'lab', server.url)],
  )
  await discovery.round()
  assert.deepEqual(ids('three'), ['a'])
  assert.equal(log.lines.length, 2)
})
