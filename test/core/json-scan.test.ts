import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  at,
  findKey,
  maxDepth,
  readNumber,
  readString,
  scanObject,
  spliceChat,
  TopLevel,
  trackedKeys,
  usageWish,
  validateChat,
} from '../../src/core/json-scan.ts'
import { random } from './random.ts'

const top = new TopLevel()

/** Scans with other bytes on both sides, so that a read beyond the range shows. */
function scan(
  text: string | Buffer,
  margin = '"}]5',
): { bytes: Buffer; start: number; end: number; error: string | null } {
  const body = Buffer.from(text as string)
  const bytes = Buffer.concat([Buffer.from(margin), body, Buffer.from(margin)])
  const start = margin.length
  return { bytes, start, end: start + body.length, error: scanObject(bytes, start, start + body.length, top) }
}

const errorOf = (text: string): string | null => scan(text).error

test('the values of tracked keys are found where they lie', () => {
  const { bytes, error } = scan(
    ' { "x":[1,{"model":"no"}], "model" : "gpt-4o" ,"stream":true,"max_tokens": 12e1,"stream_options":{"a":1} } ',
  )
  assert.equal(error, null)
  const value = (key: keyof typeof at) => bytes.toString('utf8', top.start(at[key]), top.end(at[key]))
  assert.equal(value('model'), '"gpt-4o"')
  assert.equal(value('stream'), 'true')
  assert.equal(value('max_tokens'), '12e1')
  assert.equal(value('stream_options'), '{"a":1}')
  assert.equal(top.has(at.messages), false)
  assert.equal(bytes[top.open], 0x7b)
  assert.equal(bytes[top.close], 0x7d)
})

test('offsets of keys follow the order in which they are listed', () => {
  assert.deepEqual(
    Object.entries(at),
    trackedKeys.map((key, index) => [key, index * 3]),
  )
})

test('a second tracked key is refused, also in disguise; other duplicates are not our business', () => {
  for (const key of trackedKeys) {
    assert.match(errorOf(`{"${key}":1,"a":2,"${key}":1}`) ?? '', new RegExp(`^duplicate key "${key}" at offset \\d+$`))
    const disguised = `\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}`
    assert.match(errorOf(`{"${key}":1,"${disguised}":1}`) ?? '', /^duplicate key/)
    assert.match(errorOf(`{"${disguised}":1,"${key}":1}`) ?? '', /^duplicate key/)
  }
  assert.equal(errorOf('{"a":1,"a":2,"x":{"model":1,"model":2}}'), null)
})

test('errors say what and where', () => {
  const cases: [string, string][] = [
    ['', 'unexpected end of JSON input at offset 0'],
    ['  ', 'unexpected end of JSON input at offset 2'],
    ['[]', 'the top-level JSON value must be an object at offset 0'],
    ['"a"', 'the top-level JSON value must be an object at offset 0'],
    ['{} x', 'unexpected data after top-level JSON value at offset 3'],
    ['{}{}', 'unexpected data after top-level JSON value at offset 2'],
    ['{"a":1', 'unexpected end of JSON input at offset 6'],
    ['{"a":1,}', "unexpected character '}' at offset 7"],
    ['{"a":[1,]}', "unexpected character ']' at offset 8"],
    ['{"a":[1}', "unexpected character '}' at offset 7"],
    ['{"a" 1}', "unexpected character '1' at offset 5"],
    ['{a:1}', "unexpected character 'a' at offset 1"],
    ['{"a":01}', "unexpected character '1' at offset 6"],
    ['{"a":"\n"}', 'control character in string at offset 6'],
    ['{"a":"\\x"}', 'invalid escape in string at offset 7'],
    ['{"a":"\\u12g4"}', 'invalid escape in string at offset 10'],
    ['{"a":"b', 'unterminated string at offset 7'],
    ['\ufeff{}', 'the top-level JSON value must be an object at offset 0'],
  ]
  for (const [text, expected] of cases) assert.equal(errorOf(text), expected, JSON.stringify(text))
})

test('512 levels pass and 513 do not, however they are made', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ]) {
    const nested = (levels: number) => `{"x":${open.repeat(levels - 1)}0${close.repeat(levels - 1)}}`
    assert.equal(errorOf(nested(maxDepth)), null)
    assert.match(errorOf(nested(maxDepth + 1)) ?? '', /nested deeper than 512 levels/)
    assert.match(errorOf(nested(200_000)) ?? '', /nested deeper than 512 levels/)
  }
})

