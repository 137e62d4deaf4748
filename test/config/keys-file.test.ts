import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type KeysResult, parseKeyLines, parseTimestamp, readKeyTable } from '../../src/config/keys-file.ts'
import { openKeyTable } from '../../src/shared/key-table.ts'
import { lines } from './support.ts'

const parseKeysFile = (text: string): KeysResult => parseKeyLines(text.split('\n'))

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const line = (key: Record<string, unknown>): string => JSON.stringify({ id: 'a', sha256: sha256('a'), ...key })
const problems = (text: string): string[] => {
  const result = parseKeysFile(text)
  return result.ok ? [] : lines(result.problems)
}

test('a whole key, and one with the least', () => {
  const text = `${line({ name: 'CI', scopes: ['admin', 'read_only'], expires_at: '2030-01-01T00:00:00Z' })}\r\n\n${line({ id: 'b', sha256: sha256('b').toUpperCase() })}\n`
  const result = parseKeysFile(text)
  assert.ok(result.ok)
  assert.deepEqual(result.keys, [
    { id: 'a', sha256: sha256('a'), name: 'CI', scopes: ['admin', 'read_only'], expiresAtMs: Date.UTC(2030, 0, 1) },
    { id: 'b', sha256: sha256('b'), name: '', scopes: ['read_only'], expiresAtMs: 0 },
  ])
})

test('every mistake is said with its line', () => {
  const text = [
    line({}),
    'not json',
    '[]',
    line({ id: 'c', sha256: 'abc' }),
    line({ id: 'd', scopes: ['root'] }),
    line({ id: 'e', sha256: sha256('e'), expires_at: '2030-02-30T00:00:00Z' }),
    line({ id: 'f', sha256: sha256('f'), expire_at: 'x' }),
    line({ sha256: sha256('g') }),
    line({ id: 'h' }),
    line({ id: 'master-key:1', sha256: sha256('i') }),
    line({ id: 'two words', sha256: sha256('j') }),
    line({ id: 'k', sha256: sha256('k'), scopes: [] }),
    line({ id: undefined, sha256: undefined }),
  ].join('\n')
  assert.deepEqual(problems(text), [
    ':2:1: this line is not JSON',
    ':3:1: this line is not a JSON object',
    ':4:11 sha256: must be 64 hex digits: the SHA-256 of the key',
    ':5:87 scopes: must be a list of admin and read_only',
    ':6:87 expires_at: must be a date and time with a zone, such as 2030-01-31T00:00:00Z',
    ':7:87 expire_at: unknown key; did you mean "expires_at"?',
    ':8:2 id: line 1 has this id already',
    ':9:11 sha256: line 1 has this sha256 already',
    ':10:2 id: must not begin with master-key: logs would confuse the two',
    ':11:2 id: must be 1 to 128 visible ASCII characters',
    ':12:87 scopes: must be a list of admin and read_only',
    ':13:1 id: is required',
    ':13:1 sha256: is required',
  ])
})

test('a key pasted in place of its hash is refused without being repeated', () => {
  const secret = 'fgw_0123456789abcdef0123456789abcdef'
  for (const text of [line({ sha256: secret }), secret, `{"id": "${secret}`]) {
    const said = problems(text).join('\n')
    assert.notEqual(said, '')
    assert.doesNotMatch(said, /fgw_/)
  }
})

test('10,000 keys are read, in order', () => {
  const text = Array.from({ length: 10_000 }, (_, i) => line({ id: `k${i}`, sha256: sha256(`k${i}`) })).join('\n')
  const result = parseKeysFile(text)
  assert.ok(result.ok)
  assert.equal(result.keys.length, 10_000)
  assert.equal(result.keys[9999].id, 'k9999')
})

test('an empty file has no keys and is fine', () => {
  assert.deepEqual(parseKeysFile('\n\n'), { ok: true, keys: [] })
})

test('timestamps are those of RFC 3339', () => {
  assert.equal(parseTimestamp('1970-01-01T00:00:01Z'), 1000)
  assert.equal(parseTimestamp('1970-01-01t01:00:00.5+01:00'), 500)
  assert.equal(parseTimestamp('2024-02-29 12:00:00z'), Date.UTC(2024, 1, 29, 12))
  for (const bad of [
    '2030-01-01',
    '2030-01-01T00:00:00',
    '2023-02-29T00:00:00Z',
    '2030-13-01T00:00:00Z',
    '2030-01-00T00:00:00Z',
    '2030-01-01T24:00:00Z',
    '2030-01-01T00:00:60Z',
    '2030-01-01T00:00:00+25:00',
    'tomorrow',
    '1893456000',
  ]) {
    assert.equal(parseTimestamp(bad), null, bad)
  }
})

test('a file that comes in pieces of any size, with a byte order mark, makes the same table', () => {
  const bytes = Buffer.from(`\uFEFF${line({ name: 'Ünïcödé 🔑' })}\r\n\n${line({ id: 'b', sha256: sha256('b') })}`)
  for (const size of [1, 2, 3, 7, 64, 1_000]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    )
    const table = readKeyTable('keys.jsonl', () => pieces)
    assert.ok(table.ok)
    assert.equal(table.hash, createHash('sha256').update(bytes).digest('hex'))
    const find = openKeyTable(table.table)
    assert.equal(find(Buffer.from(sha256('a'), 'hex').toString('latin1'))?.name, 'Ünïcödé 🔑')
    assert.equal(find(Buffer.from(sha256('b'), 'hex').toString('latin1'))?.id, 'b')
  }
})

test('a file without line ends is refused before it fills memory', () => {
  let read = 0
  function* endless(): Generator<Buffer> {
    for (; read < 10_000; read++) yield Buffer.alloc(4096, 'x')
  }
  const table = readKeyTable('keys.jsonl', endless)
  assert.ok(!table.ok)
  assert.match(table.problems[0].message, /longer than 16 KiB/)
  assert.ok(read < 10)
})

test('a file that fails while it is read is a problem, not a table', () => {
  function* failing(): Generator<Buffer> {
    yield Buffer.from(`${line({})}\n`)
    throw new Error('EIO: the disk is gone')
  }
  const table = readKeyTable('keys.jsonl', failing)
  assert.ok(!table.ok)
  assert.equal(table.problems[0].message, 'EIO: the disk is gone')
})
