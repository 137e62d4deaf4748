import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRateLimits } from '../../src/core/rate-limits.ts'
import { awakeFirst, TargetState, targetStateBytes } from '../../src/shared/target-state.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')
const stateOf = (rows: number) => new TargetState(new SharedArrayBuffer(targetStateBytes(rows)))
const unknown = { limit: -1, remaining: -1, resetMs: -1 }

test('of a target that never answered nothing is known, and it does not rest', () => {
  const row = stateOf(2).row(1)
  assert.equal(row.isResting(nowMs), false)
  assert.deepEqual(row.read(), { restUntilMs: 0, limits: { requests: unknown, tokens: unknown } })
})

test('a target rests until its time has come, and not a moment less', () => {
  const row = stateOf(1).row(0)
  row.rest(nowMs + 1500)
  assert.equal(row.isResting(nowMs), true)
  assert.equal(row.isResting(nowMs + 1500), true, 'in whole seconds, rounded up')
  assert.equal(row.isResting(nowMs + 2000), false)
  row.rest(nowMs + 10)
  assert.equal(row.isResting(nowMs + 1400), true, 'a shorter rest does not end a longer one')
})

test('what one row is told no other says, and all threads read the same memory', () => {
  const memory = new SharedArrayBuffer(targetStateBytes(3))
  const writer = new TargetState(memory)
  const reader = new TargetState(memory)
  const requests = { limit: 60, remaining: 0, resetMs: nowMs + 1000 }
  writer.row(1).saw({ requests, tokens: { limit: 150_000, remaining: 149_984, resetMs: -1 } })
  writer.row(1).rest(nowMs + 5000)
  assert.deepEqual(reader.row(1).read(), {
    restUntilMs: nowMs + 5000,
    limits: { requests, tokens: { limit: 150_000, remaining: 149_984, resetMs: -1 } },
  })
  for (const other of [0, 2]) assert.deepEqual(reader.row(other).read().limits.requests, unknown)
  writer.clear(1)
  assert.deepEqual(reader.row(1).read(), { restUntilMs: 0, limits: { requests: unknown, tokens: unknown } })
})

test('a row beyond the table is one that nothing is known of', () => {
  const state = stateOf(1)
  state.row(1).rest(nowMs + 5000)
  state.clear(1)
  assert.equal(state.row(1).isResting(nowMs), false)
  assert.equal(state.row(0).isResting(nowMs), false)
})

test('no amount and no time overflows its field', () => {
  const row = stateOf(1).row(0)
  row.saw({
    requests: { limit: 1e15, remaining: 0x7fff_ffff, resetMs: 8.64e15 },
    tokens: { limit: 0, remaining: 0, resetMs: 0 },
  })
  const { requests, tokens } = row.read().limits
  assert.ok(requests.limit > 2e9 && requests.remaining > 2e9 && requests.resetMs > nowMs)
  assert.deepEqual([tokens.limit, tokens.remaining], [0, 0])
})

test('those that rest go last, in their order; with nobody or everybody at rest the order stays', () => {
  const state = stateOf(3)
  const targets = [0, 1, 2].map(row => ({ row, state: state.row(row) }))
  const order = () => awakeFirst(targets, nowMs).map(({ row }) => row)
  assert.equal(awakeFirst(targets, nowMs), targets)
  state.row(0).rest(nowMs + 5000)
  assert.deepEqual(order(), [1, 2, 0])
  state.row(1).rest(nowMs + 5000)
  assert.deepEqual(order(), [2, 0, 1])
  state.row(2).rest(nowMs + 5000)
  assert.deepEqual(order(), [0, 1, 2])
})

test('both families of rate-limit headers are read, and nonsense in them is not', () => {
  const read = (family: 'x-ratelimit' | 'anthropic-ratelimit', headers: Record<string, string>) =>
    readRateLimits(name => headers[name] ?? '', family, nowMs)
  assert.deepEqual(
    read('x-ratelimit', {
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1m2.5s',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-tokens': '20ms',
    }),
    {
      requests: { limit: 60, remaining: 59, resetMs: nowMs + 62_500 },
      tokens: { limit: 150_000, remaining: 149_984, resetMs: nowMs + 20 },
    },
  )
  assert.deepEqual(
    read('anthropic-ratelimit', {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': '2026-03-01T12:01:00Z',
    }),
    { requests: { limit: 50, remaining: 0, resetMs: nowMs + 60_000 }, tokens: unknown },
  )
  for (const odd of ['', '-1', '1e9', 'soon', '1h1h1h1h1h1h', `${'9'.repeat(40)}s`, '1x', '2026-99-99T00:00:00Z'])
    assert.deepEqual(
      read('x-ratelimit', {
        'x-ratelimit-limit-requests': odd,
        'x-ratelimit-remaining-requests': odd,
        'x-ratelimit-reset-requests': odd,
      }).requests,
      unknown,
      odd,
    )
})
