import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Reloader, type ReloadParts } from '../../src/control/reload.ts'
import type { Settings } from '../../src/control/settings.ts'
import { comesTrue, type Gateway, masterKey, startGateway, variants } from '../support/gateway.ts'
import { answerAsOpenAi, Gate, requestOf, startMockOpenAi } from '../support/mock-openai.ts'
import { eventually, RawClient } from '../support/raw-client.ts'

const alias = (name: string) => ({ aliases: { mine: name } })

async function servesModel(gateway: Gateway, model: string): Promise<boolean> {
  const answer = await gateway.chat({ model: 'mine' })
  assert.equal(answer.status, 200, answer.text)
  return requestOf(gateway.upstream.requests.at(-1)!).model === model
}

for (const variant of variants) {
  test(`${variant.name}: a config that is replaced is noticed, whether by the file, a link or a signal`, async t => {
    const gateway = await startGateway(t, { ...variant, config: alias('gpt-one') })
    assert.ok(await servesModel(gateway, 'gpt-one'))

    gateway.writeConfig(alias('gpt-two'))
    await comesTrue(() => servesModel(gateway, 'gpt-two'), 'the file that took its place to be read', 15_000)

    const text = readFileSync(gateway.configFile, 'utf8')
    writeFileSync(gateway.configFile, text.replace('gpt-two', 'gpt-three'))
    await comesTrue(() => servesModel(gateway, 'gpt-three'), 'the file that was written anew to be read', 15_000)

    // As a config map is mounted: a link to a directory that is exchanged.
    const directory = dirname(gateway.configFile)
    const versions = ['four', 'five'].map(name => {
      const file = join(directory, `config-${name}.json`)
      writeFileSync(file, text.replace('gpt-two', `gpt-${name}`))
      return file
    })
    const link = (to: string): void => {
      symlinkSync(to, join(directory, 'link'))
      renameSync(join(directory, 'link'), gateway.configFile)
    }
    unlinkSync(gateway.configFile)
    link(versions[0])
    await comesTrue(() => servesModel(gateway, 'gpt-four'), 'the link to be followed', 15_000)
    link(versions[1])
    await comesTrue(() => servesModel(gateway, 'gpt-five'), 'the other link to be followed', 15_000)

    await gateway.reload(alias('gpt-six'))
    assert.ok(await servesModel(gateway, 'gpt-six'))
  })

  test(`${variant.name}: a config with mistakes changes nothing, and /health and the log say so`, async t => {
    const gateway = await startGateway(t, { ...variant, config: alias('gpt-good') })
    const version = await gateway.configVersion()
    const config = async (): Promise<Record<string, unknown>> =>
      (await gateway.fetch('/health')).json.config as Record<string, unknown>
    let inForce = version
    for (const bad of [
      '{ "targets": [',
      JSON.stringify({ targets: [] }),
      JSON.stringify({ targets: [{ virtual_key: 'openai' }], stratgy: 1 }),
      '',
    ]) {
      gateway.writeConfig({}, bad)
      gateway.child.kill('SIGHUP')
      await comesTrue(async () => (await config()).reload === 'failed', 'the refusal to be shown')
      assert.equal((await config()).version, inForce)
      assert.ok(await servesModel(gateway, 'gpt-good'))
      assert.equal((await gateway.fetch('/readyz')).status, 200)
      await gateway.reload(alias('gpt-good'))
      assert.equal((await config()).reload, 'ok')
      inForce = Number((await config()).version)
    }
    const line = await gateway.logged(
      ({ level, msg }) => level === 'error' && msg.startsWith('config reload refused'),
      'why',
    )
    assert.match(String(line.problems), /config\.json:\d+:\d+/)
  })

  test(`${variant.name}: a reload under load loses nothing, and requests keep the config they began with`, async t => {
    const gateway = await startGateway(t, { ...variant, config: alias('gpt-one') })
    const gate = new Gate()
    gateway.upstream.answer = async (request, response) => {
      await gate.pass()
      answerAsOpenAi(request, response)
    }
    const held = Array.from({ length: 30 }, () => gateway.chat({ model: 'mine' }))
    await eventually(() => gateway.upstream.open === 30, 'requests to be under way')
    const other = await startMockOpenAi(t)
    await gateway.reload({
      ...alias('gpt-two'),
      targets: [{ virtual_key: 'openai', api_key: 'sk-other', base_url: `${other.url}/v1` }],
    })
    const fresh = await gateway.chat({ model: 'mine' })
    assert.equal(fresh.status, 200)
    assert.equal(requestOf(other.requests[0]).model, 'gpt-two')
    gate.open()
    for (const answer of await Promise.all(held)) {
      assert.equal(answer.status, 200)
      assert.equal(answer.json.model, 'gpt-one')
    }
    let running = true
    const statuses: number[] = []
    const load = Array.from({ length: 10 }, async () => {
      while (running) statuses.push((await gateway.chat({ model: 'mine' })).status)
    })
    for (let i = 0; i < 20; i++) await gateway.reload(alias(`gpt-${i}`))
    running = false
    await Promise.all(load)
    assert.ok(statuses.length > 100)
    assert.deepEqual(
      statuses.filter(status => status !== 200),
      [],
    )
  })
}

