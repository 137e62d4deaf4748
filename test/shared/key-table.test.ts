import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { authenticator } from '../../src/core/authenticate.ts'
import type { StoredKey } from '../../src/core/snapshot.ts'
import { buildKeyTable, type FindKey, keyCount, openKeyTable } from '../../src/shared/key-table.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const binary = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1')

const key = (token: string, rest: Partial<StoredKey> = {}): StoredKey => ({
  id: token,
  sha256: sha256(token),
  name: '',
  scopes: ['read_only'],
  expiresAtMs: 0,
  ...rest,
})
const idOf = (find: FindKey, hex: string): string | null => find(binary(hex))?.id ?? null
const many = (count: number): StoredKey[] => Array.from({ length: count }, (_, i) => key(`key-${i}`))

test('what is stored for a key comes back, whatever its texts hold', () => {
  const keys = [
    key('least'),
    key('most', { name: 'Ünïcödé 🔑', scopes: ['read_only', 'admin'], expiresAtMs: Date.UTC(2262, 3, 11) }),
    key('none', { scopes: [], name: 'x'.repeat(65_535) }),
    key('long', { id: 'i'.repeat(255), scopes: ['admin'] }),
  ]
  const find = openKeyTable(buildKeyTable(keys, 1))
  const { sha256: least, ...facts } = keys[0]
  assert.deepEqual(find(binary(least)), facts)
  assert.deepEqual(find(binary(keys[1].sha256)), {
    id: 'most',
    name: 'Ünïcödé 🔑',
    scopes: ['admin', 'read_only'],
    expiresAtMs: Date.UTC(2262, 3, 11),
  })
  assert.deepEqual(find(binary(keys[2].sha256))?.scopes, [])
  assert.equal(find(binary(keys[2].sha256))?.name.length, 65_535)
  assert.equal(find(binary(keys[3].sha256))?.id, 'i'.repeat(255))
})

test('a text that does not fit, and a digest that comes twice, are refused', () => {
  assert.throws(() => buildKeyTable([key('a', { id: 'i'.repeat(256) })], 1), /256 bytes; 255 fit/)
  assert.throws(() => buildKeyTable([key('a', { name: 'ü'.repeat(32_768) })], 1), /65536 bytes; 65535 fit/)
  assert.throws(() => buildKeyTable([key('a'), key('b', { sha256: sha256('a') })], 1), /the keys a and b are one/)
})

test('a table without keys, and no table, know nobody', () => {
  for (const memory of [null, buildKeyTable([], 1)]) {
    const find = openKeyTable(memory)
    assert.equal(keyCount(memory), 0)
    assert.equal(idOf(find, sha256('anybody')), null)
    assert.equal(idOf(find, '00'.repeat(32)), null)
  }
})

test('every number of keys has room, and an unknown digest is never found', () => {
  for (let count = 1; count <= 40; count++) {
    const memory = buildKeyTable(many(count), count)
    const find = openKeyTable(memory)
    assert.equal(keyCount(memory), count)
    for (let i = 0; i < count; i++) assert.equal(idOf(find, sha256(`key-${i}`)), `key-${i}`)
    for (let i = 0; i < 100; i++) assert.equal(idOf(find, sha256(`other-${i}`)), null)
  }
})

test('only all 256 bits together are a digest', () => {
  const stored = sha256('the key')
  const find = openKeyTable(buildKeyTable([key('id', { sha256: stored })], 1))
  for (let bit = 0; bit < 256; bit++) {
    const bytes = Buffer.from(stored, 'hex')
    bytes[bit >> 3] ^= 1 << (bit & 7)
    assert.equal(find(bytes.toString('latin1')), null)
  }
  const whole = binary(stored)
  for (const other of ['', whole.slice(0, 31), `${whole}x`, stored]) assert.equal(find(other), null)
  assert.equal(find(whole)?.id, 'id')
})

test('digests that agree in all words but one are told apart, and do not share one place', () => {
  // 4,000 digests whose first 28 bytes are the same, and 4,000 that differ in the first word only.
  const word = (i: number): string => i.toString(16).padStart(8, '0')
  const tails = Array.from({ length: 4_000 }, (_, i) => '00'.repeat(28) + word(i))
  const heads = Array.from({ length: 4_000 }, (_, i) => word(i + 1) + 'ff'.repeat(28))
  const hexes = [...tails, ...heads]
  for (const seed of [0, 1, 0xdeadbeef]) {
    const memory = buildKeyTable(
      hexes.map((sha256, i) => key(`k${i}`, { sha256 })),
      seed,
    )
    const find = openKeyTable(memory)
    for (const [i, hex] of hexes.entries()) assert.equal(idOf(find, hex), `k${i}`)
    assert.equal(idOf(find, `${'00'.repeat(28)}${word(4_000)}`), null)
    assert.ok(longestRun(memory) < 64, `${longestRun(memory)} slots in a row are taken`)
  }
})

/** The most steps any search of a table could take. */
function longestRun(memory: SharedArrayBuffer): number {
  const words = new Int32Array(memory)
  const slots = words.subarray(4, 4 + words[1])
  let longest = 0
  let run = 0
  for (const found of [...slots, ...slots]) longest = Math.max(longest, (run = found === 0 ? 0 : run + 1))
  return longest
}

test('more keys than a thread remembers are all found, again and again', () => {
  const find = openKeyTable(buildKeyTable(many(5_000), 7))
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5_000; i++) assert.equal(idOf(find, sha256(`key-${i}`)), `key-${i}`)
  }
  const twice = binary(sha256('key-1'))
  assert.equal(find(twice), find(twice))
})

test('100,000 keys take less than 12 MB, and threads that share them find every one and no other', async t => {
  const count = 100_000
  const memory = buildKeyTable(many(count), 99)
  assert.ok(memory.byteLength < 12e6, `${memory.byteLength} bytes`)
  const parts = 4
  const answers = Array.from({ length: parts }, async (_, part) => {
    const worker = new Worker(new URL('./key-table-thread.js', import.meta.url), {
      workerData: { memory, part, parts, count },
    })
    t.after(() => worker.terminate())
    const [answer] = (await once(worker, 'message')) as [{ found: number; wrong: number }]
    return answer
  })
  for (const answer of await Promise.all(answers)) assert.deepEqual(answer, { found: count / parts, wrong: 0 })
})

test('a token is recognised by its digest, until it expires; the master key is apart', () => {
  const memory = buildKeyTable([key('fgw_a'), key('fgw_b', { expiresAtMs: 1_000 })], 5)
  const authenticate = authenticator(sha256('fgw_master'), openKeyTable(memory))
  assert.equal(authenticate('fgw_a', Number.MAX_SAFE_INTEGER)?.id, 'fgw_a')
  assert.equal(authenticate('fgw_b', 999)?.id, 'fgw_b')
  assert.equal(authenticate('fgw_b', 1_000), null)
  assert.equal(authenticate('fgw_c', 0), null)
  assert.equal(authenticate(sha256('fgw_a'), 0), null)
  assert.equal(authenticate('', 0), null)
  assert.deepEqual(authenticate('fgw_master', 0), {
    id: `master-key:${sha256('fgw_master').slice(0, 16)}`,
    name: 'master-key',
    scopes: ['admin'],
    expiresAtMs: 0,
  })
  const withoutMaster = authenticator('', openKeyTable(memory))
  assert.equal(withoutMaster('fgw_master', 0), null)
  assert.equal(withoutMaster('', 0), null)
})
