import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Auth } from '../../../src/core/provider.ts'
import { applyAuth, createAuthorizer } from '../../../src/upstream/auth/index.ts'
import { createUpstream } from '../../../src/upstream/index.ts'

test('each scheme becomes its headers, and a missing credential none', () => {
  assert.deepEqual(applyAuth({ scheme: 'none' }), [])
  assert.deepEqual(applyAuth({ scheme: 'bearer', token: 'sk-1' }), [['authorization', 'Bearer sk-1']])
  assert.deepEqual(applyAuth({ scheme: 'header', name: 'X-Api-Key', value: 'k' }), [['x-api-key', 'k']])
  assert.deepEqual(applyAuth({ scheme: 'bearer', token: '' }), [])
  assert.deepEqual(applyAuth({ scheme: 'header', name: 'x-api-key', value: '' }), [])
})

test('constant schemes are all in the prepared head: nothing is done per request', t => {
  const upstream = createUpstream()
  t.after(() => upstream.close(0))
  const schemes: Auth[] = [
    { scheme: 'none' },
    { scheme: 'bearer', token: 'sk-1' },
    { scheme: 'header', name: 'x-api-key', value: 'k' },
  ]
  for (const auth of schemes) {
    const { fixed, authorize, rejected, warmUp } = createAuthorizer(auth, { upstream })
    assert.deepEqual(fixed, applyAuth(auth))
    assert.deepEqual([authorize, rejected, warmUp], [null, undefined, undefined])
  }
})

test('warming up never throws, whatever the settings', async t => {
  const upstream = createUpstream()
  t.after(() => upstream.close(0))
  const broken: Auth[] = [
    { scheme: 'google', credentials: '{' },
    { scheme: 'oauth-client-credentials', tokenUrl: '', clientId: '\ud800', clientSecret: '\r\n', scope: '' },
  ]
  for (const auth of broken) {
    const authorizer = createAuthorizer(auth, { upstream })
    authorizer.warmUp?.()
    const asked = await authorizer.authorize?.({
      method: 'GET',
      host: '',
      path: '',
      contentType: '',
      body: null,
      nowMs: Date.now(),
    })
    assert.equal(typeof asked, 'object')
  }
})
