import assert from 'node:assert/strict'
import { test } from 'node:test'
import { painter } from '../../src/cli/terminal.ts'

const onTerminal = { isTTY: true }

test('a terminal gets colours', () => {
  assert.equal(painter(onTerminal, { TERM: 'xterm' })('red', 'x'), '\x1b[31mx\x1b[39m')
})

test('a pipe, NO_COLOR and a dumb terminal get plain text', () => {
  assert.equal(painter({}, { TERM: 'xterm' })('red', 'x'), 'x')
  assert.equal(painter(onTerminal, { TERM: 'xterm', NO_COLOR: '1' })('red', 'x'), 'x')
  assert.equal(painter(onTerminal, { TERM: 'dumb' })('red', 'x'), 'x')
})

test('an empty NO_COLOR means nothing', () => {
  assert.equal(painter(onTerminal, { TERM: 'xterm', NO_COLOR: '' })('bold', 'x'), '\x1b[1mx\x1b[22m')
})
