import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Auth, EntraAuth } from '../../../src/core/provider.ts'
import { FakeClock, until } from '../../support/fake-clock.ts'
import { json, type MockAnswer, startMockOpenAi } from '../../support/mock-openai.ts'
import {
  databricksClient,
  databricksTokens,
  entraTenant,
  entraTokens,
  googleTokens,
  managedIdentity,
  type ServiceAccount,
  serviceAccount,
} from '../../support/mock-tokens.ts'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import { bench, minutes } from './harness.ts'

const scope = 'https://cognitiveservices.azure.com/.default'

const databricks = (url: string): Auth => ({
  scheme: 'oauth-client-credentials',
  tokenUrl: `${url}/oidc/v1/token`,
  clientId: databricksClient.id,
  clientSecret: databricksClient.secret,
  scope: 'all-apis',
})

const entra = (fields: Partial<EntraAuth>): EntraAuth => ({
  scheme: 'entra',
  tenantId: '',
  clientId: '',
  clientSecret: '',
  federatedTokenFile: '',
  authorityHost: '',
  scope,
  ...fields,
})

function temporaryFile(t: TestContext, name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'auth-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

async function startGoogle(t: TestContext, clock: FakeClock): Promise<ServiceAccount & { count(): number }> {
  let account: ServiceAccount | null = null
  const mock = await startMockOpenAi(
    t,
    googleTokens(() => account!, clock.now),
  )
  account = serviceAccount(`${mock.url}/token`)
  return { ...account, count: () => mock.requests.length }
}

test('a service account’s key buys a token with a signed assertion, and the token is reused', async t => {
  const clock = new FakeClock()
  const google = await startGoogle(t, clock)
  const { lines, now } = bench(t, { scheme: 'google', credentials: google.json }, { clock })
  assert.ok(now() instanceof Promise)
  assert.equal(await lines(), 'authorization: Bearer ya29.1\r\n')
  assert.equal(now(), 'authorization: Bearer ya29.1\r\n')
  assert.equal(google.count(), 1)
})

test('a service account’s file is read anew for each token', async t => {
  const clock = new FakeClock()
  const google = await startGoogle(t, clock)
  const file = temporaryFile(t, 'account.json', '{"type":"service_account"}')
  const { lines, failure } = bench(t, { scheme: 'google', credentials: file }, { clock })
  assert.match((await failure()).details.cause ?? '', /client_email or private_key is missing/)
  writeFileSync(file, google.json)
  clock.advance(minutes(1))
  assert.equal(await lines(), 'authorization: Bearer ya29.1\r\n')
})

test('the project to bill is a header of every request', async t => {
  const google = await startGoogle(t, new FakeClock())
  const { authorizer } = bench(t, { scheme: 'google', credentials: google.json, userProject: 'billed' })
  assert.deepEqual(authorizer.fixed, [['x-goog-user-project', 'billed']])
})

test('a token is fetched again in the background before it ends', async t => {
  const clock = new FakeClock()
  const google = await startGoogle(t, clock)
  const { authorizer, lines, now } = bench(t, { scheme: 'google', credentials: google.json }, { clock })
  authorizer.warmUp?.()
  await lines()
  clock.advance(minutes(55))
  assert.equal(now(), 'authorization: Bearer ya29.1\r\n', 'nobody waits')
  await until(() => now() === 'authorization: Bearer ya29.2\r\n')
  assert.equal(google.count(), 2)
})

test('a token that the upstream rejects is replaced', async t => {
  const clock = new FakeClock()
  const google = await startGoogle(t, clock)
  const { lines, rejected } = bench(t, { scheme: 'google', credentials: google.json }, { clock })
  const old = await lines()
  assert.equal(rejected(old), true)
  assert.equal(await lines(), 'authorization: Bearer ya29.2\r\n')
  assert.equal(rejected(await lines()), false, 'it is not the token')
})

test('a wrong key, clock or file is said as it is, without the key', async t => {
  const clock = new FakeClock()
  const google = await startGoogle(t, clock)
  const other = JSON.parse(serviceAccount('https://oauth2.example/token').json)
  const wrongKey = JSON.stringify({ ...JSON.parse(google.json), private_key: other.private_key })
  const causes: [credentials: string, cause: RegExp][] = [
    [wrongKey, /status 400, invalid_grant: Invalid JWT Signature\./],
    [
      JSON.stringify({ ...JSON.parse(google.json), private_key: 'secret-canary' }),
      /private_key is not an RSA key in PEM/,
    ],
    [
      JSON.stringify({ ...JSON.parse(google.json), token_uri: 'http://elsewhere.example/' }),
      /token_uri must be an https URL/,
    ],
    ['{"type":"service_account",', /not a JSON object/],
    ['/nonexistent/account.json', /ENOENT/],
  ]
  for (const [credentials, cause] of causes) {
    const failure = await bench(t, { scheme: 'google', credentials }, { clock }).failure()
    assert.match(failure.details.cause ?? '', cause)
    assert.doesNotMatch(failure.details.cause ?? '', /PRIVATE KEY|canary|eyJ/)
  }
})

test('Databricks gives a token for a client id and secret', async t => {
  const mock = await startMockOpenAi(t, databricksTokens())
  const { lines } = bench(t, databricks(mock.url))
  assert.equal(await lines(), 'authorization: Bearer dbx.1\r\n')
})

test('Entra gives a token for a client secret, or for the federated token in a file', async t => {
  const mock = await startMockOpenAi(t, entraTokens(scope))
  const { tenant, client, secret, federated } = entraTenant
  const common = { tenantId: tenant, clientId: client, authorityHost: mock.url }
  assert.equal(await bench(t, entra({ ...common, clientSecret: secret })).lines(), 'authorization: Bearer entra.1\r\n')
  // Kubernetes ends the file with a line break when somebody wrote it by hand.
  const file = temporaryFile(t, 'token', `${federated}\n`)
  assert.equal(
    await bench(t, entra({ ...common, federatedTokenFile: file })).lines(),
    'authorization: Bearer entra.2\r\n',
  )
})

test('without secret and token the managed identity is asked, of the machine or of the App Service', async t => {
  const clock = new FakeClock()
  const mock = await startMockOpenAi(t, managedIdentity(clock.now))
  const machine = bench(t, entra({ metadataHost: mock.url }), { clock })
  assert.equal(await machine.lines(), 'authorization: Bearer managed.system\r\n')
  assert.match(mock.requests[0].path, /resource=https%3A%2F%2Fcognitiveservices\.azure\.com$/)
  const assigned = bench(t, entra({ metadataHost: mock.url, clientId: 'user-1' }), { clock })
  assert.equal(await assigned.lines(), 'authorization: Bearer managed.user-1\r\n')
  const service = { identityEndpoint: `${mock.url}/msi/token`, identityHeader: 'identity-canary' }
  assert.equal(await bench(t, entra(service), { clock }).lines(), 'authorization: Bearer managed.system\r\n')
  const wrong = await bench(t, entra({ ...service, identityHeader: '' }), { clock }).failure()
  assert.match(wrong.details.cause ?? '', /IDENTITY_ENDPOINT is given without IDENTITY_HEADER/)
})

test('the end of a managed identity’s token is its expires_on, not its lifetime', async t => {
  const clock = new FakeClock()
  const mock = await startMockOpenAi(t, managedIdentity(clock.now))
  const { lines } = bench(t, entra({ metadataHost: mock.url }), { clock })
  await lines()
  clock.advance(minutes(114))
  assert.equal(mock.requests.length, 1)
  clock.advance(minutes(1))
  await until(() => mock.requests.length === 2)
})

test('a service that quotes what it was sent does not bring secrets into the log', async t => {
  const mock = await startMockOpenAi(t, entraTokens(scope))
  const { tenant, client } = entraTenant
  const common = { tenantId: tenant, clientId: client, authorityHost: mock.url }
  const file = temporaryFile(t, 'token', 'eyJ.another.canary')
  for (const proof of [{ clientSecret: 'wrong-canary' }, { federatedTokenFile: file }, { clientSecret: 'can4ry' }]) {
    const { details } = await bench(t, entra({ ...common, ...proof })).failure()
    assert.match(
      details.cause ?? '',
      /Entra token endpoint 127\.0\.0\.1:\d+: status 401, invalid_client: AADSTS7000215/,
    )
    assert.doesNotMatch(details.cause ?? '', /canary|can4ry/)
  }
})

test('settings that can not work are refused before anything is sent', async t => {
  const broken: [Auth, RegExp][] = [
    [entra({ clientSecret: 's', tenantId: 'a/../b', clientId: 'c' }), /tenant id/],
    [entra({ clientSecret: 's', tenantId: 'a', clientId: '' }), /client id/],
    [entra({ clientSecret: 's', tenantId: 'a', clientId: 'c', authorityHost: 'http://login.example' }), /https URL/],
    [entra({ federatedTokenFile: '/nonexistent/token', tenantId: 'a', clientId: 'c' }), /ENOENT/],
    [databricks('http://workspace.example'), /https URL/],
    [databricks('no url'), /https URL/],
    [databricks('https://user:pass-canary@workspace.example'), /https URL/],
  ]
  for (const [auth, cause] of broken) {
    const { details } = await bench(t, auth).failure()
    assert.match(details.cause ?? '', cause)
    assert.doesNotMatch(details.cause ?? '', /canary/)
  }
})

test('no answer of a token endpoint gets into a header, hangs or is believed without a token in it', async t => {
  const answers: [answer: string, cause: RegExp][] = [
    ['', /not a JSON object/],
    ['[]', /not a JSON object/],
    ['{"access_token":""}', /no access_token/],
    ['{"access_token":7}', /no access_token/],
    ['{"access_token":"a\\r\\nx-injected: 1"}', /can not stand in a header/],
    ['{"access_token":"a b"}', /can not stand in a header/],
    [`{"access_token":"${'x'.repeat(20_000)}"}`, /can not stand in a header/],
    ['{"access_token":"x","token_type":"mac"}', /not a bearer token/],
    [`{"access_token":"${'x'.repeat(300_000)}"}`, /token endpoint/],
  ]
  for (const [body, cause] of answers) {
    const mock = await startMockOpenAi(t, (_request, response) => json(response, 200, body))
    assert.match((await bench(t, databricks(mock.url)).failure()).details.cause ?? '', cause, body.slice(0, 40))
  }
})

test('a lifetime that is absent or absurd becomes a usable one', async t => {
  for (const [lifetime, renewedAfterMs] of [
    ['', minutes(5)],
    [',"expires_in":"3600"', minutes(55)],
    [',"expires_in":-5', 10_000],
    [',"expires_in":1e300', minutes(12 * 60)],
    [',"expires_in":"soon"', minutes(5)],
    [',"expires_in":{}', minutes(5)],
  ] as const) {
    const clock = new FakeClock()
    const answer: MockAnswer = (_request, response) => json(response, 200, `{"access_token":"x"${lifetime}}`)
    const mock = await startMockOpenAi(t, answer)
    const { lines } = bench(t, databricks(mock.url), { clock })
    await lines()
    clock.advance(renewedAfterMs - minutes(1))
    assert.equal(mock.requests.length, 1, lifetime)
    clock.advance(minutes(1))
    await until(() => mock.requests.length === 2)
  }
})

test('refusals, redirects, broken HTTP and closed doors become causes that name the endpoint', async t => {
  const raw = (bytes: string) =>
    startRawUpstream(t, {
      onRequest: connection => {
        connection.write(bytes)
        connection.end()
      },
    })
  const closed = await raw('')
  const cases: [url: string, cause: RegExp][] = [
    [
      (await raw('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n')).url,
      /: status 302$/,
    ],
    [(await raw('HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nbusy\n')).url, /: status 503, busy$/],
    [(await raw('SSH-2.0-OpenSSH\r\n\r\n')).url, /token endpoint/],
    [closed.url, /token endpoint/],
    ['http://127.0.0.1:1', /token endpoint 127\.0\.0\.1:1: .*ECONNREFUSED/],
  ]
  for (const [url, cause] of cases) {
    const { details } = await bench(t, databricks(url)).failure()
    assert.match(details.cause ?? '', cause)
    assert.doesNotMatch(details.cause ?? '', /dose0123|[^\x20-\x7e]/)
  }
})

test('equal credentials are fetched once by all targets and across reloads, others are not mixed up', async t => {
  const mock = await startMockOpenAi(t, databricksTokens())
  const first = bench(t, databricks(mock.url))
  await first.lines()
  const { clock, upstream } = first
  const shuffled = Object.fromEntries(Object.entries(databricks(mock.url)).reverse()) as unknown as Auth
  assert.equal(bench(t, shuffled, { clock, upstream }).now(), 'authorization: Bearer dbx.1\r\n')
  const other = bench(t, { ...databricks(mock.url), clientSecret: 'another' } as Auth, { clock, upstream })
  await other.failure()
  assert.equal(mock.requests.length, 2)
})
