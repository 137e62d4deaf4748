import { compileTariff, costOf, nanoUsdOf } from '../../src/catalog/cost.ts'
import { parseDocument } from '../../src/catalog/document.ts'
import { noUsage } from '../../src/core/chat.ts'
import { measure } from './measure.ts'

// What an exchange cost, with and without its parts. Run from the build: node .build/bench/micro/cost.js
const prices = {
  'two prices': { input_mtok: 0.15, output_mtok: 0.6 },
  'with a cache, and more for long prompts': {
    input_mtok: { base: 3, tiers: [{ start: 200_000, price: 6 }] },
    cache_read_mtok: { base: 0.3, tiers: [{ start: 200_000, price: 0.6 }] },
    cache_write_mtok: 3.75,
    output_mtok: { base: 15, tiers: [{ start: 200_000, price: 22.5 }] },
  },
}
const usage = { ...noUsage, prompt: 10_000, cacheRead: 8000, completion: 2000, reasoning: 1200, total: 12_000 }

for (const [name, set] of Object.entries(prices)) {
  const { sections } = parseDocument({
    version: 1,
    providers: {},
    sections: [{ id: 'lab', models: [{ id: 'm', prices: set }] }],
  })
  const tariff = compileTariff(sections[0].models[0])
  if (tariff === null || costOf(usage, tariff, {}) === null) throw new Error(`${name}: no price`)
  console.log(name)
  measure('the sum', 1_000_000, () => nanoUsdOf(usage, tariff, {}))
  measure('with its parts', 1_000_000, () => costOf(usage, tariff, {}))
}
