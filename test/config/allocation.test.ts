import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allocate, firstAllocation, maxSeries, seriesKey, type TargetClaim } from '../../src/config/allocation.ts'
import { compiled, random } from './support.ts'

const claim = (key: string, models: string[] = [], fingerprint = key): TargetClaim => ({ key, fingerprint, models })

test('row 0 of the series is for what is not known, and every target has a row for unknown models', () => {
  const { series } = allocate(firstAllocation, [claim('a', ['x', 'y', 'x']), claim('b', ['x'])])
  assert.deepEqual(series, {
    [seriesKey('none', 'unknown')]: 0,
    [seriesKey('a', 'unknown')]: 1,
    [seriesKey('b', 'unknown')]: 2,
    [seriesKey('a', 'x')]: 3,
    [seriesKey('a', 'y')]: 4,
    [seriesKey('b', 'x')]: 5,
  })
})

test('series keep their row when targets go and come back', () => {
  const first = allocate(firstAllocation, [claim('a', ['x']), claim('b', ['y'])])
  const without = allocate(first, [claim('b', ['y', 'z'])])
  const back = allocate(without, [claim('a', ['x']), claim('b')])
  for (const key of Object.keys(first.series)) assert.equal(back.series[key], first.series[key])
  assert.equal(new Set(Object.values(back.series)).size, Object.keys(back.series).length)
})

test('series end at the cap, and every target still has its row for unknown models', () => {
  const models = Array.from({ length: 3000 }, (_, i) => `m${i}`)
  const { series } = allocate(firstAllocation, [claim('a', models), claim('b', models)])
  assert.equal(Object.keys(series).length, maxSeries)
  assert.equal(Math.max(...Object.values(series)), maxSeries - 1)
  assert.ok(seriesKey('a', 'unknown') in series && seriesKey('b', 'unknown') in series)
  assert.ok(seriesKey('a', 'm2999') in series && !(seriesKey('b', 'm2999') in series))
})

test('a target keeps its row while it is the same upstream, and gets another when it is not', () => {
  const first = allocate(firstAllocation, [claim('a'), claim('b'), claim('c')])
  assert.deepEqual(
    Object.values(first.targets).map(({ row }) => row),
    [0, 1, 2],
  )
  const next = allocate(first, [claim('c'), claim('b', [], 'changed'), claim('d')])
  assert.equal(next.targets.c.row, 2)
  assert.equal(next.targets.b.row, 3)
  assert.equal(next.targets.d.row, 4)
})

test('a row that was just given up rests for one reload, then serves again', () => {
  const first = allocate(firstAllocation, [claim('a'), claim('b')])
  const second = allocate(first, [claim('b')])
  assert.equal(allocate(second, [claim('b'), claim('c')]).targets.c.row, 2)
  const third = allocate(second, [claim('b')])
  assert.equal(allocate(third, [claim('b'), claim('c')]).targets.c.row, 0)
})

test('over 300 random reloads no row has two owners within two generations, and rows do not run away', () => {
  const next = random(3)
  let allocation = firstAllocation
  let before: readonly number[] = []
  for (let reload = 0; reload < 300; reload++) {
    const claims = 'abcdefgh'
      .split('')
      .filter(() => next(3) > 0)
      .map(key => claim(key, [], `${key}${next(2)}`))
    const previous = allocation
    allocation = allocate(previous, claims)
    const rows = claims.map(({ key }) => allocation.targets[key].row)
    assert.equal(new Set(rows).size, claims.length)
    for (const { key, fingerprint } of claims) {
      const { row } = allocation.targets[key]
      const kept = previous.targets[key]?.fingerprint === fingerprint
      if (kept) assert.equal(row, previous.targets[key].row)
      else assert.ok(!before.includes(row) && !Object.values(previous.targets).some(owner => owner.row === row))
    }
    before = Object.values(previous.targets).map(({ row }) => row)
    assert.ok(Math.max(-1, ...rows) < 32)
  }
})

test('weights, retries and models leave a target’s row alone; settings, proxy and TLS do not', () => {
  const variables = { OPENAI_API_KEY: 'sk-0123456789abcdef0123' }
  const base = compiled('targets: [{virtual_key: openai}]', { variables })
  const row = (fields: string, environment = variables) =>
    compiled(`targets: [{virtual_key: openai, ${fields}}]`, { variables: environment, previous: base.allocation })
      .snapshot.targets[0].row
  for (const same of ['weight: 5', 'models: [x]', 'retry: {attempts: 2}', 'max_connections: 7'])
    assert.equal(row(same), 0, same)
  for (const other of [
    'api_key: another',
    'base_url: http://x',
    'proxy: http://p:1',
    'tls: {server_name: x}',
    'http2: true',
  ]) {
    assert.equal(row(other), 1, other)
  }
  assert.equal(row('weight: 1', { OPENAI_API_KEY: 'sk-rotated-0123456789' }), 1)
})

test('the known models of a provider, of a target and behind aliases get series', () => {
  const { snapshot } = compiled(
    'aliases: {fast: gpt-mine, other: unrelated}\ntargets: [{virtual_key: openai, models: [ft:x]}]',
    {
      variables: { OPENAI_API_KEY: 'sk-0123456789abcdef0123' },
    },
  )
  assert.deepEqual(
    Object.keys(snapshot.series).map(key => key.replace('\0', ' ')),
    ['none unknown', 'openai unknown', 'openai ft:x', 'openai gpt-mine', 'openai gpt-4o', 'openai gpt-4o-mini'],
  )
})

test('an allocation holds no credential', () => {
  const { allocation } = compiled(null, { variables: { OPENAI_API_KEY: 'sk-0123456789abcdef0123' } })
  assert.doesNotMatch(JSON.stringify(allocation), /sk-0123/)
})
