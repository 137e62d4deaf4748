import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cli, start } from './run-cli.ts'

const refusals: readonly [args: string, says: RegExp][] = [
  ['servee', /unknown command "servee"; did you mean "serve"\?/],
  ['validte config.yaml', /unknown command "validte"; did you mean "validate"\?/],
  ['frobnicate', /unknown command "frobnicate"; there are serve, init, validate, config, version/],
  ['status', /"status" is not available yet/],
  ['admin keys list', /"admin" is not available yet/],
  ['help servee', /unknown command "servee"/],
  ['config', /Usage: ferrite config/],
  ['config shema', /unknown command "config shema"; did you mean "schema"\?/],
  ['config schema extra', /too many arguments for 'schema'/],
  ['serve extra', /too many arguments for 'serve'/],
  ['version extra', /too many arguments for 'version'/],
  ['validate', /missing required argument 'file'/],
  ['validate a.yaml b.yaml', /too many arguments for 'validate'/],
  ['serve --prot 1', /unknown option '--prot'\n\(Did you mean --port\?\)/],
  ['serve --port 65536', /'65536' is invalid\. It must be a number from 0 to 65535/],
  ['serve --port', /argument missing/],
  ['--port 1x', /'1x' is invalid/],
  ['version --format xml', /Allowed choices are table, json/],
]

for (const [args, says] of refusals) {
  test(`"ferrite ${args}" exits 1, says why on stderr, and prints nothing on stdout`, async () => {
    const { code, stdout, stderr } = await cli(args.split(' '))
    assert.match(stderr, says)
    assert.equal(stdout, '')
    assert.equal(code, 1)
  })
}

for (const args of [['help'], ['--help'], ['-h']]) {
  test(`"ferrite ${args.join(' ')}" lists the commands on stdout and exits 0`, async () => {
    const { code, stdout, stderr } = await cli(args)
    for (const command of ['serve', 'init', 'validate', 'config', 'version'])
      assert.match(stdout, new RegExp(`^  ${command} `, 'm'))
    assert.equal(stderr, '')
    assert.equal(code, 0)
  })
}

test('"ferrite help serve" explains the options of serve', async () => {
  const { code, stdout } = await cli(['help', 'serve'])
  for (const option of ['--config', '--env-file', '--port']) assert.ok(stdout.includes(option))
  assert.equal(code, 0)
})

test('the version is the one of the package, in each form it is asked for', async () => {
  const json = JSON.parse((await cli(['version', '--format', 'json'])).stdout)
  assert.deepEqual(Object.keys(json), ['version', 'commit', 'built', 'node', 'os_arch'])
  assert.equal(json.node, process.versions.node)
  assert.equal((await cli(['--version'])).stdout, `${json.version}\n`)
  const table = (await cli(['version'])).stdout
  assert.deepEqual(
    Object.fromEntries(
      table
        .trimEnd()
        .split('\n')
        .map(line => line.split(/ +/)),
    ),
    json,
  )
})

test('the config schema is one JSON document that knows the sections of a config', async () => {
  const { code, stdout, stderr } = await cli(['config', 'schema'])
  const schema = JSON.parse(stdout)
  for (const key of ['server', 'targets', 'strategy', 'upstream']) assert.ok(key in schema.properties)
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

test('a reader that closes the pipe early gets no stack trace', async () => {
  const child = start(['config', 'schema'])
  child.stdout.destroy()
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const code = await new Promise(resolve => child.once('close', resolve))
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

test('output into a pipe has no colours, whatever the terminal is', async () => {
  const { stderr } = await cli(['servee'], { env: { TERM: 'xterm-256color' } })
  assert.equal(stderr.includes('\x1b'), false)
})
