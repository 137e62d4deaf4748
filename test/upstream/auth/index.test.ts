import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyAuth } from '../../../src/upstream/auth/index.ts'

test('each scheme becomes its headers, and a missing credential none', () => {
  assert.deepEqual(applyAuth({ scheme: 'none' }), [])
  assert.deepEqual(applyAuth({ scheme: 'bearer', token: 'sk-1' }), [['authorization', 'Bearer sk-1']])
  assert.deepEqual(applyAuth({ scheme: 'header', name: 'X-Api-Key', value: 'k' }), [['x-api-key', 'k']])
  assert.deepEqual(applyAuth({ scheme: 'bearer', token: '' }), [])
  assert.deepEqual(applyAuth({ scheme: 'header', name: 'x-api-key', value: '' }), [])
})
