import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bedrock } from '../../providers/bedrock.ts'
import { familyOf, modelPath } from '../../providers/dialects/converse/models.ts'
import { converse } from '../../providers/dialects/converse.ts'
import { Failure } from '../../src/core/failures.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'

const settings = Object.fromEntries(
  Object.entries(bedrock.settings).map(([name, setting]) => [name, setting.default ?? '']),
)

test('the region names the host, and is one', () => {
  assert.equal(bedrock.origin({ ...settings, region: 'eu-west-3' }), 'https://bedrock-runtime.eu-west-3.amazonaws.com')
  assert.equal(bedrock.origin(settings), 'https://bedrock-runtime.us-east-1.amazonaws.com')
  for (const region of ['evil.example/', 'a@b', 'a#', 'A b'])
    assert.throws(() => bedrock.origin({ ...settings, region }), /region must be the name of an AWS region/)
  assert.equal(bedrock.origin({ ...settings, baseUrl: 'http://127.0.0.1:4566/' }), 'http://127.0.0.1:4566')
})

test('models are listed and ranked with at hosts of their own, but behind one’s own there is one', () => {
  const { discovery, codecs } = bedrock
  const own = { ...settings, baseUrl: 'http://127.0.0.1:4566' }
  const region = { ...settings, region: 'eu-west-3' }
  const target = { model: 'amazon.rerank-v1:0', stream: false }
  assert.equal(discovery?.root?.(region), 'https://bedrock.eu-west-3.amazonaws.com')
  assert.equal(discovery?.root?.(own), own.baseUrl)
  assert.equal(
    codecs.rerank?.root?.({ ...target, settings: region }),
    'https://bedrock-agent-runtime.eu-west-3.amazonaws.com',
  )
  assert.equal(codecs.rerank?.root?.({ ...target, settings: own }), own.baseUrl)
  const listed = { modelSummaries: [{ modelId: 'amazon.nova-pro-v1:0', modelName: 'Nova Pro' }, { modelId: 7 }, null] }
  assert.deepEqual(discovery?.decode(listed), { models: [{ id: 'amazon.nova-pro-v1:0' }] })
  for (const odd of [null, [], 'x', {}, { modelSummaries: {} }]) assert.equal(discovery?.decode(odd), null)
})

test('each surface takes the models that are for it', () => {
  const takes = (model: string) =>
    (['embeddings', 'images', 'rerank'] as const).filter(surface => bedrock.codecs[surface]?.serves?.(model))
  assert.deepEqual(takes('amazon.titan-embed-text-v2:0'), ['embeddings'])
  assert.deepEqual(takes('eu.cohere.embed-v4:0'), ['embeddings'])
  assert.deepEqual(takes('amazon.nova-canvas-v1:0'), ['images'])
  assert.deepEqual(takes('cohere.rerank-v3-5:0'), ['rerank'])
  assert.deepEqual(takes('arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0'), ['rerank'])
  assert.deepEqual(takes('amazon.nova-pro-v1:0'), [])
})

test('half a pair of keys is refused, unless an API key makes it idle', () => {
  for (const half of ['accessKeyId', 'secretAccessKey']) {
    assert.throws(() => bedrock.origin({ ...settings, [half]: 'x' }), /only together/)
    assert.doesNotThrow(() => bedrock.origin({ ...settings, [half]: 'x', apiKey: 'k' }))
  }
})

test('an API key wins; without one requests are signed with what there is', () => {
  const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 's', region: 'eu-west-3' }
  assert.deepEqual(bedrock.auth({ ...settings, ...keys, apiKey: 'k' }), { scheme: 'bearer', token: 'k' })
  const signed = bedrock.auth({ ...settings, ...keys })
  assert.ok(signed.scheme === 'sigv4')
  assert.deepEqual(
    [signed.service, signed.region, signed.accessKeyId, signed.secretAccessKey],
    ['bedrock', 'eu-west-3', 'AKIDEXAMPLE', 's'],
  )
  assert.equal(bedrock.auth(settings).scheme, 'sigv4', 'the default chain')
  assert.equal(bedrock.auth({ ...settings, baseUrl: 'http://127.0.0.1:4566' }).scheme, 'none')
  assert.equal(bedrock.auth({ ...settings, region: 'x', baseUrl: 'http://127.0.0.1:4566' }).scheme, 'sigv4')
})

