import type { CatalogDocument, Model, ProviderRules } from './document.ts'
import { type Match, matches, namedIds, unnamedPart } from './match.ts'

/**
 * A catalog in memory that all threads share: one copy in the process, read where it lies, and nothing on a thread's
 * heap but what it has asked for lately. Written once; `dist/catalog.bin` is these bytes.
 *
 *   header     magic │ bytes │ slots │ names at │ directory at, bytes │ rows at │ row count    (u32 each)
 *   slots      where the name is, 0 = none                     (u32 × slots, a power of two, at most half of them used)
 *   rows       where a model's facts begin, and one more       (u32 × (count + 1))
 *   names      row │ section (u16) │ length (u16) │ id         (lower-case UTF-8, padded to 4)
 *   facts, directory, rules of sections                        (JSON)
 *
 * A name is every id that a section's models name in full. What they match otherwise is in the section's rules, to be
 * tried in order for ids that are nobody's name. Words are little-endian, as all machines are that this runs on.
 */
const magic = 0x31544346 // FCT1
const headerWords = 8
/** To pack a section; one from elsewhere could be made to take for ever. */
const mostComparisons = 20_000_000
const at = { magic: 0, bytes: 1, slots: 2, names: 3, directory: 4, directoryBytes: 5, rows: 6, count: 7 } as const

export interface Directory {
  readonly generated: string
  readonly providers: Readonly<Record<string, ProviderRules>>
  readonly sections: readonly DirectorySection[]
}

export interface DirectorySection {
  readonly id: string
  readonly fallback: readonly string[]
  readonly firstRow: number
  readonly rows: number
  /** Where its rules lie. */
  readonly at: number
  readonly bytes: number
}

/** Row and rule, in the order in which they are tried. */
export type SectionRules = readonly (readonly [row: number, match: Match])[]

export interface CatalogTable {
  readonly directory: Directory
  readonly count: number
  /** The model that an id of a section names in full; -1 = none. */
  named(section: number, id: string): number
  rules(section: DirectorySection): SectionRules
  model(row: number): Model
}

export function packCatalog({ generated, providers, sections }: CatalogDocument): SharedArrayBuffer {
  const names: { section: number; id: string; row: number }[] = []
  const facts: Buffer[] = []
  const rules: Buffer[] = []
  const index: Omit<DirectorySection, 'at'>[] = []
  sections.forEach((section, number) => {
    const firstRow = facts.length
    const matchers = section.models.map(({ id, match }): Match => match ?? { equals: id.toLowerCase() })
    const tried = matchers.flatMap((match, i) => {
      const rest = unnamedPart(match)
      return rest === null ? [] : [[firstRow + i, rest] as const]
    })
    // The first model that an id fits is meant, whether it names the id or fits it otherwise.
    const naming = new Map<string, number>()
    matchers.forEach((match, i) => {
      for (const id of namedIds(match)) if (!naming.has(id)) naming.set(id, firstRow + i)
    })
    if (naming.size * tried.length > mostComparisons) throw new TypeError(`${section.id}: too many rules`)
    for (const [id, row] of naming) {
      const before = tried.find(([other, match]) => other >= row || matches(match, id))
      names.push({ section: number, id, row: before === undefined ? row : Math.min(row, before[0]) })
    }
    for (const { match, source, ...model } of section.models) facts.push(Buffer.from(JSON.stringify(model)))
    rules.push(Buffer.from(JSON.stringify(tried)))
    index.push({
      id: section.id,
      fallback: section.fallback ?? [],
      firstRow,
      rows: section.models.length,
      bytes: rules[number].length,
    })
  })
  return lay({ names, facts, rules, index, generated, providers })
}

interface Parts {
  readonly names: readonly { section: number; id: string; row: number }[]
  readonly facts: readonly Buffer[]
  readonly rules: readonly Buffer[]
  readonly index: readonly Omit<DirectorySection, 'at'>[]
  readonly generated: string
  readonly providers: Directory['providers']
}

