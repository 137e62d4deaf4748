import type { ProviderRules } from './document.ts'
import { matches } from './match.ts'
import type { CatalogTable, DirectorySection, SectionRules } from './table.ts'

/** Longer ones are nobody's. */
const longestId = 512

/** Which model a provider's id means: its row, or -1. */
export class Resolver {
  readonly #table: CatalogTable
  readonly #sections: ReadonlyMap<string, number>
  /** Parsed when first needed; a gateway meets few providers. */
  readonly #rules = new Map<number, SectionRules>()

  constructor(table: CatalogTable) {
    this.#table = table
    this.#sections = new Map(table.directory.sections.map(({ id }, number) => [id, number]))
  }

  /**
   * Each of these in turn, until one finds something: the id as it is; without what the provider puts in front of ids;
   * without the date of a version.
   */
  find(provider: string, model: string): number {
    if (model.length > longestId) return -1
    const rules = this.#rulesOf(provider)
    let id = model.toLowerCase().trim()
    let sections = rules.sections
    if (rules.suffix !== undefined) {
      const cut = id.lastIndexOf(rules.suffix.separator)
      if (cut < 0) return -1
      sections = [rules.suffix.section + id.slice(cut + 1)]
      id = id.slice(0, cut)
    }
    for (const candidate of candidates(id, rules.prefixes ?? []))
      for (const section of sections) {
        const row = this.#inSection(section, candidate)
        if (row >= 0) return row
      }
    return -1
  }

  /** Whether it is a name in the provider's own sections, written in full. Of an operator's own names nobody knows. */
  owns(provider: string, model: string): boolean {
    if (model.length > longestId || this.answersFirst(provider)) return false
    const id = model.toLowerCase()
    return this.#rulesOf(provider).sections.some(name => {
      const section = this.#sections.get(name)
      return section !== undefined && this.#table.named(section, id) >= 0
    })
  }

  sectionsOf(provider: string): DirectorySection[] {
    return this.#rulesOf(provider).sections.flatMap(name => {
      const number = this.#sections.get(name)
      return number === undefined ? [] : [this.#table.directory.sections[number]]
    })
  }

  answersFirst(provider: string): boolean {
    return this.#rulesOf(provider).answerFirst === true
  }

  #rulesOf(provider: string): ProviderRules {
    const { providers } = this.#table.directory
    return Object.hasOwn(providers, provider) ? providers[provider] : { sections: [provider] }
  }

  /** As the price data is meant to be read: the id, and then the id with the date spelled with hyphens. */
  #inSection(name: string, id: string): number {
    const section = this.#sections.get(name)
    if (section === undefined) return -1
    const row = this.#matching(section, id)
    if (row >= 0) return row
    const dated = withDateSpelledOut(id)
    return dated === id ? -1 : this.#matching(section, dated)
  }

  #matching(section: number, id: string, hops = 0): number {
    const named = this.#table.named(section, id)
    if (named >= 0) return named
    for (const [row, match] of this.#rulesIn(section)) if (matches(match, id)) return row
    if (hops > 0) return -1
    for (const name of this.#table.directory.sections[section].fallback) {
      const other = this.#sections.get(name)
      const row = other === undefined ? -1 : this.#matching(other, id, hops + 1)
      if (row >= 0) return row
    }
    return -1
  }

  #rulesIn(section: number): SectionRules {
    let rules = this.#rules.get(section)
    if (rules === undefined) {
      rules = this.#table.rules(this.#table.directory.sections[section])
      this.#rules.set(section, rules)
    }
    return rules
  }
}

function* candidates(id: string, prefixes: readonly string[]): Generator<string> {
  yield id
  // Of a resource name (`arn:…/model`) the last part is the model.
  const bare = id.startsWith('arn:') ? id.slice(id.lastIndexOf('/') + 1) : withoutPrefixes(id, prefixes)
  if (bare !== id && bare !== '') yield bare
  const undated = withoutVersion(bare)
  if (undated !== bare && undated !== '') yield undated
}

function withoutPrefixes(id: string, prefixes: readonly string[]): string {
  for (let cut = id; ; ) {
    const prefix = prefixes.find(text => cut.startsWith(text) && cut.length > text.length)
    if (prefix === undefined) return cut
    cut = cut.slice(prefix.length)
  }
}

/** `-20250807`, `-2025-08-07`, `@20250807`, `-latest` at the end. */
const version = /[-@](?:20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|latest|default)$/

const withoutVersion = (id: string): string => id.replace(version, '')

const date = /-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g

/** `-20250807` → `-2025-08-07`, where there is such a day. */
function withDateSpelledOut(id: string): string {
  return id.replace(date, (text, year: string, month: string, day: string) =>
    new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day)
      ? `-${year}-${month}-${day}`
      : text,
  )
}