test('a quote, a backslash or a control character is found at every place of a long string', () => {
  for (const length of [90, 96, 97, 98, 99, 100, 103, 130, 260])
    for (let place = 0; place < length; place++)
      for (const margin of ['"', '""', '"""', '""""']) {
        const plain = 'é~'.repeat(length).slice(0, place)
        const rest = 'x'.repeat(length - place)
        assert.equal(scan(`{"a":"${plain}${rest}"}`, margin).error, null)
        assert.equal(scan(`{"a":"${plain}\\"${rest}"}`, margin).error, null)
        assert.match(scan(`{"a":"${plain}\x1f${rest}"}`, margin).error ?? '', /control character/)
        assert.notEqual(scan(`{"a":"${plain}"${rest}"}`, margin).error, null)
      }
})

const seeds = [
  '{"model":"gpt-4o","messages":[{"role":"user","content":"hi \\u00e9\\n"}],"temperature":0.5,"stream":false}',
  '{"a":[1,-0,0.5,1e9,-1.5E-3,true,false,null,[],{}],"b":{"c":{"d":[{}]}},"":"\\ud83d\\ude00"}',
  ' { "n" : 1 , "stop" : [ "a" , "b" ] } ',
  `{"messages":[{"content":"${'long text '.repeat(40)}"}],"max_tokens":5}`,
]

test('exactly what JSON.parse takes as an object is taken (duplicates aside)', () => {
  const chance = random(7)
  const alphabet = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '0',
    '1',
    '-',
    '.',
    'e',
    't',
    'n',
    ' ',
    '\n',
    '\t',
    '\x01',
    'u',
    'é',
    '/',
  ]
  let valid = 0
  for (let round = 0; round < 60_000; round++) {
    let text = chance.pick(seeds)
    for (let edits = chance.below(3); edits >= 0; edits--) {
      const i = chance.below(text.length)
      const insert = chance.chance(0.7) ? chance.pick(alphabet) : ''
      text = text.slice(0, i) + insert + text.slice(chance.chance(0.5) ? i : i + 1)
    }
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      parsed = undefined
    }
    const expected = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    const error = errorOf(text)
    if (error?.startsWith('duplicate key')) continue
    assert.equal(error === null, expected, `${JSON.stringify(text)}: ${error}`)
    if (expected) valid++
  }
  assert.ok(valid > 1000, 'the mutations must leave enough valid texts')
})

test('what JSON.parse reads at a tracked key is what the range holds', () => {
  const chance = random(11)
  const value = (depth: number): unknown => {
    const kind = chance.below(depth > 3 ? 4 : 6)
    if (kind === 0) return chance.pick(['', 'a"b', '\\', '\u0001', 'ü€😀', 'x'.repeat(300)])
    if (kind === 1) return chance.pick([0, -1, 0.25, 1e21, 1e-7, 123456789])
    if (kind === 2) return chance.pick([true, false, null])
    if (kind === 3) return chance.pick(trackedKeys)
    if (kind === 4) return Array.from({ length: chance.below(4) }, () => value(depth + 1))
    return Object.fromEntries(
      Array.from({ length: chance.below(4) }, () => [chance.pick([...trackedKeys, 'a', '"']), value(depth + 1)]),
    )
  }
  for (let round = 0; round < 3000; round++) {
    const object: Record<string, unknown> = {}
    for (const key of [...trackedKeys, 'a', 'b\n']) if (chance.chance(0.5)) object[key] = value(0)
    const { bytes, error } = scan(JSON.stringify(object, null, chance.pick([0, 1])))
    assert.equal(error, null)
    for (const key of trackedKeys) {
      assert.equal(top.has(at[key]), key in object)
      if (key in object)
        assert.deepEqual(JSON.parse(bytes.toString('utf8', top.start(at[key]), top.end(at[key]))), object[key])
    }
  }
})

test('strings and numbers read as JSON.parse reads them', () => {
  for (const text of ['""', '"gpt-4o"', '"ü"', '"\\u00fc\\n"', '"😀"', `"${'x'.repeat(500)}"`]) {
    const bytes = Buffer.from(text)
    assert.equal(readString(bytes, 0, bytes.length), JSON.parse(text))
  }
  const chance = random(3)
  const numbers = [
    '0',
    '-0',
    '0.7',
    '1',
    '2.0000000000001',
    '1e400',
    '-1.5e-3',
    '0.1',
    '99999999999999',
    '0.00000000000001',
    '12345678901234567890',
  ]
  for (let round = 0; round < 2000; round++) numbers.push(`${chance.below(1e6)}.${chance.below(1e6)}`)
  for (const text of numbers) {
    const bytes = Buffer.from(text)
    assert.ok(Object.is(readNumber(bytes, 0, bytes.length), JSON.parse(text)), text)
  }
})

const messages = '"messages":[{"role":"user","content":"hi"}]'

