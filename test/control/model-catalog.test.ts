import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openCatalog } from '../../src/catalog/catalog.ts'
import { parseDocument } from '../../src/catalog/document.ts'
import { packCatalog } from '../../src/catalog/table.ts'
import { ModelCatalog } from '../../src/control/model-catalog.ts'
import { refreshCatalog } from '../../src/control/refresh-catalog.ts'
import type { Json } from '../../src/core/json.ts'
import type { Lifetime } from '../support/lifetime.ts'
import { logOf, startServer, upstreamFor } from './support.ts'

const documentOf = (...ids: string[]): string =>
  JSON.stringify({ version: 1, sections: [{ id: 'lab', models: ids.map(id => ({ id, prices: { input_mtok: 1 } })) }] })

const packed = (...ids: string[]): Buffer =>
  Buffer.from(packCatalog(parseDocument(JSON.parse(documentOf(...ids)) as Json)))

/** A catalog file beside which nothing else is. */
function catalogFile(t: Lifetime, content: Uint8Array): URL {
  const directory = mkdtempSync(join(tmpdir(), 'ferrite-catalog-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'catalog.bin'), content)
  return pathToFileURL(join(directory, 'catalog.bin'))
}

const modelsIn = ({ memory }: ModelCatalog): readonly string[] => openCatalog(memory).models('lab')
const noProxies = { http: '', https: '', all: '', no: [] }

const refresh = (t: Lifetime, catalog: ModelCatalog, url: string, log = logOf(), timeoutMs = 5000) =>
  refreshCatalog(catalog, { url, upstream: upstreamFor(t), timeoutMs, proxies: noProxies, log })

test('the catalog beside the bundles is in force until a newer one was fetched', async t => {
  const catalog = new ModelCatalog(catalogFile(t, packed('old')))
  assert.deepEqual(modelsIn(catalog), ['old'])
  const before = catalog.memory
  const server = await startServer(t, { '/c.json': { body: documentOf('new', 'newer') } })
  assert.equal(await refresh(t, catalog, `${server.url}/c.json`), true)
  assert.deepEqual(modelsIn(catalog), ['new', 'newer'])
  assert.deepEqual(openCatalog(before).models('lab'), ['old'], 'who still holds the old one reads the old one')
  assert.equal(await refresh(t, catalog, `${server.url}/c.json`), false, 'the same again is no news')
  assert.deepEqual(
    [...catalog.loads.values()],
    [
      { source: 'fallback', result: 'ok', count: 1 },
      { source: 'remote', result: 'ok', count: 2 },
    ],
  )
})

/** [what, answer] */
const failures: [string, { status?: number; body?: string; location?: string }][] = [
  ['an error', { status: 503 }],
  ['half a document', { body: documentOf('new').slice(0, -5) }],
  ['a document with one price that is wrong', { body: documentOf('new').replace('"input_mtok":1', '"input_mtok":-1') }],
  ['an empty catalog', { body: '{"version":1,"sections":[]}' }],
  ['a document of another kind', { body: '{"openai/gpt-4o":{"provider":"openai","pricing":{}}}' }],
  ['a page', { body: '<!doctype html>' }],
  ['a redirect in a circle', { location: '/c.json' }],
  ['a redirect to a file', { location: 'file:///etc/passwd' }],
  ['more than fits', { body: ' '.repeat((8 << 20) + 1) }],
]

for (const [what, answer] of failures)
  test(`${what} leaves the catalog as it was, and is said`, async t => {
    const catalog = new ModelCatalog(catalogFile(t, packed('old')))
    const { memory } = catalog
    const server = await startServer(t, { '/c.json': answer })
    const log = logOf()
    assert.equal(
      await refresh(t, catalog, `${server.url}/c.json?token=s3cret`.replace('?token=s3cret', ''), log),
      false,
    )
    assert.equal(catalog.memory, memory)
    assert.deepEqual(
      log.lines.map(([level, msg]) => [level, msg]),
      [['warn', 'the catalog of models was not refreshed']],
    )
  })

test('a redirect is followed, and neither query nor credential is logged', async t => {
  const server = await startServer(t, {
    '/latest?token=s3cret': { location: '/files/c.json' },
    '/files/c.json': { body: documentOf('new') },
  })
  const catalog = new ModelCatalog(catalogFile(t, packed('old')))
  const log = logOf()
  const url = `${server.url.replace('http://', 'http://user:pa55@')}/latest?token=s3cret`
  assert.equal(await refresh(t, catalog, url, log), true)
  assert.equal(server.requests[0].headers.authorization, `Basic ${Buffer.from('user:pa55').toString('base64')}`)
  assert.ok(!/s3cret|pa55/.test(JSON.stringify(log.lines)))
})

test('nobody there is a failure like others', async t => {
  const catalog = new ModelCatalog(catalogFile(t, packed('old')))
  assert.equal(await refresh(t, catalog, 'http://127.0.0.1:1/c.json'), false)
  assert.deepEqual(modelsIn(catalog), ['old'])
})

test('without a catalog file the gateway goes on, and knows no model', t => {
  for (const content of [
    Buffer.alloc(0),
    Buffer.from('not a catalog at all, but long enough to look'),
    packed('a').subarray(0, 40),
  ]) {
    const catalog = new ModelCatalog(catalogFile(t, content))
    assert.equal(catalog.memory, null)
    assert.notEqual(catalog.problem, '')
    assert.deepEqual(modelsIn(catalog), [])
  }
  assert.match(new ModelCatalog(new URL('file:///nowhere/catalog.bin')).problem, /ENOENT/)
})

test('a catalog that was made to be slow is refused', () => {
  const models = Array.from({ length: 9_000 }, (_, i) => ({
    id: `m${i}`,
    match: { or: [{ equals: `m${i}` }, { contains: `${i}x` }] },
  }))
  const document = parseDocument({ version: 1, sections: [{ id: 'lab', models }] } as unknown as Json)
  assert.throws(() => packCatalog(document), /too many rules/)
})

test('a redirect to an address that is no good is a failure like any other', async t => {
  for (const location of ['http://%zz:%@127.0.0.1:9/c.json', 'http://[::1', 'file:///etc/passwd']) {
    const catalog = new ModelCatalog(catalogFile(t, packed('old')))
    const server = await startServer(t, { '/c.json': { location } })
    assert.equal(await refresh(t, catalog, `${server.url}/c.json`), false)
    assert.deepEqual(modelsIn(catalog), ['old'])
  }
})
