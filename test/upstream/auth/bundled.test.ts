import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type BuildOptions, build } from 'esbuild'
import { startMockOpenAi } from '../../support/mock-openai.ts'
import { awsKeys, googleMetadata, instanceMetadata, sts } from '../../support/mock-tokens.ts'

/** The source tree: tests run from a build of it. */
const root = fileURLToPath(new URL('../../../../', import.meta.url))
const outdir = mkdtempSync(join(tmpdir(), 'bundled-'))
const environment = { PATH: process.env.PATH, HOME: '/nonexistent' }

before(async () => {
  const { bundleOptions }: { bundleOptions(name: string): BuildOptions } = await import(
    `${root}scripts/bundle-options.js`
  )
  const entryPoints = [{ in: `${root}test/upstream/auth/bundled.ts`, out: 'bundled' }]
  await build({ ...bundleOptions('bundled'), absWorkingDir: root, entryPoints, outdir })
  // What dist/ stands in says so too.
  writeFileSync(join(outdir, 'package.json'), '{"type":"module"}')
})
process.on('exit', () => rmSync(outdir, { recursive: true, force: true }))

async function run(auth: object, env: Record<string, string>): Promise<string> {
  const options = { env: { ...environment, ...env } }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(outdir, 'bundled.js'), JSON.stringify(auth)],
    options,
  )
  return stdout
}

const sigv4 = {
  scheme: 'sigv4',
  service: 'bedrock',
  region: 'eu-west-1',
  accessKeyId: '',
  secretAccessKey: '',
  sessionToken: '',
  profile: '',
  roleArn: '',
  webIdentityTokenFile: '',
  roleSessionName: '',
}

test('bundled, AWS’s chain reaches the instance metadata service', async t => {
  const keys = awsKeys('instance', 1)
  const server = await startMockOpenAi(
    t,
    instanceMetadata(keys, () => Date.now() + 3_600_000),
  )
  const lines = await run(sigv4, { AWS_EC2_METADATA_SERVICE_ENDPOINT: server.url })
  assert.match(lines, new RegExp(`Credential=${keys.accessKeyId}/`))
})

test('bundled, AWS’s chain exchanges a web identity', async t => {
  const file = join(outdir, 'token')
  writeFileSync(file, 'web-canary')
  const options = { region: 'eu-west-1', nowMs: Date.now, callers: () => [], webIdentityToken: 'web-canary' }
  const server = await startMockOpenAi(t, sts(options))
  const lines = await run(sigv4, {
    AWS_ENDPOINT_URL_STS: server.url,
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/gateway',
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
  })
  assert.match(lines, new RegExp(`Credential=${awsKeys('sts', 1).accessKeyId}/`))
})

test('bundled, Google’s library reaches the metadata server', async t => {
  const server = await startMockOpenAi(t, googleMetadata)
  const lines = await run({ scheme: 'google', credentials: '' }, { GCE_METADATA_HOST: new URL(server.url).host })
  assert.equal(lines, 'authorization: Bearer ya29.metadata\r\n')
})

test('bundled, the libraries stay in chunks of their own, and all of it is ASCII', () => {
  const entry = readFileSync(join(outdir, 'bundled.js'), 'utf8')
  assert.ok(entry.length < 400_000, `${entry.length}`)
  assert.doesNotMatch(entry, /IMDS|external_account|AWS_SHARED_CREDENTIALS_FILE/)
  for (const chunk of readdirSync(join(outdir, 'chunks')).filter(name => name.endsWith('.js')))
    assert.doesNotMatch(readFileSync(join(outdir, 'chunks', chunk), 'utf8'), /[^\x00-\x7f]/, chunk)
})
