import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ModelSource, modelEntries } from '../../src/pipeline/models.ts'
import { catalogOf } from '../catalog/support.ts'

const catalog = catalogOf([
  { id: 'known', context: 1000, maxOutput: 10, capabilities: ['vision'], status: 'ga' },
  { id: 'old', deprecated: true, status: 'deprecated', mode: 'embedding' },
])

const source = (more: Partial<ModelSource> = {}): ModelSource => ({
  provider: 'lab',
  declared: [],
  discovered: [],
  known: ['static'],
  isOwn: false,
  ...more,
})

const idsOf = (...sources: ModelSource[]): string[] => [...modelEntries(sources, 1, catalog).keys()]

test('what is known of a model is listed, and nothing that is not', () => {
  const entries = modelEntries([source({ declared: ['known', 'old', 'nobody'] })], 7, catalog)
  assert.deepEqual(
    [...entries.values()],
    [
      {
        id: 'known',
        object: 'model',
        created: 7,
        owned_by: 'lab',
        mode: 'chat',
        context_window: 1000,
        max_output_tokens: 10,
        capabilities: ['vision'],
        status: 'ga',
      },
      {
        id: 'old',
        object: 'model',
        created: 7,
        owned_by: 'lab',
        mode: 'embedding',
        status: 'deprecated',
        deprecated: true,
      },
      { id: 'nobody', object: 'model', created: 7, owned_by: 'lab' },
    ],
  )
})

test('what an upstream says comes before the catalog, and that before the list of the provider', () => {
  assert.deepEqual(idsOf(source()), ['known'])
  assert.deepEqual(idsOf(source({ discovered: [{ id: 'live' }] })), ['live'])
  assert.deepEqual(idsOf(source({ provider: 'elsewhere' })), ['static'])
})

test('a declared model hides no other', () => {
  assert.deepEqual(idsOf(source({ declared: ['mine'] })), ['mine', 'known'])
  assert.deepEqual(idsOf(source({ declared: ['mine', 'live'], discovered: [{ id: 'live' }, { id: 'other' }] })), [
    'mine',
    'live',
    'other',
  ])
})

test('behind an own base URL the catalog claims nothing, and still describes', () => {
  const entries = modelEntries([source({ isOwn: true, declared: ['known'], known: [] })], 1, catalog)
  assert.deepEqual([...entries.keys()], ['known'])
  assert.equal(entries.get('known')?.context_window, 1000)
})

test('an id belongs to the first target that serves it, and what its upstream says of it counts', () => {
  const said = { id: 'known', created: 42, contextWindow: 5 }
  const entries = modelEntries(
    [source({ discovered: [said] }), source({ provider: 'other', declared: ['known'] })],
    1,
    catalog,
  )
  assert.equal(entries.size, 2 - 1 + 1, 'and the static list of the other')
  const { owned_by: owner, created, context_window: context } = entries.get('known')!
  assert.deepEqual([owner, created, context], ['lab', 42, 5])
})
