import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cli, directory } from './run-cli.ts'

function validate(t: TestContext, text: string, { file = 'config.yaml', env = {} } = {}) {
  const cwd = directory(t)
  writeFileSync(join(cwd, file), text)
  return cli(['validate', file], { cwd, env })
}

test('a config is valid without any credential in the environment', async t => {
  const { code, stdout, stderr } = await validate(
    t,
    'targets: [{virtual_key: openai}, {virtual_key: openai-compatible}]\n',
  )
  assert.equal(stdout, '[OK] config.yaml: 2 targets, strategy single\n')
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

test('all problems are printed as a compiler prints them, and the exit code is 1', async t => {
  const { code, stdout, stderr } = await validate(
    t,
    'targets:\n  - virtual_key: opnai\n    weight: -1\nstrategy:\n  mode: falback\n',
  )
  assert.match(
    stderr,
    /^config\.yaml:2:18 targets\[0\]\.virtual_key: unknown provider "opnai".*did you mean "openai"\?$/m,
  )
  assert.match(stderr, /^config\.yaml:3:13 targets\[0\]\.weight: must be at least 0/m)
  assert.match(stderr, /^config\.yaml:5:9 strategy\.mode: /m)
  assert.match(stderr, /\[X\] 3 problems in config\.yaml\n$/)
  assert.equal(stdout, '')
  assert.equal(code, 1)
})

test('what only compiling finds is found too', async t => {
  const { code, stderr } = await validate(t, 'targets:\n  - virtual_key: openai\n    base_url: ftp://example.com/v1\n')
  assert.match(stderr, /config\.yaml:3:15 targets\[0\]\.base_url: base_url must start with http/)
  assert.equal(code, 1)
})

test('a variable without a value here is a warning, and the value around it is not judged', async t => {
  const config =
    'targets:\n  - virtual_key: openai\n    base_url: http://${LLM_HOST}:${LLM_PORT}/v1\n    api_key: ${LLM_KEY}\n'
  const unset = await validate(t, config)
  assert.match(unset.stderr, /config\.yaml:3:15 targets\[0\]\.base_url: warning: \$\{LLM_HOST\} has no value here/)
  assert.equal(unset.code, 0)
  const wrong = await validate(t, config, { env: { LLM_HOST: 'llm.internal', LLM_PORT: 'none' } })
  assert.match(wrong.stderr, /targets\[0\]\.base_url: /)
  assert.match(wrong.stderr, /\[X\] 1 problem in/)
  assert.equal(wrong.code, 1)
})

test('the environment it runs in does not decide whether a file is valid', async t => {
  const env = { PORT: 'none', OPENAI_BASE_URL: 'nonsense', OPENAI_API_KEY: 'two\nlines', GATEWAY_ENV: 'production' }
  const { code } = await validate(t, 'targets: [{virtual_key: openai}]\n', { env })
  assert.equal(code, 0)
})

test('what a provider takes from variables needs no value, whatever it must look like', async t => {
  const text =
    'targets: [{virtual_key: vertex-ai}, {virtual_key: azure-openai}, {virtual_key: cloudflare}, {virtual_key: bedrock}]\n'
  const { code, stderr } = await validate(t, text)
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

test('a setting without a value here is not judged, and a wrong one is shown where it stands', async t => {
  const text = 'targets:\n  - virtual_key: vertex-ai\n    project_id: p\n    region: ${VERTEX_REGION}\n'
  const unset = await validate(t, text)
  assert.match(unset.stderr, /^config\.yaml:4:13 targets\[0\]\.region: warning: \$\{VERTEX_REGION\} has no value here/)
  assert.equal(unset.code, 0)
  const wrong = await validate(t, text, { env: { VERTEX_REGION: 'EU West' } })
  assert.match(wrong.stderr, /^config\.yaml:4:13 targets\[0\]\.region: region must be a location/)
  assert.equal(wrong.code, 1)
})

test('a provider that nobody knows is answered with the nearest id, not with all of them', async t => {
  const near = await validate(t, 'targets: [{virtual_key: bedrok}]\n')
  assert.match(near.stderr, /unknown provider "bedrok"; did you mean "bedrock"\?\n/)
  const far = await validate(t, 'targets: [{virtual_key: something-else-entirely}]\n')
  assert.match(far.stderr, /unknown provider "something-else-entirely"; docs\/providers\.md lists all of them\n/)
})

test('a file that is not there, or no config, is refused with its name', async t => {
  const cwd = directory(t)
  const absent = await cli(['validate', 'absent.yaml'], { cwd })
  assert.match(absent.stderr, /^absent\.yaml: the file cannot be read: /)
  assert.equal(absent.code, 1)
  const other = await validate(t, 'x = 1', { file: 'config.toml' })
  assert.match(other.stderr, /^config\.toml: unsupported config file extension/)
  assert.equal(other.code, 1)
})

test('the example config of the repository is valid', async () => {
  assert.equal((await cli(['validate', 'config.example.yaml'])).code, 0)
})
