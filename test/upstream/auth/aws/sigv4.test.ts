import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { SigV4Auth } from '../../../../src/core/provider.ts'
import { FakeClock, until } from '../../../support/fake-clock.ts'
import { type MockOpenAi, startMockOpenAi } from '../../../support/mock-openai.ts'
import {
  type AwsKeys,
  awsKeys,
  containerCredentials,
  instanceMetadata,
  type StsOptions,
  sts,
} from '../../../support/mock-tokens.ts'
import { verifySigV4 } from '../../../support/verify-sigv4.ts'
import { setEnvironment } from '../environment.ts'
import { type Bench, bench, minutes, plainRequest } from '../harness.ts'

const region = 'eu-west-1'
const roleArn = 'arn:aws:iam::123456789012:role/gateway'
const own: AwsKeys = { accessKeyId: 'AKIAOWN', secretAccessKey: 'secret-canary-own', sessionToken: '' }

const sigv4 = (fields: Partial<SigV4Auth> = {}): SigV4Auth => ({
  scheme: 'sigv4',
  service: 'bedrock',
  region,
  accessKeyId: '',
  secretAccessKey: '',
  sessionToken: '',
  profile: '',
  roleArn: '',
  webIdentityTokenFile: '',
  roleSessionName: '',
  ...fields,
})

const headersOf = (lines: string): Record<string, string> => ({
  host: plainRequest.host,
  'content-type': plainRequest.contentType,
  ...Object.fromEntries(
    lines
      .trimEnd()
      .split('\r\n')
      .map(line => line.split(/: (.*)/s).slice(0, 2)),
  ),
})

function assertSigned(lines: string, keys: AwsKeys, nowMs?: number): void {
  const headers = headersOf(lines)
  const { method, path, body } = plainRequest
  assert.ok(headers.authorization.includes(` Credential=${keys.accessKeyId}/`), headers.authorization)
  assert.equal(headers['x-amz-security-token'] ?? '', keys.sessionToken)
  const { secretAccessKey } = keys
  const request = { method, url: path, headers, body: body!, secretAccessKey, region, service: 'bedrock', nowMs }
  assert.equal(verifySigV4(request), null)
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'aws-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function startSts(t: TestContext, clock: { now(): number }, options: Partial<StsOptions> = {}): Promise<MockOpenAi> {
  return startMockOpenAi(
    t,
    sts({ region, nowMs: clock.now, callers: () => [own], webIdentityToken: 'web-canary', ...options }),
  )
}

/** For the libraries, which know no clock but the system's. */
const realClock = (): FakeClock => new FakeClock(Date.now())

test('given keys sign at once', t => {
  const { now, clock } = bench(t, sigv4(own))
  const lines = now()
  assert.equal(typeof lines, 'string')
  assertSigned(lines as string, own, clock.nowMs)
})

test('a body is read before authorize returns, as its memory may be used again while credentials are fetched', async t => {
  const clock = new FakeClock()
  const server = await startSts(t, clock)
  const { now } = bench(t, sigv4({ ...own, roleArn, stsEndpoint: server.url }), { clock })
  const body = Buffer.from(plainRequest.body!)
  const asked = now({ body })
  assert.ok(asked instanceof Promise)
  body.fill(0)
  assertSigned((await asked) as string, awsKeys('sts', 1))
})

test('keys that are half there are refused with words, and so is a key that would break the header', async t => {
  for (const keys of [
    { accessKeyId: 'AKIAOWN' },
    { secretAccessKey: 'x' },
    { ...own, accessKeyId: 'A\r\nB' },
    { ...own, sessionToken: 'a\nb' },
  ])
    assert.match((await bench(t, sigv4(keys)).failure()).details.cause ?? '', /incomplete or not one/)
})

test('a role is assumed with the given keys, and again before its credentials end', async t => {
  const clock = new FakeClock()
  const server = await startSts(t, clock, { externalId: 'ext-1' })
  const auth = sigv4({ ...own, roleArn, roleSessionName: 'me', externalId: 'ext-1', stsEndpoint: server.url })
  const { lines, now } = bench(t, auth, { clock })
  assertSigned(await lines(), awsKeys('sts', 1))
  assert.match(String(server.requests[0].body), /RoleSessionName=me/)
  clock.advance(minutes(55))
  assertSigned(now() as string, awsKeys('sts', 1))
  await until(() => String(now()).includes(`Credential=${awsKeys('sts', 2).accessKeyId}/`))
  assertSigned(now() as string, awsKeys('sts', 2))
})

