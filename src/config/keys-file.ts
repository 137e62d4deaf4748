import { createHash, type Hash, randomInt } from 'node:crypto'
import { isObject, type JsonObject } from '../core/json.ts'
import type { StoredKey } from '../core/snapshot.ts'
import { buildKeyTable } from '../shared/key-table.ts'
import { formatProblems, type Problem, problem } from './problems.ts'
import { didYouMean } from './suggest.ts'

export type KeysResult =
  | { readonly ok: true; readonly keys: readonly StoredKey[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** A keys file as the rest of the process sees it. It may cross threads; the table is not copied. */
export type KeyTable =
  | {
      readonly ok: true
      readonly table: SharedArrayBuffer
      /** `contentHash` of what was read, for `watchFile`. */
      readonly hash: string
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * Reads the file of `auth.keys_file` (`name`, as it is written there) into a table. Meant for a thread that ends: what
 * parsing 100,000 keys leaves on a heap is many times the table. In pieces, because a freed block of the size of the
 * file would make the C library keep blocks of that size from then on, where it gave them back before.
 */
export function readKeyTable(name: string, open: () => Iterable<Uint8Array>): KeyTable {
  const refuse = (message: string): Problem => problem('auth.keys_file', message)
  const digest = createHash('sha256')
  let result: KeysResult
  try {
    result = parseKeyLines(linesOf(open(), digest))
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    const why = error instanceof Error ? error.message : `${name} cannot be read`
    return { ok: false, problems: [refuse(isMissing ? `${why}; ${howToWrite}` : why)] }
  }
  if (!result.ok) return { ok: false, problems: result.problems.map(found => refuse(formatProblems(name, [found]))) }
  return { ok: true, table: buildKeyTable(result.keys, randomInt(2 ** 32)), hash: digest.digest('hex') }
}

const howToWrite = '"Keys of clients" in docs/configuration.md has the command that writes one'

/** Several times the longest line that could be right. */
const longestLine = 16 * 1024

function* linesOf(pieces: Iterable<Uint8Array>, digest: Hash): Generator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for (const piece of pieces) {
    digest.update(piece)
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() as string
    yield* lines
    if (rest.length > longestLine) throw new Error(`a line is longer than ${longestLine / 1024} KiB`)
  }
  yield rest + decoder.decode()
}

const fields = ['id', 'sha256', 'name', 'scopes', 'expires_at']

/**
 * Client keys, one JSON object a line: `{"id":"ci","sha256":"<hex of the key's SHA-256>","name":"CI","scopes":["read_only"],
 * "expires_at":"2030-01-01T00:00:00Z"}`. Only `id` and `sha256` are required. A key itself never stands in the file.
 */
export function parseKeyLines(lines: Iterable<string>): KeysResult {
  const keys: StoredKey[] = []
  const problems: Problem[] = []
  const ids = new Map<string, number>()
  const hashes = new Map<string, number>()
  let number = 0
  for (const content of lines) {
    number++
    if (content.trim() === '') continue
    const line = new Line(number, content, problems)
    const key = line.key()
    if (key === null) continue
    for (const [seen, value, what] of [
      [ids, key.id, 'id'],
      [hashes, key.sha256, 'sha256'],
    ] as const) {
      const first = seen.get(value)
      if (first === undefined) seen.set(value, number)
      else line.refuse(what, `line ${first} has this ${what} already`)
    }
    keys.push(key)
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, keys }
}

/** One line of the file, and what is wrong with it. */
class Line {
  readonly number: number
  readonly #content: string
  readonly #problems: Problem[]

  constructor(number: number, content: string, problems: Problem[]) {
    this.number = number
    this.#content = content
    this.#problems = problems
  }

  refuse(path: string, message: string, hint?: string): void {
    const column = Math.max(0, path === '' ? 0 : this.#content.indexOf(JSON.stringify(path))) + 1
    this.#problems.push({ path, line: this.number, column, message, ...(hint === undefined ? {} : { hint }) })
  }

  key(): StoredKey | null {
    const before = this.#problems.length
    const object = this.#parse()
    if (object === null) return null
    for (const name of Object.keys(object))
      if (!fields.includes(name)) this.refuse(name, 'unknown key', didYouMean(name, fields))
    const key = {
      id: this.#id(object.id),
      sha256: this.#hash(object.sha256),
      name: this.#name(object.name),
      scopes: this.#scopes(object.scopes),
      expiresAtMs: this.#expiry(object.expires_at),
    }
    return this.#problems.length === before ? key : null
  }

  #parse(): JsonObject | null {
    let value: unknown
    try {
      value = JSON.parse(this.#content)
    } catch {
      this.refuse('', 'this line is not JSON') // The parser's own words would repeat the line.
      return null
    }
    if (isObject(value)) return value
    this.refuse('', 'this line is not a JSON object')
    return null
  }

  #id(id: unknown): string {
    if (typeof id !== 'string') this.refuse('id', id === undefined ? 'is required' : 'must be text')
    else if (!/^[\x21-\x7e]{1,128}$/.test(id)) this.refuse('id', 'must be 1 to 128 visible ASCII characters')
    else if (id.startsWith('master-key'))
      this.refuse('id', 'must not begin with master-key: logs would confuse the two')
    else return id
    return ''
  }

  #hash(hash: unknown): string {
    if (typeof hash === 'string' && /^[0-9a-fA-F]{64}$/.test(hash)) return hash.toLowerCase()
    this.refuse('sha256', hash === undefined ? 'is required' : 'must be 64 hex digits: the SHA-256 of the key')
    return ''
  }

  #name(name: unknown): string {
    if (name === undefined || name === null) return ''
    if (typeof name === 'string' && name.length <= 256) return name
    this.refuse('name', 'must be text of at most 256 characters')
    return ''
  }

  #scopes(scopes: unknown): StoredKey['scopes'] {
    if (scopes === undefined || scopes === null) return ['read_only']
    if (
      Array.isArray(scopes) &&
      scopes.length > 0 &&
      scopes.every(scope => scope === 'admin' || scope === 'read_only')
    ) {
      return scopes as StoredKey['scopes']
    }
    this.refuse('scopes', 'must be a list of admin and read_only')
    return []
  }

  #expiry(date: unknown): number {
    if (date === undefined || date === null) return 0
    const ms = typeof date === 'string' ? parseTimestamp(date) : null
    if (ms === null) this.refuse('expires_at', 'must be a date and time with a zone, such as 2030-01-31T00:00:00Z')
    return ms ?? 0
  }
}

/** RFC 3339, in ms since the epoch. https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
export function parseTimestamp(text: string): number | null {
  const parts =
    /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/.exec(text)
  if (parts === null) return null
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number)
  // Date.parse rolls 30 February over to March.
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate()
  if (month < 1 || month > 12 || day < 1 || day > lastDay || hour > 23 || minute > 59 || second > 59) return null
  const ms = Date.parse(text.toUpperCase().replace(' ', 'T'))
  return Number.isNaN(ms) ? null : ms
}
