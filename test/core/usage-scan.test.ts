import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUsage } from '../../src/core/chat.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { readUsage } from '../../src/core/usage-scan.ts'
import { random } from './random.ts'

const read = (text: string) => {
  const bytes = Buffer.from(`x${text}}`)
  return readUsage(bytes, 1, bytes.length - 1)
}
const parsed = (text: string) => parseUsage(JSON.parse(text) as JsonObject)

const whole = [
  '{}',
  ' {}'.trim(),
  '{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19}',
  '{ "prompt_tokens" : 12 ,\n\t"completion_tokens" : 0\r\n}',
  '{"input_tokens":3,"output_tokens":4}',
  '{"prompt_tokens":0,"input_tokens":3}',
  '{"prompt_tokens":1,"prompt_tokens":2}',
  '{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":6,"audio_tokens":0,"accepted_prediction_tokens":0}}',
  '{"prompt_tokens_details":{},"cached_tokens":4,"reasoning_tokens":2,"cache_read_tokens":3,"cache_write_tokens":1}',
  '{"prompt_tokens_details":{"reasoning_tokens":5},"completion_tokens_details":{"cached_tokens":5,"prompt_tokens":8}}',
  '{"prompt_tokens_details":{"cached_tokens":5},"prompt_tokens_details":{}}',
  '{"prompt_tokens":9,"prompt_tokens_details":{"cache_write_tokens":4,"audio_tokens":2,"image_tokens":1},"completion_tokens_details":{"audio_tokens":3,"image_tokens":5}}',
  '{"prompt_tokens":3,"prompt_tokens_details":{"cache_write_tokens":4}}',
  '{"search_units":2,"characters":30,"seconds":7,"cache_write_1h_tokens":8,"audio_tokens":6}',
  '{"prompt_tokens":999999999,"somebody_elses":3}',
]

test('the usual usage object is read as a parser reads it', () => {
  for (const text of whole) assert.deepEqual(read(text), parsed(text), text)
})

test('every other form is left to a parser', () => {
  const others = [
    '{"prompt_tokens":-1}',
    '{"prompt_tokens":1.5}',
    '{"prompt_tokens":1e3}',
    '{"prompt_tokens":1234567890}',
    '{"prompt_tokens":"1"}',
    '{"prompt_tokens":null}',
    '{"prompt_tokens_details":null}',
    '{"prompt_tokens_details":5}',
    '{"prompt_\\u0074okens":1}',
    '{"prompt_tokens_details":{"cached_tokens":{"a":1}}}',
    '{"cost":{"total":1}}',
    '{"input_tokens_details":{"cached_tokens":1}}',
    '{"seconds":7.5}',
    '[]',
    '1',
    'null',
  ]
  for (const text of others) assert.equal(read(text), null, text)
})

test('bytes that are no usage object are never read as one', () => {
  const { below, pick } = random(7)
  for (let round = 0; round < 20_000; round++) {
    const text = pick(whole)
    const bytes = Buffer.from(text)
    for (let edits = 1 + below(3); edits > 0; edits--)
      bytes[below(bytes.length)] = pick([...Buffer.from('{}":,0123456789 \\-.ea_\n')])
    let expected: ReturnType<typeof parsed> | null = null
    try {
      expected = parsed(bytes.toString('utf8'))
    } catch {
      // no JSON: then nothing may be read
    }
    const usage = readUsage(bytes, 0, bytes.length)
    if (usage !== null) assert.deepEqual(usage, expected, bytes.toString())
  }
})
