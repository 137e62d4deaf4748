import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, directory } from './run-cli.ts'

const mode = (file: string): number => statSync(file).mode & 0o777

test('init writes a valid config and a new master key, readable by their owner only', async t => {
  const cwd = directory(t)
  const { code, stdout, stderr } = await cli(['init', '--non-interactive'], { cwd })
  assert.equal(code, 0)
  assert.equal(stderr, '')
  assert.match(stdout, /^\[OK\] wrote config\.yaml\n\[OK\] wrote \.env\n/)
  assert.equal(mode(join(cwd, 'config.yaml')), 0o600)
  assert.equal(mode(join(cwd, '.env')), 0o600)
  const env = readFileSync(join(cwd, '.env'), 'utf8')
  const key = /^MASTER_KEY=(fgw_[0-9a-f]{32})$/m.exec(env)?.[1]
  assert.ok(key !== undefined, env)
  assert.equal(stdout.includes(key), false)
  assert.equal((await cli(['validate', 'config.yaml'], { cwd })).code, 0)
})

test('two runs make two keys', async t => {
  const keys = await Promise.all(
    [1, 2].map(async () => {
      const cwd = directory(t)
      await cli(['init'], { cwd })
      return readFileSync(join(cwd, '.env'), 'utf8')
    }),
  )
  assert.notEqual(keys[0], keys[1])
})

test('init never touches a file that is there, and says that it skipped it', async t => {
  const cwd = directory(t)
  for (const name of ['config.yaml', '.env']) writeFileSync(join(cwd, name), 'mine\n')
  const { code, stdout } = await cli(['init'], { cwd })
  assert.equal(code, 0)
  assert.match(stdout, /skipped config\.yaml: it exists already\n.*skipped \.env: it exists already\n/)
  for (const name of ['config.yaml', '.env']) assert.equal(readFileSync(join(cwd, name), 'utf8'), 'mine\n')
})

test('targets are the providers whose credentials are in the environment; no credential is written', async t => {
  const cwd = directory(t)
  const env = { OPENAI_COMPATIBLE_BASE_URL: 'http://localhost:8000', OPENAI_API_KEY: 'sk-canary-0123456789' }
  await cli(['init', '--config-format', 'json'], { cwd, env })
  const config = readFileSync(join(cwd, 'config.json'), 'utf8')
  const keys = JSON.parse(config).targets.map((target: { virtual_key: string }) => target.virtual_key)
  assert.deepEqual(keys, ['openai', 'openai-compatible'])
  assert.equal((config + readFileSync(join(cwd, '.env'), 'utf8')).includes('canary'), false)
  assert.equal((await cli(['validate', 'config.json'], { cwd })).code, 0)
})

test('without any credential the config asks for OpenAI, and says which variable it needs', async t => {
  const cwd = directory(t)
  const { stdout } = await cli(['init'], { cwd })
  assert.match(stdout, /1\. Put your key into \.env: OPENAI_API_KEY/)
  assert.match(readFileSync(join(cwd, '.env'), 'utf8'), /^OPENAI_API_KEY=$/m)
  assert.match(readFileSync(join(cwd, 'config.yaml'), 'utf8'), /virtual_key: openai /)
})

test('the format follows the name of the output, and a contradiction is refused', async t => {
  const cwd = directory(t)
  await cli(['init', '-o', 'gateway.json'], { cwd })
  assert.equal(JSON.parse(readFileSync(join(cwd, 'gateway.json'), 'utf8')).apiVersion, 'v1')
  const contradiction = await cli(['init', '-o', 'other.json', '--config-format', 'yaml'], { cwd })
  assert.match(contradiction.stderr, /other\.json: the name says json, --config-format says yaml/)
  assert.equal(contradiction.code, 1)
  assert.equal((await cli(['init', '-o', 'gateway.toml'], { cwd })).code, 1)
})

test('a directory that does not exist is an error, not a stack trace', async t => {
  const { code, stderr } = await cli(['init', '-o', 'absent/config.yaml'], { cwd: directory(t) })
  assert.match(stderr, /^ferrite: absent\/config\.yaml: ENOENT/)
  assert.equal(code, 1)
})
