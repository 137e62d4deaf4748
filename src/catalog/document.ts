import {
  type Capability,
  capabilities,
  type ModelMode,
  type ModelStatus,
  modelModes,
  modelStatuses,
} from '../core/catalog.ts'
import { isObject, type Json } from '../core/json.ts'
import { type Match, parseMatch } from './match.ts'
import { unitOf } from './units.ts'

/**
 * A catalog as a document: what is checked in, what a catalog URL serves, and what tables are packed from. Parsed as
 * hostile: it may come from elsewhere.
 */
export interface CatalogDocument {
  readonly version: 1
  /** Of what, and when: for people. */
  readonly generated: string
  /** How a provider's ids are looked up; a provider that is not here has a section of its own name, or nothing. */
  readonly providers: Readonly<Record<string, ProviderRules>>
  readonly sections: readonly Section[]
}

export interface ProviderRules {
  /** Tried in turn. */
  readonly sections: readonly string[]
  /** Beginnings of ids that are left off when the id as it is finds nothing. */
  readonly prefixes?: readonly string[]
  /** `#`: the part of an id behind the last one of these names the section: `model:host` → `x_host`. */
  readonly suffix?: { readonly separator: string; readonly section: string }
  /** Ids are named by whoever deploys them: what the answer says counts first. */
  readonly answerFirst?: boolean
}

export interface Section {
  readonly id: string
  /** Sections whose models it has besides its own. */
  readonly fallback?: readonly string[]
  /** Where its prices are from; a model that has another source says so. */
  readonly source?: string
  readonly models: readonly Model[]
}

export interface Model {
  readonly id: string
  /** Absent: its id. The first model of a section that matches is meant. */
  readonly match?: Match
  readonly mode?: ModelMode
  /** Tokens. */
  readonly context?: number
  readonly maxOutput?: number
  readonly capabilities?: readonly Capability[]
  readonly status?: ModelStatus
  readonly deprecated?: boolean
  /** One set, or several with the last that holds in force. Absent: unknown. Empty: free. */
  readonly prices?: PriceSet | readonly TimedPrices[]
  /** Per image made; the first row that fits. USD. */
  readonly images?: readonly ImagePrice[]
  /** Least that is billed of audio that has a length at all. */
  readonly minSeconds?: number
  /** Where its facts are from. */
  readonly source?: string
}

/** USD by unit (`units.ts`). */
export type PriceSet = Readonly<Record<string, Price>>

/** With tiers: more input tokens than `start` make every token of the request cost `price`. Ascending. */
export type Price = number | { readonly base: number; readonly tiers: readonly { start: number; price: number }[] }

export interface TimedPrices {
  /** `2026-01-31`, from midnight UTC on. */
  readonly from?: string
  /** Seconds of the day, UTC: from (included) to (not included); may go past midnight. */
  readonly daily?: readonly [from: number, to: number]
  readonly prices: PriceSet
}

export interface ImagePrice {
  readonly price: number
  readonly size?: string
  readonly quality?: string
}

const limits = { sections: 500, models: 50_000, text: 512, variants: 64, tiers: 16, price: 1_000_000 }

/** Throws with the place and the reason; nothing of a document that is wrong anywhere is used. */
export function parseDocument(value: Json): CatalogDocument {
  if (!isObject(value) || value.version !== 1) throw new TypeError('not a catalog of version 1')
  const sections = list(value.sections, 'sections', limits.sections).map(parseSection)
  const names = new Set(sections.map(({ id }) => id))
  if (names.size !== sections.length) throw new TypeError('sections: two have one name')
  const models = sections.reduce((sum, section) => sum + section.models.length, 0)
  if (models === 0 || models > limits.models) throw new TypeError(`sections: ${models} models`)
  const providers: Record<string, ProviderRules> = {}
  for (const [id, rules] of Object.entries(isObject(value.providers) ? value.providers : {}))
    providers[text(id, 'providers')] = parseRules(rules, `providers.${id}`)
  return { version: 1, generated: optional(value.generated, 'generated') ?? '', providers, sections }
}

function parseRules(value: Json | undefined, place: string): ProviderRules {
  if (!isObject(value)) throw new TypeError(`${place}: not an object`)
  const { suffix } = value
  return {
    sections: texts(value.sections, `${place}.sections`),
    ...(value.prefixes !== undefined && { prefixes: texts(value.prefixes, `${place}.prefixes`) }),
    ...(isObject(suffix) && {
      suffix: {
        separator: text(suffix.separator, `${place}.suffix.separator`),
        section: text(suffix.section, `${place}.suffix.section`),
      },
    }),
    ...(value.answerFirst === true && { answerFirst: true }),
  }
}

function parseSection(value: Json, index: number): Section {
  if (!isObject(value)) throw new TypeError(`sections[${index}]: not an object`)
  const id = text(value.id, `sections[${index}].id`)
  return {
    id,
    ...(value.fallback !== undefined && { fallback: texts(value.fallback, `${id}: fallback`) }),
    ...(value.source !== undefined && { source: text(value.source, `${id}: source`) }),
    models: list(value.models, `${id}: models`, limits.models).map(model => parseModel(model, id)),
  }
}