function lay({ names, facts, rules, index, generated, providers }: Parts): SharedArrayBuffer {
  const slots = Math.max(8, 2 ** Math.ceil(Math.log2(names.length * 2)))
  const rowsAt = headerWords + slots
  const namesAt = (rowsAt + facts.length + 1) * 4
  const factsAt = namesAt + names.reduce((sum, { id }) => sum + nameBytes(Buffer.byteLength(id)), 0)
  const rulesAt = factsAt + sizeOf(facts)
  const directoryAt = rulesAt + sizeOf(rules)
  let ruleAt = rulesAt
  const placed = index.map((section): DirectorySection => {
    const place = { ...section, at: ruleAt }
    ruleAt += section.bytes
    return place
  })
  const directory = Buffer.from(JSON.stringify({ generated, providers, sections: placed } satisfies Directory))
  const memory = new SharedArrayBuffer(Math.ceil((directoryAt + directory.length) / 4) * 4)
  const words = new Int32Array(memory)
  const bytes = Buffer.from(memory)
  words.set([magic, memory.byteLength, slots, namesAt, directoryAt, directory.length, rowsAt, facts.length])
  let next = namesAt
  for (const { section, id, row } of names) {
    const length = bytes.write(id, next + 8)
    bytes.writeUInt32LE(row, next)
    bytes.writeUInt16LE(section, next + 4)
    bytes.writeUInt16LE(length, next + 6)
    words[findSlot(words, bytes, section, Buffer.from(id))] = next
    next += nameBytes(length)
  }
  next = factsAt
  facts.forEach((fact, row) => {
    words[rowsAt + row] = next
    next += fact.copy(bytes, next)
  })
  words[rowsAt + facts.length] = next
  for (const rule of rules) next += rule.copy(bytes, next)
  directory.copy(bytes, next)
  return memory
}

const nameBytes = (length: number): number => Math.ceil((8 + length) / 4) * 4
const sizeOf = (buffers: readonly Buffer[]): number => buffers.reduce((sum, { length }) => sum + length, 0)

/** Throws when the memory holds no catalog, or not all of it. */
export function openTable(memory: SharedArrayBuffer): CatalogTable {
  const words = new Int32Array(memory)
  const bytes = Buffer.from(memory)
  if (words.length < headerWords || words[at.magic] !== magic || words[at.bytes] !== memory.byteLength)
    throw new TypeError('not a catalog of this version, or a part of one')
  const read = (from: number, length: number): unknown => JSON.parse(bytes.utf8Slice(from, from + length))
  const rows = words[at.rows]
  return {
    directory: read(words[at.directory], words[at.directoryBytes]) as Directory,
    count: words[at.count],
    named(section, id) {
      const found = words[findSlot(words, bytes, section, Buffer.from(id))]
      return found === 0 ? -1 : words[found >> 2]
    },
    rules: section => read(section.at, section.bytes) as SectionRules,
    model(row) {
      const from = words[rows + row]
      return read(from, words[rows + row + 1] - from) as Model
    },
  }
}

/** The slot of a name, or the empty one where it would be. */
function findSlot(words: Int32Array, bytes: Buffer, section: number, id: Buffer): number {
  const slots = words[at.slots]
  let place = hashOf(section, id)
  for (;;) {
    place &= slots - 1
    const found = words[headerWords + place]
    if (found === 0 || isName(bytes, found, section, id)) return headerWords + place
    place++
  }
}

function isName(bytes: Buffer, found: number, section: number, id: Buffer): boolean {
  if (bytes.readUInt16LE(found + 4) !== section || bytes.readUInt16LE(found + 6) !== id.length) return false
  return bytes.compare(id, 0, id.length, found + 8, found + 8 + id.length) === 0
}

/** FNV-1a. Ids that aren't in the table may be anything; those in it were chosen by no client. */
function hashOf(section: number, id: Buffer): number {
  let h = 0x811c9dc5 ^ section
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id[i], 0x01000193)
  return h ^ (h >>> 15)
}