/**
 * By thread, what is there in the best of a few moments: the thread that read the last config may be about to end, and
 * half a megabyte goes with it. What leaked is there in each of them.
 */
async function least(gateway: Gateway): ReturnType<Gateway['figures']> {
  const found = await gateway.figures()
  for (let look = 0; look < 4; look++) {
    await new Promise(resolve => setTimeout(resolve, 200))
    for (const [thread, now] of Object.entries(await gateway.figures()))
      if (now.heapUsed + now.external < found[thread].heapUsed + found[thread].external) found[thread] = now
  }
  return found
}

test('500 reloads leave nothing behind: no memory, no descriptors, no handles', async t => {
  const gateway = await startGateway(t, { config: alias('gpt-one') })
  const reloads = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const before = await gateway.configVersion()
      gateway.writeConfig(alias(`gpt-${before}`))
      gateway.child.kill('SIGHUP')
      await comesTrue(async () => (await gateway.configVersion()) > before, 'the new config')
    }
  }
  await gateway.chat()
  // Code is compiled and bounded tables fill up at first; what goes on growing is a leak.
  await reloads(200)
  const before = { figures: await least(gateway), descriptors: gateway.descriptors }
  await reloads(300)
  await gateway.chat()
  const after = { figures: await least(gateway), descriptors: gateway.descriptors }
  assert.ok(after.descriptors <= before.descriptors + 5, `descriptors: ${before.descriptors} → ${after.descriptors}`)
  for (const [thread, { heapUsed, external, resources }] of Object.entries(after.figures)) {
    const earlier = before.figures[thread]
    const grownKb = (heapUsed + external - earlier.heapUsed - earlier.external) / 1024
    assert.ok(grownKb < 600, `${thread} grew by ${grownKb.toFixed(0)} KB`)
    assert.ok(resources <= earlier.resources + 3, `${thread}: ${earlier.resources} → ${resources} handles`)
  }
})

const fixture = (name: string): string => fileURLToPath(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url))

for (const [engine, acceptors] of [
  ['uws', 1],
  ['uws', 2],
  ['node', 1],
] as const) {
  test(`${engine}, ${acceptors} acceptors: TLS is served, and new files are taken up while requests go on`, async t => {
    const directory = dirname((await startGateway(t)).configFile)
    const [certFile, keyFile] = ['cert.pem', 'key.pem'].map(name => join(directory, name))
    copyFileSync(fixture('localhost.pem'), certFile)
    copyFileSync(fixture('localhost.key'), keyFile)
    const gateway = await startGateway(t, {
      engine,
      acceptors,
      config: { server: { tls: { cert_file: certFile, key_file: keyFile } } },
    })
    const ca = readFileSync(fixture('ca.pem'))
    const nameShown = async (): Promise<string> => {
      const client = await RawClient.connect(t, gateway.port, { ca, checkServerIdentity: () => undefined })
      const socket = client.socket as unknown as { getPeerCertificate(): { subjectaltname?: string } }
      const name = socket.getPeerCertificate().subjectaltname ?? ''
      await client.send(`GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\n\r\n`)
      assert.equal((await client.response()).status, 200)
      client.socket.destroy()
      return name
    }
    assert.match(await nameShown(), /localhost/)
    copyFileSync(fixture('elsewhere.key'), `${keyFile}.new`)
    copyFileSync(fixture('elsewhere.pem'), `${certFile}.new`)
    renameSync(`${keyFile}.new`, keyFile)
    renameSync(`${certFile}.new`, certFile)
    await comesTrue(
      () =>
        nameShown().then(
          name => name.includes('elsewhere'),
          () => false,
        ),
      'the new certificate to be shown',
      30_000,
    )
    const count = async (): Promise<number> => (await gateway.threads('acceptor')).length
    await comesTrue(async () => (await count()) <= acceptors, 'the acceptors before to have ended', 30_000)
    assert.equal(await count(), acceptors)
    assert.equal(gateway.exit, null)
  })
}

test('a config that no thread can be had to read is refused like any other', async () => {
  const errors: string[] = []
  const log = {
    error: (message: string) => void errors.push(message),
    warn() {},
    info() {},
    debug() {},
    isEnabled: () => true,
  }
  const source = { file: '/nowhere.yaml', loader: 'not a thread' } as unknown as ReloadParts['source']
  const first = { snapshot: { version: 1 }, files: { keys: '', tls: [] }, server: { tls: null } } as unknown as Settings
  const reloader = new Reloader({ source, log, apply: () => assert.fail('applied'), onTlsChange() {} }, first)
  await reloader.reload('test')
  reloader.close()
  assert.equal(errors.length, 1)
  assert.notEqual(reloader.state.failure, null)
  assert.equal(reloader.current, first)
})