test('a chat request is checked in a fixed order, with the parameter named', () => {
  const cases: [string, string | null, string?][] = [
    [`{"model":"m",${messages}}`, null],
    [
      `{"model":"m",${messages},"temperature":2,"top_p":1,"max_tokens":1,"presence_penalty":-2,"frequency_penalty":2,"n":3}`,
      null,
    ],
    [
      `{"model":"m",${messages},"temperature":null,"top_p":null,"max_tokens":null,"stream":null,"stream_options":null,"n":null}`,
      null,
    ],
    ['{"temperature":9}', 'model is required', 'model'],
    [`{"model":"",${messages}}`, 'model is required', 'model'],
    [`{"model":"  ",${messages}}`, 'model is required', 'model'],
    [`{"model":"\\t",${messages}}`, 'model is required', 'model'],
    [`{"model":null,${messages}}`, 'model is required', 'model'],
    [`{"model":5,${messages}}`, 'model must be a string', 'model'],
    ['{"model":"m","temperature":9}', 'at least one message is required', 'messages'],
    ['{"model":"m","messages":[ ],"temperature":9}', 'at least one message is required', 'messages'],
    ['{"model":"m","messages":null}', 'at least one message is required', 'messages'],
    ['{"model":"m","messages":"hi"}', 'messages must be an array', 'messages'],
    [`{"model":"m",${messages},"top_p":9,"temperature":2.1}`, 'temperature must be between 0 and 2', 'temperature'],
    [`{"model":"m",${messages},"temperature":-0.1}`, 'temperature must be between 0 and 2', 'temperature'],
    [`{"model":"m",${messages},"temperature":"1"}`, 'temperature must be a number', 'temperature'],
    [`{"model":"m",${messages},"top_p":1.01}`, 'top_p must be between 0 and 1', 'top_p'],
    [`{"model":"m",${messages},"max_tokens":0}`, 'max_tokens must be positive', 'max_tokens'],
    [`{"model":"m",${messages},"max_tokens":1.5}`, 'max_tokens must be an integer', 'max_tokens'],
    [
      `{"model":"m",${messages},"max_completion_tokens":-3}`,
      'max_completion_tokens must be positive',
      'max_completion_tokens',
    ],
    [
      `{"model":"m",${messages},"presence_penalty":-2.5}`,
      'presence_penalty must be between -2 and 2',
      'presence_penalty',
    ],
    [
      `{"model":"m",${messages},"frequency_penalty":3}`,
      'frequency_penalty must be between -2 and 2',
      'frequency_penalty',
    ],
    [`{"model":"m",${messages},"n":0}`, 'n must be positive', 'n'],
    [`{"model":"m",${messages},"stream":"yes"}`, 'stream must be a boolean', 'stream'],
    [`{"model":"m",${messages},"stream_options":true}`, 'stream_options must be an object', 'stream_options'],
  ]
  for (const [text, message, param] of cases) {
    const { bytes, error } = scan(text)
    assert.equal(error, null)
    const failure = validateChat(bytes, top)
    assert.equal(failure?.message ?? null, message, text)
    assert.equal(failure?.details.param, param, text)
    if (failure !== null) assert.equal(failure.kind, 'invalid_request')
  }
})

function spliced(text: string, changes: Parameters<typeof spliceChat>[4]): string | null {
  const { bytes, start, end, error } = scan(text)
  assert.equal(error, null, text)
  const out = spliceChat(bytes, start, end, top, changes)
  return out === null ? null : Buffer.from(out).toString('utf8')
}

