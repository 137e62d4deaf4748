import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../support/fake-clock.ts'
import { json, type MockAnswer, startMockOpenAi } from '../../support/mock-openai.ts'
import { googleMetadata } from '../../support/mock-tokens.ts'
import { setEnvironment } from './environment.ts'
import { bench } from './harness.ts'

/** The library knows no clock but the system's. */
const adc = (t: TestContext, credentials = '') =>
  bench(t, { scheme: 'google', credentials }, { clock: new FakeClock(Date.now()) })

function writeTemporary(t: TestContext, name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'google-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('application default credentials come from the metadata server of the machine', async t => {
  const server = await startMockOpenAi(t, googleMetadata)
  setEnvironment(t, { GCE_METADATA_HOST: new URL(server.url).host })
  const { lines, now } = adc(t)
  assert.equal(await lines(), 'authorization: Bearer ya29.metadata\r\n')
  const asked = server.requests.length
  assert.equal(now(), 'authorization: Bearer ya29.metadata\r\n')
  assert.equal(server.requests.length, asked)
})

/** A workload identity pool: a token of somebody else's is exchanged at the STS. */
const exchange: MockAnswer = (request, response) => {
  const form = new URLSearchParams(request.body.toString())
  const isGood = form.get('subject_token') === 'subject-canary' && request.path === '/v1/token'
  const token = { access_token: 'ya29.external', issued_token_type: 'urn:x', token_type: 'Bearer', expires_in: 3600 }
  if (isGood) json(response, 200, JSON.stringify(token))
  else json(response, 400, JSON.stringify({ error: 'invalid_grant', error_description: `no such ${form}` }))
}

test('external accounts, which the environment’s file names, and those that are given, are exchanged', async t => {
  const server = await startMockOpenAi(t, exchange)
  const external = (subject: string): string =>
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${server.url}/v1/token`,
      credential_source: { file: writeTemporary(t, 'subject', subject) },
    })
  setEnvironment(t, { GOOGLE_APPLICATION_CREDENTIALS: writeTemporary(t, 'adc.json', external('subject-canary')) })
  assert.equal(await adc(t).lines(), 'authorization: Bearer ya29.external\r\n')
  assert.equal(await adc(t, external('subject-canary')).lines(), 'authorization: Bearer ya29.external\r\n')
  const { cause = '' } = (await adc(t, external('wrong')).failure()).details
  assert.match(cause, /^Google credentials: /)
})

test('no credentials anywhere, or of an unknown kind, is said as it is', async t => {
  const server = await startMockOpenAi(t, (_request, response) => json(response, 404, ''))
  setEnvironment(t, { GCE_METADATA_HOST: new URL(server.url).host, METADATA_SERVER_DETECTION: 'none' })
  assert.match(
    (await adc(t).failure()).details.cause ?? '',
    /^Google credentials: Could not load the default credentials/,
  )
  assert.match(
    (await adc(t, '{"type":"mystery","refresh_token":"canary-canary"}').failure()).details.cause ?? '',
    /^Google credentials: /,
  )
})