test('the family is found behind geographies and ARNs, in every one of them', () => {
  const id = 'anthropic.claude-sonnet-4-5-20250929-v1:0'
  const arn = 'arn:aws:bedrock:us-east-1'
  for (const model of [
    id,
    `us.${id}`,
    `eu.${id}`,
    `apac.${id}`,
    `global.${id}`,
    `us-gov.${id}`,
    `${arn}::foundation-model/${id}`,
    `${arn}:123456789012:inference-profile/us.${id}`,
  ]) {
    const { claude, schemas } = familyOf(model)
    assert.equal(claude?.thinking, 'budget', model)
    assert.equal(schemas, true, model)
  }
  assert.equal(familyOf('us.anthropic.claude-opus-4-6-v1').claude?.thinking, 'adaptive')
  assert.equal(familyOf('anthropic.claude-opus-4-1-20250805-v1:0').schemas, false)
  assert.equal(familyOf('anthropic.claude-v2:1').claude?.thinking, 'none')
  assert.equal(familyOf('anthropic.claude-instant-v1').choice, 'none')
  assert.equal(familyOf('us.amazon.nova-2-lite-v1:0').effort, 'nova')
  assert.equal(familyOf('us.amazon.nova-lite-v1:0').effort, null)
  assert.equal(familyOf('us.newvendor.model-1').choice, 'none')
  assert.equal(familyOf(`${arn}:123456789012:application-inference-profile/a1b2`).choice, 'named')
})

test('a model id is one segment of the path, whatever it holds', () => {
  assert.equal(
    modelPath('us.anthropic.claude-3-haiku-20240307-v1:0'),
    '/model/us.anthropic.claude-3-haiku-20240307-v1%3A0',
  )
  assert.equal(
    modelPath('arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b-v1:0'),
    '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a.b-v1%3A0',
  )
  for (const model of [
    '',
    '.',
    '..',
    '...',
    'a/b',
    '../a',
    'a\\b',
    'a b',
    'a?b',
    'a#b',
    'a%2fb',
    '\ud800',
    'arn:aws:x/../y?',
  ])
    assert.equal(modelPath(model), null, JSON.stringify(model))
})

test('a history of any length is translated in one pass', () => {
  const encode = converse.chat().encode!
  const model = 'anthropic.claude-3-haiku-20240307-v1:0'
  const count = 150_000
  const ask = (messages: Json[]): JsonObject => {
    const body = encode({ model, messages }, { model, settings: {}, stream: false })
    assert.ok(!(body instanceof Failure))
    return body
  }
  const call = { id: 'x', type: 'function', function: { name: 'now', arguments: '{}' } }
  const calls = ask([
    { role: 'user', content: 'Hi' },
    { role: 'assistant', tool_calls: Array.from({ length: count }, () => call) },
    ...Array.from({ length: count }, () => ({ role: 'tool', tool_call_id: 'x', content: '1' })),
    { role: 'tool', tool_call_id: 'x', content: 'again' },
  ])
  const [, , last] = calls.messages as { content: { toolResult: JsonObject }[] }[]
  assert.equal(new Set(last.content.map(({ toolResult }) => toolResult.toolUseId)).size, count)
  assert.deepEqual(last.content[count - 1].toolResult.content, [{ text: '1' }, { text: 'again' }])
  const file = { type: 'file', file: { filename: 'a.txt', file_data: 'data:text/plain,a' } }
  const text = { type: 'text', text: 'a' }
  const many = ask([
    { role: 'system', content: Array.from({ length: count }, () => text) },
    { role: 'user', content: Array.from({ length: count }, (_, i) => (i % 2 === 0 ? file : text)) },
  ])
  assert.equal((many.system as Json[]).length, count)
  assert.equal((many.messages as { content: Json[] }[])[0].content.length, count)
})
