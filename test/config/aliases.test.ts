import assert from 'node:assert/strict'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { checkRules, providerNamed } from '../../src/config/rules.ts'
import { fixedTargetKeys } from '../../src/config/schema.ts'
import { compiled } from './support.ts'

test('no alias is a provider’s id, or the alias of another', () => {
  const ids = new Set(providers.map(({ id }) => id))
  const aliases = providers.flatMap(({ aliases = [] }) => aliases)
  assert.deepEqual(
    aliases.filter(alias => ids.has(alias)),
    [],
  )
  assert.equal(new Set(aliases).size, aliases.length)
})

test('an alias in a config stands for the provider’s id, and is seen nowhere else', () => {
  const { snapshot } = compiled(
    JSON.stringify({
      targets: [
        { virtual_key: 'kimi', api_key: 'sk-1' },
        { provider: 'grok', api_key: 'sk-2' },
        { name: 'mine', provider: 'dashscope', api_key: 'sk-3' },
      ],
      batch_target: 'mine',
      responses_target: 'x-ai',
    }),
    { providers },
  )
  assert.deepEqual(
    snapshot.targets.map(({ key, provider }) => [key, provider]),
    [
      ['moonshot', 'moonshot'],
      ['xai', 'xai'],
      ['mine', 'qwen'],
    ],
  )
  assert.deepEqual([snapshot.batchTarget, snapshot.responsesTarget], ['mine', 'xai'])
  const labels = new Set(Object.keys(snapshot.series).map(series => series.split('\0')[0]))
  assert.deepEqual([...labels], ['none', 'moonshot', 'xai', 'mine'])
})

test('a target twice under two names of its provider is one too many', () => {
  const problems = checkRules(
    { targets: [{ virtual_key: 'xai' }, { virtual_key: 'grok' }] },
    providers,
    fixedTargetKeys,
  )
  assert.match(problems[0]!.message, /already called "xai"/)
})

test('a reference to a target that is none is refused, an alias of one is not', () => {
  const targets = [{ virtual_key: 'azure' }]
  const rules = (batch_target: string) => checkRules({ targets, batch_target }, providers, fixedTargetKeys)
  for (const name of ['azure', 'azure_openai', 'azure-openai']) assert.deepEqual(rules(name), [], name)
  for (const name of ['openai', 'google', 'nobody']) assert.equal(rules(name)[0]?.path, 'batch_target', name)
})

test('another variable of a setting is read where its own is not set, and kept as secret under its name', () => {
  const keyWith = (variables: Record<string, string>) => {
    const { snapshot } = compiled('targets: [{ virtual_key: hugging-face }]', { providers, variables })
    return [snapshot.targets[0]!.settings.apiKey, snapshot.secrets.map(({ name }) => name)]
  }
  assert.deepEqual(keyWith({ HF_TOKEN: 'hf_0123456789abcdef' }), ['hf_0123456789abcdef', ['HF_TOKEN']])
  assert.deepEqual(keyWith({ HUGGING_FACE_API_KEY: 'hf_own', HF_TOKEN: 'hf_other' })[0], 'hf_own')
  assert.deepEqual(keyWith({ HUGGING_FACE_API_KEY: '  ', HF_TOKEN: 'hf_other' })[0], 'hf_other')
})

test('an id wins over an alias', () => {
  const known = [
    { id: 'a', aliases: ['b'] },
    { id: 'b', aliases: [] },
  ]
  assert.equal(providerNamed('b', known)?.id, 'b')
  assert.equal(providerNamed('c', known), undefined)
})
