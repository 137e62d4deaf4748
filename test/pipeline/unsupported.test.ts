import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnsupportedNotes } from '../../src/pipeline/unsupported.ts'
import { chatRequest, PipelineUnderTest, targetData } from './harness.ts'

const params = { seed: 'unsupported', n: 'unsupported', stop: 'translate' } as const

test('each parameter of each target is named once a minute, with others of the same request', () => {
  let nowMs = 0
  const said: string[] = []
  const notes = new UnsupportedNotes(
    (_msg, { target, params }) => said.push(`${target}: ${params}`),
    () => nowMs,
  )
  const note = (target: string, request: object) => notes.note(target, { params }, request, 'id')
  note('a', { seed: 1, n: 2, stop: 'x', other: 1 })
  note('a', { seed: 1 })
  note('b', { seed: 1 })
  note('a', { seed: null })
  nowMs = 59_999
  note('a', { n: 1 })
  nowMs = 60_000
  note('a', { n: 1, seed: 1 })
  assert.deepEqual(said, ['a: seed, n', 'b: seed', 'a: seed, n'])
})

const claude = targetData('claude', {
  provider: 'anthropic',
  settings: { apiKey: 'sk-ant-0000000000', baseUrl: 'https://api.anthropic.com/v1', beta: '' },
})

test('a request with a parameter that its provider does not know is served, and said so, unless that is not wanted', () => {
  for (const [mode, warnings] of [
    ['warn', 1],
    ['drop', 0],
  ] as const) {
    const under = new PipelineUnderTest({
      targets: [claude],
      compatibility: { onUnsupportedParam: mode, streamUsage: 'requested' },
    })
    under.ask(chatRequest({ seed: 7, logit_bias: { 1: 2 } }))
    assert.equal(under.calls.length, 1)
    assert.equal(under.warnings.length, warnings)
    if (warnings > 0)
      assert.deepEqual([under.warnings[0]!.target, under.warnings[0]!.params], ['claude', 'seed, logit_bias'])
  }
})
