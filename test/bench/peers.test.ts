import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { planCores } from '../../bench/measure/cores.ts'
import { choosePeer } from '../../bench/peers/choose.ts'
import { custom, parseCustomPeer, withoutHeaders } from '../../bench/peers/custom.ts'
import { gateway, gatewayConfig, keysFileText } from '../../bench/peers/gateway.ts'
import { requestBody, scenarios, selectScenarios } from '../../bench/scenarios.ts'

test("a peer of the user's own is read from one word: commas in the command and colons in headers are fine", () => {
  assert.deepEqual(
    parseCustomPeer(
      'mine=./gw -p {port} --a x,y,http://127.0.0.1:{port}/v1/chat/completions,Authorization: Bearer a:b; X-Two: 2',
    ),
    {
      name: 'mine',
      command: './gw -p {port} --a x,y',
      url: 'http://127.0.0.1:{port}/v1/chat/completions',
      headers: { Authorization: 'Bearer a:b', 'X-Two': '2' },
    },
  )
  assert.deepEqual(parseCustomPeer('there=,http://host:1/').headers, {})
  assert.equal(parseCustomPeer('there=,http://host:1/').command, '')
  assert.throws(() => parseCustomPeer('no url=x'), /name=command,url,headers/)
  assert.throws(() => choosePeer('ngnix', '.'), /no peer "ngnix"/)
})

test('keys in the headers of a peer are neither kept nor repeated, and may stay in the environment', async () => {
  const secret = 'sk-very-secret'
  const word = `mine=./gw --a x,y,http://127.0.0.1:1/v1?key=${secret},Authorization: Bearer ${secret}`
  assert.equal(
    withoutHeaders(['npm run bench --', '--peer', word, `--peer=there=,https://host/v1,X: ${secret}`, '--rounds', '2']),
    'npm run bench -- --peer mine=./gw --a x,y,http://127.0.0.1:1/v1,… --peer=there=,https://host/v1,… --rounds 2',
  )
  assert.equal(withoutHeaders(['--scenario', 'smoke,streams-400']), '--scenario smoke,streams-400')
  for (const wrong of [`mine=${secret}`, `mine=,http://host:1/,${secret}`]) {
    assert.throws(
      () => parseCustomPeer(wrong),
      (error: Error) => !error.message.includes(secret),
    )
  }
  const peer = custom(parseCustomPeer('there=,http://127.0.0.1:1/,Authorization: Bearer ${FERRITE_NO_SUCH_KEY}'))
  const [scenario] = scenarios
  await assert.rejects(
    async () => peer.start({ upstreamPort: 1, directory: '.', scenario, probe: '' }),
    /FERRITE_NO_SUCH_KEY is not set/,
  )
})

test("the gateway's config is YAML with the mock as its target, and a dead one before it for fallback", () => {
  const [plain, fallback] = selectScenarios(['smoke', 'fallback'])
  const one = parse(gatewayConfig({ workers: 0, engine: 'node' }, { upstreamPort: 7, scenario: plain }, '/k "x"', 9))
  assert.deepEqual(one.strategy, { mode: 'single' })
  assert.deepEqual(
    one.targets.map((target: { base_url: string }) => target.base_url),
    ['http://127.0.0.1:7/v1'],
  )
  assert.deepEqual(one.auth, { keys_file: '/k "x"' })
  assert.deepEqual(one.runtime, { workers: 0 })
  assert.deepEqual(one.server, { engine: 'node' })
  const two = parse(gatewayConfig({}, { upstreamPort: 7, scenario: fallback }, '/k', 9))
  assert.deepEqual(two.strategy, { mode: 'fallback' })
  assert.deepEqual(
    two.targets.map((target: { base_url: string }) => target.base_url),
    ['http://127.0.0.1:9/v1', 'http://127.0.0.1:7/v1'],
  )
})

test('where translating is measured, the same gateway relays beside itself, and takes part in nothing else', () => {
  const [plain, translation] = selectScenarios(['smoke', 'translation'])
  const relaying = gateway({ name: 'r', root: '.', isRelaying: true })
  assert.equal(relaying.supports(plain), false)
  assert.equal(relaying.supports(translation), true)
  const provider = (isRelaying: boolean) =>
    parse(gatewayConfig({ isRelaying }, { upstreamPort: 7, scenario: translation }, '/k', 9)).targets[0].provider
  assert.equal(provider(false), 'anthropic')
  assert.equal(provider(true), 'openai')
})

test('the keys file holds ten thousand different keys, one of them the one that is used, and none in clear', () => {
  const lines = keysFileText('fgw_secret')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(new Set(lines.map(({ sha256 }) => sha256)).size, 10_000)
  assert.equal(new Set(lines.map(({ id }) => id)).size, 10_000)
  assert.ok(lines.some(({ sha256 }) => sha256 === createHash('sha256').update('fgw_secret').digest('hex')))
})

test('scenario names are unique, and a request body is as long as its scenario says', () => {
  assert.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length)
  const [large] = selectScenarios(['body-256k'])
  const content = JSON.parse(requestBody(large)).messages[0].content
  assert.equal(content.length, 262_144)
  assert.throws(() => selectScenarios(['smok']), /no scenario "smok"/)
})

test('cores are split without overlap, and not at all below four', () => {
  assert.deepEqual(planCores('auto', 2), {})
  assert.throws(() => planCores('split', 2, 2), /--pin split needs four cores/)
  assert.throws(() => planCores('split', 4, 8), /this process may use 4 of 8/)
  assert.deepEqual(planCores('none', 64), {})
  assert.deepEqual(planCores('auto', 4), { gateway: '0-1', mock: '2', generator: '3' })
  assert.deepEqual(planCores('auto', 16), { gateway: '0-7', mock: '8-11', generator: '12-15' })
})

test('a bundle older than its sources is refused: the result would name a commit that was not measured', async t => {
  const root = mkdtempSync(join(tmpdir(), 'bench-stale-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const folder of ['src', 'workers', 'providers', 'dist']) mkdirSync(join(root, folder))
  const peer = gateway({ name: 'ferrite', root })
  assert.match((await peer.prepare()) ?? '', /dist\/main\.js is missing/)
  writeFileSync(join(root, 'src/a.ts'), '')
  writeFileSync(join(root, 'dist/main.js'), '')
  utimesSync(join(root, 'src/a.ts'), 100, 100)
  utimesSync(join(root, 'dist/main.js'), 200, 200)
  assert.equal(await peer.prepare(), null)
  utimesSync(join(root, 'src/a.ts'), 300, 300)
  assert.match((await peer.prepare()) ?? '', /dist\/ is older than src\/a\.ts/)
})
