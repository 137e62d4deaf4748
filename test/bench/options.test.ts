import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
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
  const options = parseOptions(['--scenario', 'smoke,streams-400', '--peer', 'nginx', '--peer', 'relay'])
  assert.deepEqual(options.scenario, ['smoke', 'streams-400'])
  assert.deepEqual(options.peer, ['nginx', 'relay'])
  assert.equal(parseOptions(['--url', 'http://host', '--max-errors', '0']).maxErrors, 0)
  assert.equal(options.rounds, 3)
})

test('what would be read and then do nothing is refused', () => {
  const bench = (...words: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, ['.build/bench/main.js', ...words], { encoding: 'utf8' })
    return { status, stderr: stderr.trim() }
  }
  assert.deepEqual(bench('--max-p99', '200', '--max-errors', '0'), {
    status: 2,
    stderr: 'error: --max-p99, --max-errors needs --url',
  })
  assert.deepEqual(bench('--url', 'http://127.0.0.1:1', '--targets'), {
    status: 2,
    stderr: 'error: --targets has no meaning with --url',
  })
  assert.match(bench('--engine', 'foo').stderr, /Allowed choices are uws, node/)
  assert.deepEqual(bench('--hours', '2', '--scenario', 'smoke'), {
    status: 2,
    stderr: '--hours is the length of the soak: add --scenario soak',
  })
})

test('two sides of one name are refused: their figures would be mixed up', () => {
  for (const peers of [['relay', 'relay'], ['ferrite=,http://127.0.0.1:1/v1'], ['direct=,http://127.0.0.1:1/v1']]) {
    const words = ['.build/bench/main.js', '--scenario', 'smoke', ...peers.flatMap(peer => ['--peer', peer])]
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
    assert.equal(status, 2)
    assert.equal(stderr.trim(), `--peer: the name "${peers[0].split('=')[0]}" is taken`)
  }
})
