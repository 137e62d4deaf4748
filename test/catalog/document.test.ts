import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCatalog } from '../../src/catalog/catalog.ts'
import { type CatalogDocument, modelCount, parseDocument } from '../../src/catalog/document.ts'
import { openTable, packCatalog } from '../../src/catalog/table.ts'
import type { Json } from '../../src/core/json.ts'
import { catalogOf, randomOf, readDocument, shippedCatalog, usageOf } from './support.ts'

const document = (model: object): Json =>
  ({ version: 1, sections: [{ id: 'lab', models: [{ id: 'm', ...model }] }] }) as unknown as Json

/** [what is wrong, a model] */
const wrong: [string, object][] = [
  ['a price below zero', { prices: { input_mtok: -1 } }],
  ['a price that is text', { prices: { input_mtok: '3' } }],
  ['a price of millions', { prices: { input_mtok: 1e12 } }],
  ['a unit that nobody knows', { prices: { input_mtok: 1, thoughts_mtok: 1 } }],
  ['a tier without a start', { prices: { input_mtok: { base: 1, tiers: [{ price: 2 }] } } }],
  ['a date that is none', { prices: [{ from: '2026-13-01', prices: {} }] }],
  ['an hour past midnight', { prices: [{ daily: [0, 90_000], prices: {} }] }],
  ['no variants at all', { prices: [] }],
  ['a mode that nobody knows', { mode: 'telepathy' }],
  ['a capability that nobody knows', { capabilities: ['vision', 'telepathy'] }],
  ['a context that is no count', { context: -5 }],
  ['a rule that is none', { match: { regex: '(a+)+$' } }],
  ['rules within rules within rules', { match: JSON.parse('{"or":['.repeat(9) + '{"equals":"x"}' + ']}'.repeat(9)) }],
  ['an id that is a book', { id: 'x'.repeat(5000) }],
]

for (const [what, model] of wrong)
  test(`${what} makes the whole document unusable`, () => {
    assert.throws(() => parseDocument(document(model)), TypeError)
  })

test('what is not a catalog at all is refused', () => {
  for (const value of [
    null,
    1,
    'x',
    [],
    {},
    { version: 2, sections: [] },
    { version: 1 },
    { version: 1, sections: [] },
  ])
    assert.throws(() => parseDocument(value as Json), TypeError)
})

test('memory that is not a catalog, or a part of one, is refused', () => {
  const whole = packCatalog(parseDocument(document({})))
  assert.throws(() => openTable(new SharedArrayBuffer(0)), TypeError)
  assert.throws(() => openTable(new SharedArrayBuffer(4096)), TypeError)
  const part = new SharedArrayBuffer(whole.byteLength - 4)
  new Uint8Array(part).set(new Uint8Array(whole, 0, part.byteLength))
  assert.throws(() => openTable(part), TypeError)
})

test('every model that is packed is found by its name, in sections that share their names', () => {
  const random = randomOf(7)
  const name = (): string => Array.from({ length: 1 + random(12) }, () => 'aé漢-./:'[random(7)]).join('')
  const sections = Array.from({ length: 20 }, (_, section) => ({
    id: `s${section}`,
    models: [...new Set(Array.from({ length: 200 }, name))].map((id, i) => ({ id, context: section * 1000 + i })),
  }))
  const table = openTable(packCatalog({ version: 1, generated: '', providers: {}, sections } satisfies CatalogDocument))
  sections.forEach(({ models }, section) => {
    for (const { id, context } of models) assert.equal(table.model(table.named(section, id)).context, context, id)
    assert.equal(table.named(section, 'nobody'), -1)
  })
})

test('the facts of a model come back as they were written', () => {
  const catalog = catalogOf([
    { id: 'A', mode: 'embedding', context: 8192, maxOutput: 16, deprecated: true, status: 'deprecated' },
    { id: 'b', capabilities: ['reasoning', 'vision'] },
    { id: 'c' },
  ])
  assert.deepEqual(catalog.facts('lab', 'a'), {
    mode: 'embedding',
    contextWindow: 8192,
    maxOutputTokens: 16,
    capabilities: null,
    status: 'deprecated',
    deprecated: true,
  })
  assert.deepEqual(catalog.facts('lab', 'b')?.capabilities, ['vision', 'reasoning'], 'in the order of the contract')
  assert.deepEqual(catalog.models('lab'), ['b', 'c'], 'what is deprecated is priced, and not offered')
  assert.deepEqual(catalog.models('nobody'), [])
})

test('without a catalog everything is unknown', () => {
  const none = openCatalog(null)
  assert.equal(none.facts('openai', 'gpt-4o'), null)
  assert.equal(none.price('openai', 'gpt-4o', usageOf({ prompt: 1 })), null)
  assert.deepEqual(none.models('openai'), [])
})

test('what goes out with the gateway is valid, cites its sources, and knows more than two thousand models', () => {
  const shipped = readDocument()
  assert.ok(modelCount(shipped) > 2000)
  const owned = shipped.sections.flatMap(({ id, source, models }) =>
    source === undefined ? models.map(model => ({ section: id, ...model })) : [],
  )
  for (const model of owned) assert.match(model.source ?? model.section, /^https:|^avian$|^novita$/, model.id)
  assert.equal(shippedCatalog().facts('openai', 'gpt-4o')?.contextWindow, 128_000)
})
