import type { Cost, CostParts, PriceDetail } from '../core/catalog.ts'
import type { Usage } from '../core/chat.ts'
import { ExactSum, nanoFromPico, picoUsdPerOne } from './decimal.ts'
import type { ImagePrice, Model, PriceSet, TimedPrices } from './document.ts'
import { isPartOf, type Quantity, quantities, type Unit, unitOf } from './units.ts'

/** The prices of a model, ready to be multiplied. null: none are known. */
export interface Tariff {
  readonly variants: readonly Variant[]
  readonly images: readonly ImagePrice[]
  readonly isEmbedding: boolean
  /** Costs nothing, whatever is used up. */
  readonly isFree: boolean
  readonly minSeconds: number
}

interface Variant {
  readonly fromMs: number
  readonly daily: readonly [from: number, to: number] | null
  /** Special units first, so that what they took is known when the general one is counted. */
  readonly rates: readonly Rate[]
  readonly hasTiers: boolean
  /** By quantity: 1 where it has a price of its own. */
  readonly priced: Uint8Array
}

interface Rate {
  readonly unit: Unit
  /** Row of what is measured. */
  readonly quantity: number
  /** USD for `unit.per`. */
  readonly usd: number
  /** For one, where that is a whole number; else -1. */
  readonly pico: number
  readonly tiers: readonly { readonly start: number; readonly usd: number; readonly pico: number }[]
  /** Rates whose share is taken out of this one's. */
  readonly within: readonly number[]
}

const row = Object.fromEntries(quantities.map((name, i) => [name, i])) as Record<Quantity, number>

export function compileTariff({ prices, images = [], mode, minSeconds = 0 }: Model): Tariff | null {
  if (prices === undefined && images.length === 0) return null
  const timed: readonly TimedPrices[] = Array.isArray(prices) ? prices : [{ prices: prices ?? {} }]
  return {
    variants: timed.map(compileVariant),
    images,
    isEmbedding: mode === 'embedding',
    isFree: images.length === 0 && timed.every(({ prices }) => Object.keys(prices).length === 0),
    minSeconds,
  }
}

function compileVariant({ from, daily, prices }: TimedPrices): Variant {
  const set = withReasoning(prices)
  const found = Object.keys(set)
    .map(key => unitOf(key)!)
    .sort((a, b) => bits(b.words) - bits(a.words))
  const rates = found.map((unit): Rate => {
    const price = set[unit.key]
    const base = typeof price === 'number' ? price : price.base
    const tiers = typeof price === 'number' ? [] : price.tiers
    const pico = (usd: number): number => (unit.per === 1_000_000 ? picoUsdPerOne(usd) : -1)
    return {
      unit,
      quantity: row[unit.quantity],
      usd: base,
      pico: pico(base),
      tiers: tiers.map(tier => ({ start: tier.start, usd: tier.price, pico: pico(tier.price) })),
      within: found.flatMap((inner, i) => (isPartOf(inner, unit) ? [i] : [])),
    }
  })
  const priced = new Uint8Array(quantities.length)
  for (const { quantity } of rates) priced[quantity] = 1
  return {
    priced,
    fromMs: from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from),
    daily: daily ?? null,
    rates,
    hasTiers: rates.some(({ tiers }) => tiers.length > 0),
  }
}

/** Reasoning is shown apart also where it costs what other output costs. */
function withReasoning(prices: PriceSet): PriceSet {
  const { output_mtok: output } = prices
  return output === undefined || prices.output_reasoning_mtok !== undefined
    ? prices
    : { ...prices, output_reasoning_mtok: output }
}

function bits(words: number): number {
  let count = 0
  for (let rest = words; rest !== 0; rest &= rest - 1) count++
  return count
}

type Parts = { -readonly [K in keyof CostParts]: number }

/** Filled anew by each call: pricing an exchange makes no garbage. */
const measured = new Float64Array(quantities.length)
const shares = new Float64Array(32)
const prices = new Float64Array(32)

/**
 * What an exchange cost. null when it is not known: nothing was measured, or something was used up that has no price
 * here. Prices are never mixed: with tiers, the number of input tokens decides the rate of every token.
 */
export function costOf(usage: Usage, tariff: Tariff, detail: PriceDetail): Cost | null {
  const parts = noParts()
  const costNanoUsd = nanoUsdOf(usage, tariff, detail, parts)
  return costNanoUsd === null ? null : { costNanoUsd, parts }
}

/** The same without the parts, which few want to know; they are added to `parts` where it is given. */
export function nanoUsdOf(
  usage: Usage,
  tariff: Tariff,
  detail: PriceDetail,
  parts: Parts | null = null,
): number | null {
  measure(usage, tariff, detail)
  const { rates, hasTiers, priced } = variantAt(tariff.variants, detail.nowMs ?? Date.now())
  const image = imagePrice(tariff.images, detail)
  if (!tariff.isFree && image === null && !isCovered(priced)) return null
  const inputTokens = hasTiers ? measured[row.input] : 0
  let isPlain = image === null
  for (let i = 0; i < rates.length; i++) {
    const { quantity, within, tiers, usd, pico } = rates[i]
    let share = measured[quantity]
    for (let j = 0; j < within.length; j++) share -= shares[within[j]]
    shares[i] = share > 0 ? share : 0
    let price = usd
    let whole = pico
    for (let j = 0; j < tiers.length && inputTokens > tiers[j].start; j++) {
      price = tiers[j].usd
      whole = tiers[j].pico
    }
    prices[i] = price
    if (share > 0 && whole < 0) isPlain = false
  }
  return (isPlain ? sumPlain(rates, tariff, parts) : null) ?? sumExactly(rates, tariff, image, parts)
}

