import assert from 'node:assert/strict'
import { test } from 'node:test'
import { catalogOf, shippedCatalog, usageOf } from './support.ts'

const usage = usageOf({ prompt: 1_000_000, completion: 1_000_000 })
const shipped = shippedCatalog()
const usd = (provider: string, model: string, detail = {}) => {
  const cost = shipped.price(provider, model, usage, detail)
  return cost === null ? null : cost.costNanoUsd / 1e9
}

/** [provider, id, id that it must cost the same as] */
const same: [string, string, string][] = [
  ['openai', 'gpt-5-2025-08-07', 'gpt-5'],
  ['openai', 'gpt-4.1-mini-2025-04-14', 'gpt-4.1-mini'],
  ['openai', 'GPT-4o-Mini', 'gpt-4o-mini'],
  ['anthropic', 'claude-sonnet-4-5-20250929', 'claude-sonnet-4-5'],
  ['gemini', 'models/gemini-2.5-pro', 'gemini-2.5-pro'],
  ['vertex-ai', 'google/gemini-2.5-pro', 'gemini-2.5-pro'],
  ['vertex-ai', 'publishers/google/models/gemini-2.5-flash', 'gemini-2.5-flash'],
  ['vertex-ai', 'claude-sonnet-4-5@20250929', 'claude-sonnet-4-5'],
  ['fireworks', 'ACCOUNTS/fireworks/models/kimi-k2p5', 'accounts/fireworks/models/kimi-k2p5'],
  ['bedrock', 'us.meta.llama3-3-70b-instruct-v1:0', 'meta.llama3-3-70b-instruct-v1:0'],
  ['bedrock', 'eu.amazon.nova-pro-v1:0', 'amazon.nova-pro-v1:0'],
  [
    'bedrock',
    'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0',
    'amazon.nova-lite-v1:0',
  ],
  ['azure-openai', 'gpt-4o-2024-08-06', 'gpt-4o'],
  ['fireworks', 'accounts/fireworks/models/kimi-k3p1-pro', 'kimi-k3p1-pro'],
]

test('what is sold under a name of its own is found in the section of that name', () => {
  const question = usageOf({ prompt: 1_000_000, completion: 0 })
  assert.equal(shipped.price('voyage', 'voyage-4-large', question, {})?.costNanoUsd, 120_000_000)
  assert.equal(shipped.price('voyage', 'voyage-3', question, {})?.costNanoUsd, 60_000_000)
})

for (const [provider, id, other] of same)
  test(`${provider} charges ${id} like ${other}`, () => {
    assert.notEqual(usd(provider, other), null)
    assert.equal(usd(provider, id), usd(provider, other))
  })

test('a dated id that is nowhere is priced as the model it is a version of', () => {
  const catalog = catalogOf([{ id: 'm-1', prices: { input_mtok: 1, output_mtok: 1 } }])
  for (const id of ['m-1-20270203', 'm-1-2027-02-03', 'm-1@20270203', 'm-1-latest', 'M-1'])
    assert.equal(catalog.price('lab', id, usage)?.costNanoUsd, 2_000_000_000, id)
  for (const id of ['m-1-20271399', 'm-1-x', 'm-12', 'm', '']) assert.equal(catalog.price('lab', id, usage), null, id)
})

test('a deployment is priced by what its answer says it is, and not at all when that says nothing', () => {
  assert.equal(usd('azure-openai', 'our-deployment'), null)
  assert.equal(usd('azure-openai', 'our-deployment', { answeredBy: 'gpt-4o-2024-08-06' }), usd('openai', 'gpt-4o'))
  // Somebody may have called a deployment of one model by the name of another.
  assert.equal(usd('azure-openai', 'gpt-4o', { answeredBy: 'gpt-4o-mini' }), usd('openai', 'gpt-4o-mini'))
})

test('elsewhere the answer names the model only when nobody knows the one asked for', () => {
  assert.equal(usd('openai', 'router', { answeredBy: 'gpt-4o' }), usd('openai', 'gpt-4o'))
  const free = shipped.models('openrouter').find(id => id.endsWith(':free'))!
  assert.equal(usd('openrouter', free, { answeredBy: free.replace(':free', '') }), 0, 'the free variant stays free')
})

test('behind a router the price is that of the host that is named, and unknown when none is', () => {
  assert.notEqual(usd('hugging-face', 'meta-llama/Llama-3.3-70B-Instruct:novita'), null)
  assert.equal(usd('hugging-face', 'meta-llama/Llama-3.3-70B-Instruct:nobody'), null)
  assert.equal(usd('hugging-face', 'meta-llama/Llama-3.3-70B-Instruct'), null)
})

test('a provider owns the ids that are written in its catalog, and no others', () => {
  assert.ok(shipped.owns('openai', 'gpt-4o'))
  assert.ok(!shipped.owns('openai', 'claude-sonnet-4-5'))
  assert.ok(!shipped.owns('azure-openai', 'claude-sonnet-4-5'), 'what it borrows from others is not its own')
  assert.ok(!shipped.owns('demo', 'gpt-4o'))
})

test('hostile ids find nothing and cost nothing', () => {
  for (const id of ['__proto__', 'constructor', '\0', 'x'.repeat(100_000), '-'.repeat(500), '\ud800', 'gpt-4o\0'])
    assert.equal(shipped.price('lab', id, usage), null)
  assert.equal(shipped.price('__proto__', 'gpt-4o', usage), null)
  assert.equal(shipped.facts('toString', 'gpt-4o'), null)
  for (let i = 0; i < 10_000; i++) assert.equal(shipped.facts('openai', `nobody-${i}`), null)
})
