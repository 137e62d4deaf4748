import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calcPrice, type PriceCalculation, type Provider, waitForUpdate } from '@pydantic/genai-prices'
import { compileTariff, costOf } from '../../src/catalog/cost.ts'
import { Resolver } from '../../src/catalog/resolve.ts'
import { openTable, packCatalog } from '../../src/catalog/table.ts'
import type { Usage } from '../../src/core/chat.ts'
import { randomOf, readDocument, usageOf } from './support.ts'

/** The price data comes with a calculator. On all that it knows, ours says the same. */
const table = openTable(packCatalog(readDocument()))
const resolver = new Resolver(table)
const data = (await waitForUpdate()) as Provider[]

const sectionOf = (row: number): string =>
  table.directory.sections.find(({ firstRow, rows }) => row >= firstRow && row < firstRow + rows)!.id

type Rule = Provider['models'][number]['match']

/** Ids that a rule was written for, and some around them. */
function idsOf(rule: Rule): string[] {
  if ('equals' in rule) return [rule.equals, rule.equals.toUpperCase(), ` ${rule.equals} `]
  if ('starts_with' in rule)
    return ['', '-20250115', '-2025-01-15', 'x', '-latest', '-tts'].map(e => rule.starts_with + e)
  if ('ends_with' in rule) return [rule.ends_with, `us.${rule.ends_with}`, `x/${rule.ends_with}`]
  if ('contains' in rule) return [rule.contains, `eu.${rule.contains}-v1:0`, `a/${rule.contains}:free`]
  if ('regex' in rule) {
    const text = rule.regex
      .replace(/^\^|\$$/g, '')
      .replace(/\\d(?:\{(\d+)\})?/g, (_, n: string) => '20250115'.slice(0, Number(n ?? 1)))
    return [text.replace(/\\(.)/g, '$1'), `${text.replace(/\\(.)/g, '$1')}9`]
  }
  return ('or' in rule ? rule.or : rule.and).flatMap(idsOf)
}

const allIds = (provider: Provider): string[] => [
  ...new Set(provider.models.flatMap(({ id, match }) => [id, `${id}-20250807`, ...idsOf(match)])),
]

const found = (provider: string, id: string, timestamp?: Date, usage = {}): PriceCalculation | null =>
  calcPrice(usage, id, { providerId: provider, ...(timestamp !== undefined && { timestamp }) })

test('every id that the calculator resolves means the same model here', () => {
  let compared = 0
  for (const provider of data)
    for (const id of allIds(provider)) {
      const theirs = found(provider.id, id)
      if (theirs === null) continue
      const row = resolver.find(provider.id, id)
      assert.notEqual(row, -1, `${provider.id}/${id} is ${theirs.model.id} and was not found`)
      assert.equal(table.model(row).id, theirs.model.id, `${provider.id}/${id} in ${sectionOf(row)}`)
      compared++
    }
  assert.ok(compared > 6000, `${compared} ids were compared`)
})

test('a model without a price is unknown and not free, unless somebody says that it is', () => {
  const empty = data.flatMap(({ id: provider, models }) =>
    models.filter(({ prices }) => Object.keys(prices).length === 0).map(({ id }) => ({ provider, id })),
  )
  const isFree = ({ provider, id }: { provider: string; id: string }): boolean => {
    const row = table.directory.sections.find(section => section.id === provider)!
    const model = Array.from({ length: row.rows }, (_, i) => table.model(row.firstRow + i)).find(m => m.id === id)!
    return compileTariff(model) !== null
  }
  const free = empty.filter(isFree)
  assert.ok(free.every(({ id }) => id.endsWith(':free') || id === 'moderation' || id.startsWith('gemma-')))
  assert.ok(free.length < empty.length, 'some are unknown')
})

const random = randomOf(20_261_125)

function someUsage(): Usage {
  const prompt = random(4) === 0 ? 0 : random(10 ** (1 + random(7)))
  const completion = random(4) === 0 ? 0 : random(10 ** (1 + random(6)))
  const some = (most: number): number => (random(2) === 0 ? 0 : random(most + 1))
  const reasoning = some(completion)
  const audioOut = some(completion - reasoning)
  const audioIn = some(prompt)
  const cacheWrite = some(300_000)
  return usageOf({
    prompt,
    completion,
    reasoning,
    cacheRead: some(prompt),
    cacheWrite,
    cacheWrite1h: some(cacheWrite),
    audioIn,
    audioOut,
    imageIn: some(prompt - audioIn),
    imageOut: some(completion - reasoning - audioOut),
    seconds: random(2) === 0 ? 0 : random(100_000) / 8,
  })
}

function asTheyCallIt(usage: Usage): Record<string, number> {
  const overlap = Math.max(0, usage.cacheRead + usage.audioIn + usage.imageIn - usage.prompt)
  const audio = Math.min(overlap, usage.audioIn)
  return {
    input_tokens: usage.prompt + usage.cacheWrite,
    cache_read_tokens: usage.cacheRead,
    cache_write_tokens: usage.cacheWrite,
    cache_write_1h_tokens: usage.cacheWrite1h,
    input_audio_tokens: usage.audioIn,
    cache_audio_read_tokens: audio,
    input_image_tokens: usage.imageIn,
    cache_image_read_tokens: overlap - audio,
    output_tokens: usage.completion,
    output_reasoning_tokens: usage.reasoning,
    output_audio_tokens: usage.audioOut,
    output_image_tokens: usage.imageOut,
    audio_seconds: usage.seconds,
    input_audio_seconds: usage.seconds,
  }
}

/** Around the dates and hours at which prices change. */
const someTime = (): Date => new Date(Date.UTC(2025 + random(3), random(12), 1 + random(28), random(24), random(60), 0))

/** What they count as nothing because nothing says what it costs. */
function isUncovered({ model_price: prices }: PriceCalculation, usage: Usage): boolean {
  const has = (key: string): boolean => Object.hasOwn(prices, key)
  if (Object.keys(prices).length === 0) return true
  if (usage.seconds > 0 && (has('audio_hours') || has('input_audio_hours'))) return false
  const input = usage.prompt + usage.cacheWrite
  if (input + usage.completion === 0) return true
  return (input > 0 && !has('input_mtok')) || (usage.completion > 0 && !has('output_mtok'))
}

test('on the whole data set, with any usage at any time, the cost is what the calculator says', () => {
  let [priced, unknown] = [0, 0]
  for (const provider of data)
    for (const { id } of provider.models)
      for (let round = 0; round < 8; round++) {
        const usage = someUsage()
        const time = someTime()
        const theirs = found(provider.id, id, time, asTheyCallIt(usage))
        if (theirs === null) continue
        const tariff = compileTariff(table.model(resolver.find(provider.id, id)))
        const ours = tariff === null ? null : costOf(usage, tariff, { nowMs: time.getTime() })
        if (ours === null) {
          assert.ok(isUncovered(theirs, usage), `${provider.id}/${id}: ${JSON.stringify(usage)}`)
          unknown++
          continue
        }
        const nano = theirs.total_price * 1e9
        const slack = 0.51 + Math.abs(nano) * 1e-11
        assert.ok(
          Math.abs(ours.costNanoUsd - nano) <= slack,
          `${provider.id}/${id} at ${time.toISOString()}: ${ours.costNanoUsd} for ${nano}, ${JSON.stringify(usage)}`,
        )
        const parts = Object.values(ours.parts).reduce((sum, part) => sum + part, 0)
        assert.equal(parts, ours.costNanoUsd, 'the parts add up')
        priced++
      }
  assert.ok(priced > 8_000, `${priced} costs were compared, ${unknown} were unknown`)
})
