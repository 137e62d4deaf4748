import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, directory, serving, start } from './run-cli.ts'

test('what init suggests works when pasted: serve, then ask', async t => {
  const cwd = directory(t)
  const env = { OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' }
  const { stdout } = await cli(['init'], { cwd, env })
  const suggested = /node \S+main\.js (serve .+)/.exec(stdout)?.[1]
  assert.ok(suggested !== undefined, stdout)
  const { url } = await serving(t, [...suggested.split(' '), '--port', '0'], { cwd, env })

  const curl = stdout.slice(stdout.indexOf('curl ')).replace('http://localhost:8080', url)
  const script = `curl() { printf '%s\\n' "$@"; }\n${curl}`
  const words = execFileSync('sh', ['-c', script], { cwd, encoding: 'utf8' }).split('\n')
  const authorization = words.find(word => word.startsWith('Authorization: '))?.slice('Authorization: '.length) ?? ''
  const answer = await fetch(words[0], { method: 'POST', headers: { authorization }, body: words.at(-2) })
  // Admitted, and passed on to an upstream where nothing listens.
  assert.equal(answer.status, 502)
  assert.match(await answer.text(), /"code":"upstream_error"/)
})

test('--config and --port win over GATEWAY_CONFIG and PORT', async t => {
  const cwd = directory(t)
  writeFileSync(join(cwd, 'chosen.yaml'), 'targets: [{virtual_key: demo, name: chosen}]\n')
  const env = { GATEWAY_CONFIG: 'absent.yaml', PORT: '1', MASTER_KEY: 'fgw_0123456789abcdef' }
  const { url, stderr } = await serving(t, ['--config', 'chosen.yaml', '--port', '0'], { cwd, env })
  assert.match(await (await fetch(`${url}/health`)).text(), /"name":"chosen"/)
  assert.match(stderr(), /config +chosen\.yaml/)
})

test('a variable that is set wins over the one of --env-file', async t => {
  const cwd = directory(t)
  writeFileSync(join(cwd, 'vars'), 'MASTER_KEY=fgw_of_the_file_0000\nCORS_ORIGINS=https://app.example\n')
  const { url } = await serving(t, ['--env-file', 'vars', '--port', '0'], {
    cwd,
    env: { MASTER_KEY: 'fgw_of_the_shell_000' },
  })
  const ask = (key: string) =>
    fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}`, origin: 'https://app.example' } })
  assert.equal((await ask('fgw_of_the_file_0000')).status, 401)
  const answer = await ask('fgw_of_the_shell_000')
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example')
})

test('an env file that is not there stops the start', async t => {
  const { code, stderr } = await cli(['-e', 'absent.env'], { cwd: directory(t) })
  assert.match(stderr, /absent\.env does not exist/)
  assert.equal(code, 1)
  // Node 20 sees the long form before we do.
  const long = await cli(['serve', '--env-file', 'absent.env'], { cwd: directory(t) })
  assert.match(long.stderr, /absent\.env/)
  assert.notEqual(long.code, 0)
})

test('a config with mistakes stops the start, and all of them are shown', async t => {
  const cwd = directory(t)
  writeFileSync(join(cwd, 'bad.yaml'), 'targets:\n  - virtual_key: opnai\n    weight: -1\n')
  const { code, stderr } = await cli(['serve', '-c', 'bad.yaml'], { cwd })
  assert.match(stderr, /cannot start\nbad\.yaml:2:18 .*did you mean "openai"\?\nbad\.yaml:3:13 /)
  assert.equal(code, 1)
})

test('a port that is taken stops the start', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const cwd = directory(t)
  writeFileSync(join(cwd, 'c.yaml'), 'server: {host: 127.0.0.1}\ntargets: [{virtual_key: demo}]\n')
  const { code, stderr } = await cli(['-c', 'c.yaml', '-p', String(address.port)], { cwd })
  assert.match(stderr, new RegExp(`port ${address.port} is in use`))
  assert.equal(code, 1)
})

test('it serves, too, with the log lines that a terminal gets', async t => {
  const child = start(['--port', '0'], { env: { LOG_FORMAT: 'text' } })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  await new Promise<void>((ready, failed) => {
    child.stdout.setEncoding('utf8').on('data', text => {
      output += text
      if (/INFO: ready/.test(output)) ready()
    })
    child.once('close', code => failed(new Error(`ended with ${code}: ${stderr}`)))
  })
  assert.match(stderr, /Ferrite \S+ is listening on/)
})