test('a web identity is exchanged for a role, whose token is read from its file each time', async t => {
  const clock = new FakeClock()
  const server = await startSts(t, clock)
  const file = join(folder(t), 'token')
  writeFileSync(file, 'web-expired')
  const { lines, failure } = bench(t, sigv4({ roleArn, webIdentityTokenFile: file, stsEndpoint: server.url }), {
    clock,
  })
  const { cause = '' } = (await failure()).details
  assert.match(cause, /^AssumeRoleWithWebIdentity at 127\.0\.0\.1:\d+: status 403, InvalidIdentityToken: no such token/)
  assert.doesNotMatch(cause, /web-expired/)
  writeFileSync(file, 'web-canary\n')
  clock.advance(minutes(1))
  assertSigned(await lines(), awsKeys('sts', 1))
  assert.equal(server.requests[1].headers.authorization, undefined)
})

test('what a security token service refuses or garbles is a cause without keys', async t => {
  const clock = new FakeClock()
  const server = await startSts(t, clock, { callers: () => [] })
  const auth = sigv4({ ...own, roleArn, stsEndpoint: server.url })
  assert.match(
    (await bench(t, auth, { clock }).failure()).details.cause ?? '',
    /InvalidClientTokenId: The security token/,
  )
  for (const answer of [
    '',
    '<Credentials>',
    '<AccessKeyId>a b</AccessKeyId><SecretAccessKey>x</SecretAccessKey>',
    '{}',
  ]) {
    server.answer = (_request, response) => void response.end(answer)
    clock.advance(minutes(1))
    assert.match((await bench(t, auth, { clock }).failure()).details.cause ?? '', /holds no credentials/)
  }
  for (const [stsEndpoint, where] of [
    ['http://sts.example', region],
    ['', 'x.evil.example/'],
  ])
    assert.match(
      (await bench(t, sigv4({ ...own, roleArn, stsEndpoint, region: where })).failure()).details.cause ?? '',
      /AssumeRole: the/,
    )
})

const skewed = { status: 403, errorType: 'InvalidSignatureException:http://internal.amazon.com/', body: '' }

test('a clock that is off is corrected by the server’s, for all requests that were signed by the wrong one', async t => {
  const { lines, rejected, clock } = bench(t, sigv4(own))
  const theirMs = clock.nowMs + minutes(20)
  const date = new Date(theirMs).toUTCString()
  const [first, second] = [await lines(), await lines()]
  assert.equal(rejected(first, { ...skewed, date }), true)
  assert.equal(rejected(second, { ...skewed, date }), true, 'signed before the correction')
  const corrected = await lines()
  assertSigned(corrected, own, theirMs)
  assert.equal(rejected(corrected, { ...skewed, date }), false, 'it is not the clock')
})

test('only a refusal for the signature or its age moves the clock, and no further than a day', async t => {
  const { lines, rejected, clock } = bench(t, sigv4(own))
  const signed = await lines()
  const date = new Date(clock.nowMs + minutes(20)).toUTCString()
  assert.equal(rejected(signed, { status: 403, date, errorType: 'AccessDeniedException' }), false)
  assert.equal(rejected(signed, { ...skewed, date: '' }), false)
  assert.equal(rejected(signed, { ...skewed, date: 'yesterday' }), false)
  assert.equal(rejected(signed, { ...skewed, date: new Date(clock.nowMs + minutes(3 * 24 * 60)).toUTCString() }), false)
  assert.equal(rejected('', { ...skewed, date }), false)
  assert.equal(await lines(), signed)
  assert.equal(rejected(signed, { status: 403, date, body: '{"__type":"RequestExpired"}' }), true)
})

test('expired session credentials are replaced, and a denied action leaves them alone', async t => {
  const clock = new FakeClock()
  const server = await startSts(t, clock)
  const { lines, rejected } = bench(t, sigv4({ ...own, roleArn, stsEndpoint: server.url }), { clock })
  const signed = await lines()
  assert.equal(rejected(signed, { status: 403, errorType: 'AccessDeniedException' }), false)
  assert.equal(rejected(signed, { status: 403, errorType: 'ExpiredTokenException' }), true)
  assertSigned(await lines(), awsKeys('sts', 2))
  assert.equal(rejected(await lines(), { status: 403, errorType: 'ExpiredTokenException' }), false)
})

// What follows goes by the environment, which AWS's own library reads.

async function assertChain(t: TestContext, auth: SigV4Auth, keys: AwsKeys): Promise<Bench> {
  const made = bench(t, auth, { clock: realClock() })
  assertSigned(await made.lines(), keys)
  return made
}

