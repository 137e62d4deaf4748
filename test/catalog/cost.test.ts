import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nanoFromPico, picoUsdPerOne, scaledUsd } from '../../src/catalog/decimal.ts'
import { catalogOf, shippedCatalog, usageOf } from './support.ts'

/** With its parts; the way that leaves them out must come to the same. */
const costOf = (model: object, usage: Parameters<typeof usageOf>[0], detail = {}) => {
  const catalog = catalogOf([{ id: 'm', ...model }])
  const price = catalog.price('lab', 'm', usageOf(usage), detail)
  assert.equal(catalog.cost('lab', 'm', usageOf(usage), detail), price?.costNanoUsd ?? null)
  return price
}

test('a token is charged once: what was read from a cache or written to one is not input as well', () => {
  const prices = {
    input_mtok: 3,
    cache_read_mtok: 0.3,
    cache_write_mtok: 3.75,
    cache_write_1h_mtok: 6,
    output_mtok: 15,
  }
  const cost = costOf(
    { prices },
    { prompt: 10_000, cacheRead: 8_000, cacheWrite: 1_500, cacheWrite1h: 500, completion: 2_000, reasoning: 1_200 },
  )
  assert.deepEqual(cost?.parts, {
    input: 2_000 * 3_000,
    cacheRead: 8_000 * 300,
    cacheWrite: 1_000 * 3_750 + 500 * 6_000,
    output: 800 * 15_000,
    reasoning: 1_200 * 15_000,
    audio: 0,
    image: 0,
    embedding: 0,
    other: 0,
  })
  assert.equal(cost?.costNanoUsd, 6_000_000 + 2_400_000 + 6_750_000 + 12_000_000 + 18_000_000)
})

test('where a class has no price of its own it costs what the class around it costs', () => {
  const prices = { input_mtok: 1, output_mtok: 2 }
  const cost = costOf({ prices }, { prompt: 100, cacheRead: 60, cacheWrite: 40, audioIn: 10, completion: 10 })
  assert.equal(cost?.parts.input, 140_000)
  assert.equal(cost?.parts.cacheRead, 0)
  assert.equal(cost?.costNanoUsd, 140_000 + 20_000)
})

test('audio that was read from a cache is in neither class twice', () => {
  const prices = {
    input_mtok: 4,
    cache_read_mtok: 0.4,
    input_audio_mtok: 32,
    cache_audio_read_mtok: 0.8,
    output_mtok: 16,
  }
  const cost = costOf({ prices }, { prompt: 100, cacheRead: 80, audioIn: 50 })
  // 30 of the tokens must have been both.
  assert.equal(cost?.parts.cacheRead, 50 * 400)
  assert.equal(cost?.parts.audio, 20 * 32_000 + 30 * 800)
  assert.equal(cost?.parts.input, 0)
})

test('past the threshold of a tier every token of the request costs more, and on it none does', () => {
  const tier = (base: number, price: number) => ({ base, tiers: [{ start: 200_000, price }] })
  const prices = { input_mtok: tier(3, 6), cache_read_mtok: tier(0.3, 0.6), output_mtok: tier(15, 22.5) }
  const at = (prompt: number, cacheWrite = 0) => costOf({ prices }, { prompt, cacheWrite, completion: 10 })?.costNanoUsd
  assert.equal(at(200_000), 200_000 * 3_000 + 10 * 15_000)
  assert.equal(at(200_001), 200_001 * 6_000 + 10 * 22_500)
  assert.equal(at(199_999, 2), 200_001 * 6_000 + 10 * 22_500, 'what is written to a cache was input, too')
})

test('prices change at midnight UTC of their day, and by the hour', () => {
  const prices = [
    { prices: { input_mtok: 1, output_mtok: 1 } },
    { from: '2026-08-17', prices: { input_mtok: 2, output_mtok: 2 } },
    { daily: [82_800, 3_600], prices: { input_mtok: 0.5, output_mtok: 0.5 } },
  ]
  const at = (time: string) => costOf({ prices }, { prompt: 1000 }, { nowMs: Date.parse(time) })?.costNanoUsd
  assert.equal(at('2026-08-16T22:59:59Z'), 1_000_000)
  assert.equal(at('2026-08-17T12:00:00Z'), 2_000_000)
  assert.equal(at('2026-08-17T23:00:00Z'), 500_000, 'around midnight')
  assert.equal(at('2026-08-17T00:59:59Z'), 500_000)
  assert.equal(at('2026-08-17T01:00:00Z'), 2_000_000)
})