test('splicing changes what it must and leaves every other byte', () => {
  const cases: [string, Parameters<typeof spliceChat>[4], string | null][] = [
    ['{"model":"a"}', { model: 'a' }, null],
    ['{"model":"\\u0061"}', { model: 'a' }, null],
    [' {"x" : "é",  "model":"a" }\n', { model: 'b/"ü"' }, ' {"x" : "é",  "model":"b/\\"ü\\"" }\n'],
    ['{ "model":"a"}', { includeUsage: true }, '{"stream_options":{"include_usage":true}, "model":"a"}'],
    [
      '{"model":"a","stream_options":null}',
      { includeUsage: true },
      '{"model":"a","stream_options":{"include_usage":true}}',
    ],
    [
      '{"stream_options":{},"model":"a"}',
      { includeUsage: true },
      '{"stream_options":{"include_usage":true},"model":"a"}',
    ],
    ['{"stream_options":{"include_usage":true},"model":"a"}', { includeUsage: true }, null],
    [
      '{"stream_options":{"include_usage":false, "include_obfuscation":false},"model":"a"}',
      { includeUsage: true, model: 'c' },
      '{"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"c"}',
    ],
    ['{"model":"a","max_tokens":5}', { tokenLimit: 'max_tokens' }, null],
    [
      '{"model":"a","max_tokens":5}',
      { tokenLimit: 'max_completion_tokens' },
      '{"model":"a","max_completion_tokens":5}',
    ],
    ['{"model":"a","max_completion_tokens":5}', { tokenLimit: 'max_tokens' }, '{"model":"a","max_tokens":5}'],
    [
      '{"max_tok\\u0065ns":5,"model":"a"}',
      { tokenLimit: 'max_completion_tokens' },
      '{"max_completion_tokens":5,"model":"a"}',
    ],
    [
      '{"max_tokens":5 , "max_completion_tokens":7,"model":"a"}',
      { tokenLimit: 'max_completion_tokens' },
      '{ "max_completion_tokens":7,"model":"a"}',
    ],
    [
      '{"model":"a","max_completion_tokens":7, "max_tokens":5 }',
      { tokenLimit: 'max_completion_tokens' },
      '{"model":"a","max_completion_tokens":7 }',
    ],
    [
      '{"model":"a","max_completion_tokens":7,"max_tokens":5}',
      { tokenLimit: 'max_tokens' },
      '{"model":"a","max_tokens":7}',
    ],
    [
      '{"model":"a","max_completion_tokens":null,"max_tokens":5}',
      { tokenLimit: 'max_tokens' },
      '{"model":"a","max_tokens":5}',
    ],
  ]
  for (const [text, changes, expected] of cases) assert.equal(spliced(text, changes), expected, text)
})

test('all changes at once give the object one expects, whatever the order of its keys', () => {
  const chance = random(5)
  for (let round = 0; round < 2000; round++) {
    const members = [
      '"model":"a"',
      ...(chance.chance(0.5) ? ['"max_tokens":1'] : []),
      ...(chance.chance(0.5) ? ['"max_completion_tokens":2'] : []),
      ...(chance.chance(0.5)
        ? [`"stream_options":${chance.pick(['null', '{}', '{"include_usage":false,"z":1}'])}`]
        : []),
      '"q":[",",{"max_tokens":9}]',
    ].sort(() => (chance.chance(0.5) ? 1 : -1))
    const text = `{${members.join(chance.pick([',', ' , ', ',\n']))}}`
    const tokenLimit = chance.pick(['max_tokens', 'max_completion_tokens'] as const)
    const original = JSON.parse(text)
    const { max_tokens, max_completion_tokens, ...expected } = original
    const limit = max_completion_tokens ?? max_tokens
    if (limit !== undefined) expected[tokenLimit] = limit
    expected.model = 'b'
    expected.stream_options = { ...original.stream_options, include_usage: true }
    assert.deepEqual(
      JSON.parse(spliced(text, { model: 'b', includeUsage: true, tokenLimit }) as string),
      expected,
      text,
    )
  }
})

test('the wish for usage is yes, no, or not uttered', () => {
  for (const [options, wish] of [
    ['', null],
    [',"stream_options":null', null],
    [',"stream_options":{}', false],
    [',"stream_options":{"include_usage":false}', false],
    [',"stream_options":{"include_usage":true}', true],
  ] as const) {
    const { bytes } = scan(`{"model":"a"${options}}`)
    assert.equal(usageWish(bytes, top), wish)
  }
})

test('a view of shared memory scans like any other', () => {
  const text = Buffer.from(`{"model":"m",${messages},"x":"${'y'.repeat(999)}"}`)
  const shared = new Uint8Array(new SharedArrayBuffer(4096), 3, 2000)
  shared.set(text, 5)
  assert.equal(scanObject(shared, 5, 5 + text.length, top), null)
  assert.equal(validateChat(shared, top), null)
  assert.equal(readString(shared, top.start(at.model), top.end(at.model)), 'm')
  const out = spliceChat(shared, 5, 5 + text.length, top, { model: 'other' })
  assert.equal(Buffer.from(out as Uint8Array).toString(), text.toString().replace('"m"', '"other"'))
})

test('findKey finds the last top-level key of that name and nothing deeper', () => {
  const find = (text: string) => {
    const bytes = Buffer.from(text)
    const range = findKey(bytes, 0, bytes.length, 'usage')
    return range && bytes.toString('utf8', ...range)
  }
  assert.equal(find('{"a":{"usage":1},"usage":2,"b":"usage"}'), '2')
  assert.equal(find('{"usage":1,"usage":{"x":[]}}'), '{"x":[]}')
  assert.equal(find('{"a":{"usage":1},"usag":2,"usages":3}'), null)
  assert.equal(find('{"usage":1'), null)
  assert.equal(find('[{"usage":1}]'), null)
})