function parseModel(value: Json, section: string): Model {
  if (!isObject(value)) throw new TypeError(`${section}: a model is not an object`)
  const id = text(value.id, `${section}: id`)
  const place = `${section}/${id}`
  const known = <V extends string>(name: string, values: readonly V[]): { [key: string]: V } => {
    const found = value[name]
    if (found === undefined) return {}
    if (!values.includes(found as V)) throw new TypeError(`${place}: ${name} ${String(found).slice(0, 40)}`)
    return { [name]: found as V }
  }
  const tokens = (name: string): { [key: string]: number } => {
    const found = value[name]
    if (found === undefined) return {}
    if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 0)
      throw new TypeError(`${place}: ${name} is no count`)
    return { [name]: found }
  }
  return {
    id,
    ...(value.match !== undefined && { match: parseMatch(value.match) }),
    ...known('mode', modelModes),
    ...known('status', modelStatuses),
    ...tokens('context'),
    ...tokens('maxOutput'),
    ...tokens('minSeconds'),
    ...(value.capabilities !== undefined && { capabilities: parseCapabilities(value.capabilities, place) }),
    ...(value.deprecated === true && { deprecated: true }),
    ...(value.prices !== undefined && { prices: parsePrices(value.prices, place) }),
    ...(value.images !== undefined && {
      images: list(value.images, `${place}: images`, limits.variants).map(row => parseImage(row, place)),
    }),
    ...(value.source !== undefined && { source: text(value.source, `${place}: source`) }),
  }
}

function parseCapabilities(value: Json, place: string): Capability[] {
  const wanted = texts(value, `${place}: capabilities`)
  for (const name of wanted)
    if (!capabilities.includes(name as Capability)) throw new TypeError(`${place}: no capability ${name.slice(0, 40)}`)
  return capabilities.filter(name => wanted.includes(name))
}

function parsePrices(value: Json, place: string): PriceSet | TimedPrices[] {
  if (!Array.isArray(value)) return parseSet(value, place)
  const timed = list(value, place, limits.variants).map(variant => parseTimed(variant, place))
  if (timed.length === 0) throw new TypeError(`${place}: no prices`)
  return timed
}

function parseTimed(value: Json, place: string): TimedPrices {
  if (!isObject(value)) throw new TypeError(`${place}: prices are not an object`)
  const { from, daily } = value
  if (from !== undefined && (typeof from !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(from) || !(Date.parse(from) > 0)))
    throw new TypeError(`${place}: from is no date`)
  if (daily !== undefined && !(Array.isArray(daily) && daily.length === 2 && daily.every(isSecondOfDay)))
    throw new TypeError(`${place}: daily is no time of day`)
  return {
    ...(from !== undefined && { from: from as string }),
    ...(daily !== undefined && { daily: daily as unknown as [number, number] }),
    prices: parseSet(value.prices, place),
  }
}

const isSecondOfDay = (value: Json): boolean => typeof value === 'number' && value >= 0 && value < 86_400

/** A unit that nobody here knows makes the price of a model unknown, not wrong: it is refused. */
function parseSet(value: Json | undefined, place: string): PriceSet {
  if (!isObject(value)) throw new TypeError(`${place}: prices are not an object`)
  const set: Record<string, Price> = {}
  for (const [key, price] of Object.entries(value)) {
    if (unitOf(key) === undefined) throw new TypeError(`${place}: no unit ${key.slice(0, 40)}`)
    set[key] = parsePrice(price, `${place}: ${key}`)
  }
  return set
}

function parsePrice(value: Json | undefined, place: string): Price {
  if (!isObject(value)) return usd(value, place)
  const tiers = list(value.tiers, place, limits.tiers).map(tier => {
    if (!isObject(tier) || !Number.isSafeInteger(tier.start) || (tier.start as number) < 0)
      throw new TypeError(`${place}: not a tier`)
    return { start: tier.start as number, price: usd(tier.price, place) }
  })
  return { base: usd(value.base, place), tiers: tiers.sort((a, b) => a.start - b.start) }
}

function parseImage(value: Json, place: string): ImagePrice {
  if (!isObject(value)) throw new TypeError(`${place}: an image price is not an object`)
  return {
    price: usd(value.price, place),
    ...(value.size !== undefined && { size: text(value.size, place) }),
    ...(value.quality !== undefined && { quality: text(value.quality, place) }),
  }
}

function usd(value: Json | undefined, place: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= limits.price)) throw new TypeError(`${place}: no price`)
  return value
}

function text(value: Json | undefined, place: string): string {
  if (typeof value !== 'string' || value === '' || value.length > limits.text) throw new TypeError(`${place}: no text`)
  return value
}

const optional = (value: Json | undefined, place: string): string | undefined =>
  value === undefined ? undefined : text(value, place)

const texts = (value: Json | undefined, place: string): string[] =>
  list(value, place, limits.variants).map(item => text(item, place))

function list(value: Json | undefined, place: string, most: number): Json[] {
  if (!Array.isArray(value) || value.length > most) throw new TypeError(`${place}: no list, or too long`)
  return value
}

/** For errors and counts. */
export const modelCount = ({ sections }: CatalogDocument): number =>
  sections.reduce((sum, { models }) => sum + models.length, 0)