test('chain: the environment', async t => {
  const keys = awsKeys('env', 1)
  setEnvironment(t, {
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    AWS_SESSION_TOKEN: keys.sessionToken,
  })
  await assertChain(t, sigv4(), keys)
})

test('chain: a profile of the shared files, another one by name, and one that runs a program', async t => {
  const home = folder(t)
  const [first, second, program] = [awsKeys('file', 1), awsKeys('file', 2), awsKeys('program', 1)]
  const section = (name: string, keys: AwsKeys): string =>
    `[${name}]\naws_access_key_id=${keys.accessKeyId}\naws_secret_access_key=${keys.secretAccessKey}\naws_session_token=${keys.sessionToken}\n`
  const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken } = program
  writeFileSync(join(home, 'keys.json'), JSON.stringify({ Version: 1, AccessKeyId, SecretAccessKey, SessionToken }))
  writeFileSync(join(home, 'credentials'), section('default', first) + section('second', second))
  writeFileSync(
    join(home, 'config'),
    `[profile run]\ncredential_process = cat ${join(home, 'keys.json')}\n[profile fails]\ncredential_process = false --secret canary\n`,
  )
  setEnvironment(t, { AWS_SHARED_CREDENTIALS_FILE: join(home, 'credentials'), AWS_CONFIG_FILE: join(home, 'config') })
  await assertChain(t, sigv4(), first)
  await assertChain(t, sigv4({ profile: 'second' }), second)
  await assertChain(t, sigv4({ profile: 'run' }), program)
  const { cause = '' } = (await bench(t, sigv4({ profile: 'fails' })).failure()).details
  assert.match(cause, /^AWS credential chain: .*the command failed/)
  assert.doesNotMatch(cause, /canary/)
  // Rotated keys are noticed when the old ones are refused.
  const made = await assertChain(t, sigv4({ profile: 'second' }), second)
  const third = awsKeys('file', 3)
  writeFileSync(join(home, 'credentials'), section('second', third))
  assert.equal(made.rejected(await made.lines(), { status: 403, errorType: 'UnrecognizedClientException' }), true)
  assertSigned(await made.lines(), third)
})

test('chain: a profile that assumes a role by way of another, and a web identity', async t => {
  const home = folder(t)
  const clock = realClock()
  const server = await startSts(t, clock)
  const { accessKeyId, secretAccessKey } = own
  writeFileSync(
    join(home, 'config'),
    `[profile base]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n` +
      `[profile role]\nrole_arn=${roleArn}\nsource_profile=base\n`,
  )
  writeFileSync(join(home, 'token'), 'web-canary')
  const files = { AWS_SHARED_CREDENTIALS_FILE: join(home, 'none'), AWS_CONFIG_FILE: join(home, 'config') }
  setEnvironment(t, { ...files, AWS_ENDPOINT_URL_STS: server.url })
  await assertChain(t, sigv4({ profile: 'role' }), awsKeys('sts', 1))
  process.env.AWS_ROLE_ARN = roleArn
  process.env.AWS_WEB_IDENTITY_TOKEN_FILE = join(home, 'token')
  await assertChain(t, sigv4(), awsKeys('sts', 2))
})

test('chain: the container endpoint, with the token it wants', async t => {
  const keys = awsKeys('task', 1)
  const server = await startMockOpenAi(
    t,
    containerCredentials(keys, 'pod-token', () => Date.now() + 3_600_000),
  )
  setEnvironment(t, {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/creds`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'pod-token',
  })
  await assertChain(t, sigv4(), keys)
})

test('chain: the instance metadata service, version 2, and a role on top; renewed before the end', async t => {
  const keys = awsKeys('instance', 1)
  const server = await startMockOpenAi(
    t,
    instanceMetadata(keys, () => Date.now() + 3_600_000),
  )
  setEnvironment(t, { AWS_EC2_METADATA_DISABLED: 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT: server.url })
  const { clock } = await assertChain(t, sigv4(), keys)
  const before = server.requests.length
  clock.advance(minutes(55))
  await until(() => server.requests.length > before)
  const roles = await startSts(t, { now: Date.now }, { callers: () => [keys] })
  await assertChain(t, sigv4({ roleArn, stsEndpoint: roles.url }), awsKeys('sts', 1))
})

test('chain: nothing anywhere is said as it is', async t => {
  setEnvironment(t, {})
  const { details } = await bench(t, sigv4()).failure()
  assert.match(details.cause ?? '', /^AWS credential chain: Could not load credentials from any providers: .*disabled/)
})
