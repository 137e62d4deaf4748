import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson } from '../../src/config/parse-json.ts'
import { SourceText } from '../../src/config/source-text.ts'
import { random } from './support.ts'

const samples = [
  '{"a":1,"b":[true,false,null,-0.5e+10,"x\\u00e9\\n\\\\\\"/\\/"],"c":{"d":{}},"":[]}',
  ' [ 1 , 2.0E2 , "\u{1F600}" , {"k" : "v"} ] ',
  '"text"',
  '0',
  '-0',
]

const native = (text: string): { value?: unknown } | null => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return null
  }
}

test('values are those of JSON.parse', () => {
  for (const text of samples) assert.deepEqual(parseJson(new SourceText(text)).value, JSON.parse(text))
})

test('20,000 mutated texts are accepted exactly when JSON.parse accepts them', () => {
  const next = random(11)
  const alphabet = '{}[],:"\\ \n\t\r\u0000\u001f0123456789.eE+-truefalsnu/x\u00a0\ufeff'
  let valid = 0
  for (let round = 0; round < 20_000; round++) {
    let text = samples[next(samples.length)]
    for (let change = next(3); change >= 0; change--) {
      const at = next(text.length + 1)
      text = text.slice(0, at) + (next(4) === 0 ? '' : alphabet[next(alphabet.length)]) + text.slice(at + next(3))
    }
    const { value, problems } = parseJson(new SourceText(text))
    const expected = native(text)
    // What JSON.parse lets pass on purpose of ours: keys that come twice, numbers beyond the range.
    if (problems.some(({ message }) => /duplicate key|too large/.test(message))) continue
    assert.equal(problems.length === 0, expected !== null, JSON.stringify(text))
    if (expected === null) continue
    valid++
    assert.deepEqual(value, expected.value, JSON.stringify(text))
  }
  assert.ok(valid > 1000)
})

test('every value and key knows its place', () => {
  const text = '{"a": [10, {"b c": "x"}]}'
  const tree = parseJson(new SourceText(text))
  assert.deepEqual(
    [...tree.values].map(([path, offset]) => [path, text.slice(offset, offset + 2)]),
    [
      ['', '{"'],
      ['a', '[1'],
      ['a[0]', '10'],
      ['a[1]', '{"'],
      ['a[1]["b c"]', '"x'],
    ],
  )
  assert.equal(tree.keys.get('a[1]["b c"]'), 12)
})
