import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bag } from '../../src/core/bag.ts'
import { random } from './random.ts'

test('a bag holds what was put into it and not taken out, each once', () => {
  const { pick, chance } = random(7)
  const things = Array.from({ length: 40 }, () => ({ place: -1 }))
  const bag = new Bag<(typeof things)[number]>()
  const model = new Set<(typeof things)[number]>()
  for (let step = 0; step < 5000; step++) {
    const thing = pick(things)
    if (chance(0.5)) {
      bag.add(thing)
      model.add(thing)
    } else {
      bag.delete(thing)
      model.delete(thing)
    }
    assert.equal(bag.size, model.size)
    assert.equal(thing.place >= 0, model.has(thing))
  }
  assert.deepEqual(new Set(bag.all()), model)
})

test('what is gone through may leave meanwhile', () => {
  const bag = new Bag<{ place: number }>()
  for (let i = 0; i < 5; i++) bag.add({ place: -1 })
  for (const thing of bag.all()) bag.delete(thing)
  assert.equal(bag.size, 0)
})
