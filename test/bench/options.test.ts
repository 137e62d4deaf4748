import assert from 'node:assert/strict'
import { test } from 'node:test'
import { count, parseOptions, percentage, positive } from '../../bench/options.ts'

test('numbers that would measure nothing, or let everything pass, are refused', () => {
  for (const bad of ['', ' ', 'x', '0', '-1', 'NaN', 'Infinity']) assert.throws(() => positive(bad), /above 0/, bad)
  for (const bad of ['', ' ', 'x', '-1', '1.5', 'NaN']) assert.throws(() => count(bad), /whole number/, bad)
  for (const bad of ['', ' ', 'x', '-1', '101', 'NaN']) assert.throws(() => percentage(bad), /percentage/, bad)
  assert.equal(positive('0.5'), 0.5)
  assert.equal(count('0'), 0)
  assert.equal(percentage('0'), 0)
})

test('options are read as they are meant', () => {
  const options = parseOptions([
    '--scenario',
    'smoke,streams-400',
    '--peer',
    'nginx',
    '--peer',
    'relay',
    '--max-errors',
    '0',
  ])
  assert.deepEqual(options.scenario, ['smoke', 'streams-400'])
  assert.deepEqual(options.peer, ['nginx', 'relay'])
  assert.equal(options.maxErrors, 0)
  assert.equal(options.rounds, 3)
})
