import type { KeyData, StoredKey } from '../core/snapshot.ts'

/**
 * Client keys in memory that all threads share: one copy in the process, however many keys and threads there are, and
 * nothing on any thread's heap but the rows it has met lately. Written once, by whoever builds it, and only read after
 * it was posted to other threads.
 *
 *   header   count │ slots │ seed │ unused              (u32 each)
 *   slots    row + 1, 0 = empty                          (u32 × slots, a power of two, at most half of them used)
 *   rows     SHA-256, 8 words │ where its facts begin    (u32 × 9 × count)
 *   facts    expires, ms (f64) │ scopes (u8, a bit each) │ id length (u8) │ name length (u16) │ id │ name   (UTF-8)
 *
 * Words are in the byte order of the machine: the memory never leaves it.
 */
const headerWords = 4
const rowWords = 9
const digestWords = 8
const factsHeader = 12
const scopeNames = ['admin', 'read_only'] as const
const scopeSets = [0, 1, 2, 3].map(bits => scopeNames.filter((_, bit) => bits & (1 << bit)))

/** Decoded rows a thread keeps, by row number: enough for the keys that are busy, and a bound for all the others. */
const cachedRows = 1024

/** The digest is 32 characters, a byte each. Null: no such key. */
export type FindKey = (digest: string) => KeyData | null

/** Throws when two keys have one digest, or a text does not fit. `seed` is any number others can't know. */
export function buildKeyTable(keys: readonly StoredKey[], seed: number): SharedArrayBuffer {
  const slots = Math.max(8, 2 ** Math.ceil(Math.log2(keys.length * 2)))
  const factsAt = (headerWords + slots + keys.length * rowWords) * 4
  const factsBytes = keys.reduce((sum, { id, name }) => sum + factsHeader + utf8(id, 255) + utf8(name, 65_535), 0)
  const memory = new SharedArrayBuffer(Math.ceil((factsAt + factsBytes) / 4) * 4)
  const words = new Int32Array(memory)
  const bytes = Buffer.from(memory)
  words.set([keys.length, slots, seed])

  let facts = factsAt
  keys.forEach((key, row) => {
    const at = rowAt(slots, row)
    readDigest(Buffer.from(key.sha256, 'hex').latin1Slice(), words, at)
    words[at + digestWords] = facts
    const slot = findSlot(words, words, at)
    if (words[slot] !== 0) throw new RangeError(`the keys ${keys[words[slot] - 1].id} and ${key.id} are one`)
    words[slot] = row + 1
    facts = writeFacts(bytes, facts, key)
  })
  return memory
}

/** A thread's way into a table; null is a table without keys. */
export function openKeyTable(memory: SharedArrayBuffer | null): FindKey {
  if (memory === null) return () => null
  const words = new Int32Array(memory)
  const bytes = Buffer.from(memory)
  const sought = new Int32Array(digestWords)
  const cached = Math.min(cachedRows, 2 ** Math.ceil(Math.log2(words[0] + 1)))
  const cachedRow = new Int32Array(cached)
  const cachedKey = new Array<KeyData | null>(cached).fill(null)

  return digest => {
    if (digest.length !== digestWords * 4) return null
    readDigest(digest, sought, 0)
    const found = words[findSlot(words, sought, 0)]
    if (found === 0) return null
    const place = found & (cached - 1)
    if (cachedRow[place] !== found) {
      cachedKey[place] = readFacts(bytes, words[rowAt(words[1], found - 1) + digestWords])
      cachedRow[place] = found
    }
    return cachedKey[place]
  }
}

export const keyCount = (memory: SharedArrayBuffer | null): number => (memory === null ? 0 : new Int32Array(memory)[0])

const rowAt = (slots: number, row: number): number => headerWords + slots + row * rowWords

/** The slot of the digest at `sought[at]`, or the empty one where it would be. There always is an empty one. */
function findSlot(words: Int32Array, sought: Int32Array, at: number): number {
  const slots = words[1]
  let place = mix(words[2], sought, at)
  for (;;) {
    place &= slots - 1
    const found = words[headerWords + place]
    if (found === 0 || isEqual(words, rowAt(slots, found - 1), sought, at)) return headerWords + place
    place++
  }
}

/** Over all words and with a seed, so that nobody can choose keys that all begin their search at one slot. */
function mix(seed: number, words: Int32Array, at: number): number {
  let h = seed
  for (let i = 0; i < digestWords; i++) {
    h = Math.imul(h ^ words[at + i], 0x9e3779b1)
    h ^= h >>> 15
  }
  return h
}

function isEqual(a: Int32Array, atA: number, b: Int32Array, atB: number): boolean {
  for (let i = 0; i < digestWords; i++) if (a[atA + i] !== b[atB + i]) return false
  return true
}

function readDigest(digest: string, into: Int32Array, at: number): void {
  for (let i = 0; i < digestWords; i++) {
    const c = i * 4
    into[at + i] =
      digest.charCodeAt(c) |
      (digest.charCodeAt(c + 1) << 8) |
      (digest.charCodeAt(c + 2) << 16) |
      (digest.charCodeAt(c + 3) << 24)
  }
}

function writeFacts(bytes: Buffer, at: number, { id, name, scopes, expiresAtMs }: StoredKey): number {
  const idBytes = bytes.write(id, at + factsHeader)
  const nameBytes = bytes.write(name, at + factsHeader + idBytes)
  bytes.writeDoubleLE(expiresAtMs, at)
  bytes[at + 8] = scopeNames.reduce((bits, scope, bit) => (scopes.includes(scope) ? bits | (1 << bit) : bits), 0)
  bytes[at + 9] = idBytes
  bytes.writeUInt16LE(nameBytes, at + 10)
  return at + factsHeader + idBytes + nameBytes
}

function readFacts(bytes: Buffer, at: number): KeyData {
  const id = at + factsHeader
  const name = id + bytes[at + 9]
  return {
    id: bytes.utf8Slice(id, name),
    name: bytes.utf8Slice(name, name + bytes.readUInt16LE(at + 10)),
    scopes: scopeSets[bytes[at + 8]],
    expiresAtMs: bytes.readDoubleLE(at),
  }
}

function utf8(text: string, most: number): number {
  const size = Buffer.byteLength(text)
  if (size > most) throw new RangeError(`a key's id or name has ${size} bytes; ${most} fit`)
  return size
}
