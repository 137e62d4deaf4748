import { createHash } from 'node:crypto'
import { authenticator, bearerToken } from '../../src/core/authenticate.ts'
import { buildKeyTable, openKeyTable } from '../../src/shared/key-table.ts'
import { measure } from './measure.ts'

// What it costs to find out whose key a request brought, among 10,000. Run from the build: node .build/bench/micro/key-table.js
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const headers = Array.from({ length: 10_000 }, (_, i) => `Bearer fgw_${i.toString(16).padStart(48, '0')}`)
const table = buildKeyTable(
  headers.map((header, i) => ({
    id: `key-${i}`,
    name: `Key ${i}`,
    sha256: sha256(bearerToken(header)),
    scopes: ['read_only'],
    expiresAtMs: 0,
  })),
  0x5eed,
)
const authenticate = authenticator(sha256('master'), openKeyTable(table))
const find = (header: string): string => {
  const key = authenticate(bearerToken(header), 0)
  if (key === null) throw new Error('a key is missing')
  return key.id
}

let turn = 0
measure('the same key again', 300_000, () => find(headers[5000]))
measure('1,000 keys by turns', 300_000, () => find(headers[turn++ % 1000]))
measure('all 10,000 by turns', 300_000, () => find(headers[turn++ % headers.length]))
measure('no such key', 300_000, () => authenticate('fgw_unknown', 0))
