import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PipelineUnderTest } from './harness.ts'

/** The model as the record has it, for requests that come one after the other in one thread. */
test('a model’s name is never taken for that of the request before', () => {
  const pipeline = new PipelineUnderTest()
  pipeline.onSend = call => call.answer(200, '{"id":"c","choices":[]}')
  // As they stand in the body; the last ones have the bytes of another’s characters.
  const names = [
    'gpt-4o',
    'gpt-4p',
    'gpt-4o',
    'gpt\\u002d4o',
    'a\\\\b',
    'a\\b',
    'Ã©',
    'é',
    'x',
    '\\u0078',
    ' gpt-4o',
    'gpt-4o ',
  ]
  for (const name of names)
    for (const path of ['/v1/chat/completions', '/v1/embeddings']) {
      const more = path === '/v1/embeddings' ? '"input":"x"' : '"messages":[{"role":"user","content":"Hi"}]'
      pipeline.askAt(path, `{"model":"${name}",${more}}`)
      assert.equal(pipeline.records.at(-1)!.model, JSON.parse(`"${name}"`), `${name} at ${path}`)
    }
})