test('unknown is not zero: neither for a model, nor for usage that nothing was reported of, nor for what has no price', () => {
  const prices = { input_mtok: 1 }
  assert.equal(shippedCatalog().price('openai', 'nobody-knows-this', usageOf({ prompt: 1 })), null)
  assert.equal(costOf({}, { prompt: 10 }), null)
  assert.equal(costOf({ prices }, {}), null, 'the upstream reported nothing')
  assert.equal(costOf({ prices }, { prompt: 10, completion: 1 }), null, 'output has no price')
  assert.equal(costOf({ prices: { audio_hours: 1 } }, { prompt: 10, completion: 1 }), null, 'its length is not known')
  assert.equal(costOf({ images: [{ price: 0.04, size: '1024x1024' }] }, { images: 1 }, { imageSize: '9x9' }), null)
})

test('free is zero, and so is a price of zero', () => {
  assert.equal(costOf({ prices: {} }, { prompt: 10, completion: 5 })?.costNanoUsd, 0)
  assert.equal(costOf({ prices: { input_mtok: 0, output_mtok: 0 } }, { prompt: 10, completion: 5 })?.costNanoUsd, 0)
})

test('what is not counted in tokens is charged by its unit', () => {
  const images = [
    { price: 0.08, size: '1024x1024', quality: 'hd' },
    { price: 0.04, size: '1024x1024' },
  ]
  const image = (detail: object) => costOf({ images }, { images: 3 }, detail)?.parts.image
  assert.equal(image({ imageSize: '1024x1024', imageQuality: 'hd' }), 240_000_000)
  assert.equal(image({ imageSize: '1024x1024' }), 120_000_000)
  assert.equal(costOf({ prices: { audio_hours: 0.36 } }, { seconds: 90.5 })?.costNanoUsd, 9_050_000)
  assert.equal(costOf({ prices: { audio_hours: 0.111 }, minSeconds: 10 }, { seconds: 2 })?.costNanoUsd, 308_333)
  assert.equal(costOf({ prices: { input_mchars: 15 } }, { characters: 4096 })?.costNanoUsd, 61_440_000)
  assert.equal(costOf({ prices: { rerank_searches_kcount: 2 } }, { searchUnits: 3 })?.costNanoUsd, 6_000_000)
  assert.equal(costOf({ prices: { input_document_kpages: 2 } }, {}, { pages: 5 })?.costNanoUsd, 10_000_000)
  const chat = { prices: { input_mtok: 1, output_mtok: 1, web_searches_kcount: 10, requests_kcount: 5 } }
  assert.equal(costOf(chat, { prompt: 10 }, { webSearches: 2 })?.parts.other, 20_000_000 + 5_000_000)
})

test('embeddings show as such', () => {
  const cost = costOf({ mode: 'embedding', prices: { input_mtok: 0.02 } }, { prompt: 1000 })
  assert.deepEqual([cost?.parts.embedding, cost?.parts.input], [20_000, 0])
})

test('no float drifts in: a sum of many decimals is the decimal one', () => {
  // 0.1 + 0.2 of anything is where doubles give themselves away.
  assert.equal(
    costOf({ prices: { input_mtok: 0.1, output_mtok: 0.2 } }, { prompt: 1, completion: 1 })?.costNanoUsd,
    300,
  )
  assert.equal(costOf({ prices: { input_mtok: 0.0028 } }, { prompt: 999_999_999 })?.costNanoUsd, 2_799_999_997)
  assert.equal(costOf({ prices: { input_mtok: 0.0833333 } }, { prompt: 12_000_000 })?.costNanoUsd, 999_999_600)
  assert.equal(scaledUsd(1.1), 1_100_000_000_000n)
  assert.equal(picoUsdPerOne(0.003625), 3625)
  assert.equal(picoUsdPerOne(0.0833333333333), -1)
})

test('halves of a nano-dollar are rounded up, also where dividing by a thousand could not tell', () => {
  assert.equal(nanoFromPico(1_499), 1)
  assert.equal(nanoFromPico(1_500), 2)
  assert.equal(nanoFromPico(8_999_999_999_999_499), 8_999_999_999_999)
  assert.equal(nanoFromPico(8_999_999_999_999_500), 9_000_000_000_000)
})

test('absurd usage costs something finite, or is unknown', () => {
  const prices = { input_mtok: 1_000_000, output_mtok: 1_000_000 }
  assert.equal(costOf({ prices }, { prompt: Number.MAX_SAFE_INTEGER }), null)
  const lied = costOf(
    { prices: { input_mtok: 1, cache_read_mtok: 0.1, output_mtok: 1 } },
    { prompt: 10, cacheRead: 99 },
  )
  assert.deepEqual([lied?.parts.input, lied?.parts.cacheRead], [0, 1000], 'no more is cached than there was')
})
