import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  exchangeId,
  maxThreads,
  pairLayout,
  pairSizes,
  recordsLayout,
  roster,
  slotBits,
  slotOf,
} from '../../src/shared/layout.ts'

const lineBytes = 64

interface Area {
  readonly name: string
  readonly from: number
  readonly to: number
}

function assertDisjoint(areas: readonly Area[], end: number): void {
  const sorted = [...areas].sort((a, b) => a.from - b.from)
  sorted.reduce((before, area) => {
    assert.ok(area.from >= before.to, `${area.name} begins at ${area.from}, within ${before.name}`)
    return area
  })
  assert.ok(sorted.at(-1)!.to <= end, `${sorted.at(-1)!.name} ends beyond the buffer`)
}

const line = (name: string, word: number): Area => ({
  name,
  from: (word * 4) & ~(lineBytes - 1),
  to: ((word * 4) & ~(lineBytes - 1)) + lineBytes,
})

test('no two parts of a pair share memory, and no two cursors a cache line', () => {
  for (const ringBytes of [64 << 10, 256 << 10, 1 << 20]) {
    for (const slots of [1, 15, 1_024, 16_384]) {
      const { requests, responses, stages, bytes } = pairLayout(ringBytes, slots)
      const areas = (['requests', 'responses'] as const).flatMap(name => {
        const ring = name === 'requests' ? requests : responses
        return [
          line(`${name}.tail`, ring.tail),
          line(`${name}.head`, ring.head),
          line(`${name}.wantsSpace`, ring.wantsSpace),
          { name: `${name} payload`, from: ring.offset, to: ring.offset + ring.size },
        ]
      })
      assertDisjoint([...areas, { name: 'stages', from: stages * 4, to: (stages + slots) * 4 }], bytes)
      for (const ring of [requests, responses]) {
        assert.equal(ring.offset % 8, 0)
        assert.equal(Math.log2(ring.size) % 1, 0, 'a power of two')
      }
    }
  }
})

test('no two words of the roster are one, and status and doorbell lie on lines of their own', () => {
  const seen = new Map<number, string>()
  const name = (index: number, what: string): void => {
    assert.equal(seen.get(index), undefined, `${what} and ${seen.get(index)}`)
    assert.ok(index * 4 < roster.bytes)
    seen.set(index, what)
  }
  for (const thread of [0, 1, 2, maxThreads - 1]) {
    const status = ['state', 'beat', 'heapMb', 'externalMb', 'inFlight', 'lagMs'] as const
    for (const field of status) name(roster[field](thread), `${field} of ${thread}`)
    name(roster.bell(thread), `bell of ${thread}`)
    for (let word = 0; word < roster.dirtyWords; word++) name(roster.dirty(thread, word), `dirty[${word}] of ${thread}`)
    const lineOf = (index: number): number => Math.floor((index * 4) / lineBytes)
    for (const field of status) assert.notEqual(lineOf(roster[field](thread)), lineOf(roster.bell(thread)))
    assert.equal(lineOf(roster.dirty(thread, roster.dirtyWords - 1)), lineOf(roster.bell(thread)))
  }
})

test('a record ring keeps its cursors apart from its payload', () => {
  const { tail, head, wantsSpace, offset, size, bytes } = recordsLayout(64 << 10)
  assertDisjoint(
    [
      line('tail', tail),
      line('head', head),
      line('wantsSpace', wantsSpace),
      { name: 'payload', from: offset, to: offset + size },
    ],
    bytes,
  )
})

test('from 1 to 64 cores the pairs stay within their budget, and rings within 64 KiB and 1 MiB', () => {
  for (const budget of [1 << 20, 64 << 20, 1 << 30]) {
    for (const [acceptors, consumers] of [
      [1, 1],
      [1, 2],
      [1, 4],
      [2, 7],
      [16, 49],
      [64, 193],
    ]) {
      const { ringBytes, slots } = pairSizes(acceptors, consumers, budget)
      assert.ok(ringBytes >= 64 << 10 && ringBytes <= 1 << 20)
      assert.equal(Math.log2(ringBytes) % 1, 0)
      assert.ok(slots <= 1 << slotBits, 'a slot fits into an id')
      assert.ok(ringBytes === 64 << 10 || 2 * ringBytes * acceptors * consumers <= budget)
    }
  }
})

test('an id gives its slot back, is a signed word, and differs in the next generation', () => {
  for (const slot of [0, 1, 5_000, (1 << slotBits) - 1]) {
    for (const generation of [0, 1, 100_000, 2 ** (32 - slotBits) - 1]) {
      const id = exchangeId(slot, generation)
      assert.equal(slotOf(id), slot)
      assert.equal(id, id | 0)
      assert.notEqual(id, exchangeId(slot, (generation + 1) % 2 ** (32 - slotBits)))
    }
  }
})