function measure(usage: Usage, { minSeconds }: Tariff, detail: PriceDetail): void {
  const { prompt, completion } = usage
  // An upstream may report more of a part than of the whole; what is too much is not charged.
  const cacheRead = Math.min(usage.cacheRead, prompt)
  const audioIn = Math.min(usage.audioIn, prompt)
  const imageIn = Math.min(usage.imageIn, prompt - audioIn)
  const reasoning = Math.min(usage.reasoning, completion)
  const audioOut = Math.min(usage.audioOut, completion - reasoning)
  // Nobody says which of the cached tokens were audio or images: as few as there can be.
  const cachedOther = Math.max(0, cacheRead + audioIn + imageIn - prompt)
  const cachedAudio = Math.min(cachedOther, audioIn)
  measured[row.input] = prompt + usage.cacheWrite
  measured[row.output] = completion
  measured[row.cacheRead] = cacheRead
  measured[row.cacheWrite] = usage.cacheWrite
  measured[row.cacheWrite1h] = Math.min(usage.cacheWrite1h, usage.cacheWrite)
  measured[row.reasoning] = reasoning
  measured[row.audioIn] = audioIn
  measured[row.audioOut] = audioOut
  measured[row.imageIn] = imageIn
  measured[row.imageOut] = Math.min(usage.imageOut, completion - reasoning - audioOut)
  measured[row.cachedAudio] = cachedAudio
  measured[row.cachedImage] = cachedOther - cachedAudio
  measured[row.seconds] = usage.seconds > 0 ? Math.max(usage.seconds, minSeconds) : 0
  measured[row.characters] = usage.characters
  measured[row.searchUnits] = usage.searchUnits
  measured[row.images] = usage.images
  measured[row.webSearches] = detail.webSearches ?? 0
  measured[row.fileSearches] = detail.fileSearches ?? 0
  measured[row.pages] = detail.pages ?? 0
  measured[row.annotatedPages] = detail.annotatedPages ?? 0
  measured[row.requests] = 1
}

/** The last one that holds; the first when none does. */
function variantAt(variants: readonly Variant[], nowMs: number): Variant {
  if (variants.length === 1) return variants[0]
  const second = (nowMs / 1000) % 86_400
  for (let i = variants.length - 1; i > 0; i--) {
    const { fromMs, daily } = variants[i]
    if (nowMs < fromMs) continue
    if (daily === null) return variants[i]
    const [from, to] = daily
    if (to < from ? second >= from || second < to : second >= from && second < to) return variants[i]
  }
  return variants[0]
}

function imagePrice(images: readonly ImagePrice[], { imageSize, imageQuality }: PriceDetail): ImagePrice | null {
  if (images.length === 0 || measured[row.images] === 0) return null
  const found = images.find(
    ({ size, quality }) =>
      (size === undefined || size === imageSize) && (quality === undefined || quality === imageQuality),
  )
  return found ?? null
}

/** Besides tokens, what is measured on its own. */
const alone = [row.seconds, row.characters, row.searchUnits, row.pages]

/** Whether what was used up is known, and has prices. */
function isCovered(priced: Uint8Array): boolean {
  for (let i = 0; i < alone.length; i++) if (measured[alone[i]] > 0 && priced[alone[i]] === 1) return true
  const [input, output] = [measured[row.input], measured[row.output]]
  if (input + output === 0) return false
  return (input === 0 || priced[row.input] === 1) && (output === 0 || priced[row.output] === 1)
}

/** Whole pico-dollars, while they fit; the usual case. null: not exact this way. */
function sumPlain(rates: readonly Rate[], { isEmbedding }: Tariff, parts: Parts | null): number | null {
  let pico = 0
  for (let i = 0; i < rates.length; i++) if (shares[i] > 0) pico += shares[i] * Math.round(prices[i] * 1e6)
  if (!Number.isSafeInteger(pico)) return null
  if (parts === null) return nanoFromPico(pico)
  pico = 0
  let before = 0
  for (let i = 0; i < rates.length; i++) {
    if (shares[i] === 0) continue
    pico += shares[i] * Math.round(prices[i] * 1e6)
    // Each part is what the sum has grown by, so that rounding never makes them differ.
    const nano = nanoFromPico(pico)
    parts[partOf(rates[i].unit, isEmbedding)] += nano - before
    before = nano
  }
  return before
}

function sumExactly(
  rates: readonly Rate[],
  { isEmbedding }: Tariff,
  image: ImagePrice | null,
  parts: Parts | null,
): number | null {
  const sum = new ExactSum()
  let before = 0
  const add = (part: keyof CostParts, count: number, usd: number, per: number): void => {
    sum.add(count, usd, per)
    const nano = sum.nanoUsd
    if (parts !== null) parts[part] += nano - before
    before = nano
  }
  for (let i = 0; i < rates.length; i++) {
    const { unit } = rates[i]
    if (shares[i] > 0) add(partOf(unit, isEmbedding), shares[i], prices[i], unit.per)
  }
  if (image !== null) add('image', measured[row.images], image.price, 1)
  return Number.isFinite(before) ? before : null
}

const partOf = (unit: Unit, isEmbedding: boolean): keyof CostParts =>
  isEmbedding && unit.part === 'input' ? 'embedding' : unit.part

const noParts = (): Parts => ({
  input: 0,
  cacheRead: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
  audio: 0,
  image: 0,
  embedding: 0,
  other: 0,
})
