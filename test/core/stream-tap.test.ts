import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noUsage, parseUsage, type Usage } from '../../src/core/chat.ts'
import { AnswerTail, StreamTap, tapUsage } from '../../src/core/stream-tap.ts'
import { pieces, type Random, random } from './random.ts'

interface Outcome {
  forwarded: string
  committed: boolean
  done: boolean
  finished: boolean
  truncated: boolean
  usage: Usage | null
  failure: string | null
}

function tapped(chunks: readonly Uint8Array[], withholdUsage = true, maxEventBytes = 1 << 20): Outcome {
  const out: Buffer[] = []
  const tap = new StreamTap({ withholdUsage, maxEventBytes, forward: bytes => out.push(Buffer.from(bytes)) })
  // A fresh copy per chunk that is overwritten afterwards, as a socket's read buffer would be.
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    tap.push(copy)
    copy.fill(0x21)
  }
  const failure = tap.end()
  const { committed, done, finished, truncated, usage } = tap
  const forwarded = Buffer.concat(out).toString('utf8')
  return { forwarded, committed, done, finished, truncated, usage, failure: failure?.details.cause ?? null }
}

/** What the tap must amount to, written for clarity: split the whole text into events, parse every one. */
function naive(text: string, withholdUsage: boolean): Outcome {
  const out: Outcome = {
    forwarded: '',
    committed: false,
    done: false,
    finished: false,
    truncated: false,
    usage: null,
    failure: null,
  }
  let held = ''
  const events: { event: string; whole: boolean }[] = []
  let under = ''
  for (const line of text.split(/(?<=\r\n|\n|\r(?!\n))/)) {
    under += line
    if (!/^[\r\n]+$/.test(line)) continue
    events.push({ event: under, whole: true })
    under = ''
  }
  if (under !== '') events.push({ event: under, whole: false })
  const pass = (event: string) => {
    if (out.committed) {
      out.forwarded += held + event
      held = ''
    } else held += event
  }
  for (const { event, whole } of events) {
    const first = event === events[0].event ? event.replace(/^\ufeff/, '') : event
    const lines = first.split(/\r\n|\r|\n/)
    const field = (name: string) =>
      lines
        .filter(line => line === name || line.startsWith(`${name}:`))
        .map(line => line.slice(name.length + 1).replace(/^ /, ''))
    const data = field('data').join('\n')
    if (!whole && lines.every(line => line === '' || line.startsWith(':'))) break
    if (data.trim() === '') {
      if (!whole) out.truncated = true
      else if (out.committed) pass(event)
      continue
    }
    const ended = whole ? event : /[\r\n]$/.test(event) ? `${event}\n` : `${event}\n\n`
    if (data.trim() === '[DONE]') {
      out.done = out.committed = true
      pass(ended)
      return out
    }
    let chunk: Record<string, never> & { choices?: Record<string, never>[] }
    try {
      chunk = JSON.parse(data)
    } catch {
      if (whole) out.failure = 'an event of the stream is not a JSON object'
      else out.truncated = true
      break
    }
    if (chunk.error) {
      const error = chunk.error as { message?: string } | string
      out.failure = typeof error === 'string' ? error : (error.message as string)
      break
    }
    if (chunk.usage) out.usage = parseUsage(chunk.usage)
    const choices = chunk.choices ?? []
    if (choices.some(choice => choice.finish_reason)) out.finished = out.committed = true
    if (
      choices.some(
        ({ delta }: { delta?: { content?: string; tool_calls?: unknown[] } }) =>
          delta?.content || delta?.tool_calls?.length,
      )
    )
      out.committed = true
    if (!(withholdUsage && chunk.usage && choices.length === 0)) pass(ended)
  }
  if (out.failure === null && !out.done && (!out.finished || out.truncated))
    out.failure = out.truncated ? 'the stream ended inside an event' : 'the stream ended without a finish reason'
  return out
}

const event = (choices: string, rest = ''): string =>
  `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[${choices}]${rest}}`
const delta = (body: string, finish = 'null'): string =>
  `{"index":0,"delta":{${body}},"logprobs":null,"finish_reason":${finish}}`
const usage = '{"prompt_tokens":71,"completion_tokens":16,"total_tokens":87}'

const kinds: ((chance: Random) => string)[] = [
  () => event(delta('"role":"assistant","content":""')),
  ({ pick }) =>
    event(
      delta(
        `"content":${JSON.stringify(pick(['Hi', ' é😀', '"usage":{"error":', '\n\n', 'data: [DONE]', 'usage', '\\"']))}`,
      ),
      pick(['', ',"usage":null', ',"usage" : null']),
    ),
  () =>
    event(
      delta('"tool_calls":[{"index":0,"function":{"arguments":"{\\"finish_reason\\":\\"stop\\"}"}}]'),
      ',"usage":null',
    ),
  ({ pick }) => event(delta('', '"stop"'), pick(['', `,"usage":${usage}`, ',"usage":null'])),
  () => event('', `,"usage":${usage}`),
  () => event('', ',"prompt_filter_results":[]'),
  () => '[DONE]',
  () => '',
]
const bad: ((chance: Random) => string)[] = [
  () => '{"error":{"message":"The server had an error","type":"server_error","code":null}}',
  () => event('', ',"error":"overloaded"'),
  () => 'upstream connect error',
]

function stream(chance: Random): string {
  // A line that ends with CR before an empty one that ends with LF would be one line.
  const eol = () => (out.endsWith('\r') ? style[0] : chance.pick(style))
  const style = chance.pick([['\n'], ['\n'], ['\n'], ['\r\n'], ['\r'], ['\r\n', '\r', '\n']])
  let out = chance.chance(0.1) ? '\ufeff' : ''
  for (let count = chance.below(9); count > 0; count--) {
    if (chance.chance(0.1)) out += `: keep-alive${eol()}`
    if (chance.chance(0.1)) out += eol()
    if (chance.chance(0.1)) out += `event: message${eol()}id: 7${eol()}`
    const data = chance.pick(chance.chance(0.05) ? bad : kinds)(chance)
    const colon = chance.chance(0.2) ? 'data:' : 'data: '
    // A JSON text may be spread over several data lines where it has white space.
    const comma = chance.chance(0.1) ? data.indexOf('"choices"') : -1
    if (comma > 0) out += `${colon}${data.slice(0, comma)}${eol()}${colon}${data.slice(comma)}${eol()}`
    else out += `${colon}${data}${eol()}`
    out += eol()
  }
  return chance.chance(0.3) ? out.slice(0, chance.below(out.length + 1)) : out
}

test('however a stream is split, the tap equals a reading of the whole', () => {
  const chance = random(42)
  const seen = { done: 0, failed: 0, truncated: 0, withheld: 0 }
  for (let round = 0; round < 4000; round++) {
    const text = stream(chance)
    const withhold = chance.chance(0.5)
    const expected = naive(text, withhold)
    const bytes = Buffer.from(text)
    assert.deepEqual(tapped([bytes], withhold), expected, JSON.stringify(text))
    for (let split = 0; split < 4; split++)
      assert.deepEqual(tapped(pieces(bytes, chance), withhold), expected, JSON.stringify(text))
    if (expected.done) seen.done++
    if (expected.failure !== null) seen.failed++
    if (expected.truncated) seen.truncated++
    if (withhold && expected.usage !== null) seen.withheld++
  }
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 100, `${what}: ${count}`)
})

const answer = [
  event(delta('"role":"assistant","content":""'), ',"usage":null'),
  event(delta('"content":"Höi"'), ',"usage":null'),
  event(delta('"content":" there"'), ',"usage":null'),
  event(delta('', '"stop"'), ',"usage":null'),
  event('', `,"usage":${usage}`),
  '[DONE]',
]
const sse = (events: readonly string[], eol = '\n'): Buffer =>
  Buffer.from(events.map(data => `data: ${data}${eol}${eol}`).join(''))

test('a stream cut in two at any byte gives the same bytes and facts', () => {
  for (const eol of ['\n', '\r\n', '\r']) {
    const bytes = sse(answer, eol)
    const whole = tapped([bytes])
    assert.equal(whole.failure, null)
    assert.deepEqual(whole.usage, { ...noUsage, prompt: 71, completion: 16, total: 87 })
    assert.equal(
      whole.forwarded,
      sse(
        answer.filter((_, index) => index !== 4),
        eol,
      ).toString(),
    )
    for (let cut = 0; cut <= bytes.length; cut++)
      assert.deepEqual(tapped([bytes.subarray(0, cut), bytes.subarray(cut)]), whole)
    assert.deepEqual(tapped([...bytes].map(byte => Uint8Array.of(byte))), whole)
  }
})

test('a stream that stops at any byte before its finish reason fails, and no half event gets out', () => {
  const bytes = sse(answer)
  const finishEnds = sse(answer.slice(0, 4)).length - 2
  for (let cut = 0; cut < bytes.length; cut++) {
    const { forwarded, failure } = tapped([bytes.subarray(0, cut)])
    if (cut < finishEnds) assert.notEqual(failure, null, `cut at ${cut}`)
    if (forwarded !== '') assert.match(forwarded, /\n\n$/)
    for (const part of forwarded.split('\n\n').filter(Boolean)) if (!part.endsWith('[DONE]')) JSON.parse(part.slice(6))
  }
})

test('nothing is forwarded before the first content, then everything that was held', () => {
  const out: string[] = []
  const tap = new StreamTap({
    withholdUsage: true,
    maxEventBytes: 1000,
    forward: bytes => out.push(Buffer.from(bytes).toString()),
  })
  tap.push(sse([answer[0]]))
  tap.push(Buffer.from(': waiting\n\n'))
  assert.equal(tap.committed, false)
  assert.deepEqual(out, [])
  tap.push(sse([answer[1]]))
  assert.equal(tap.committed, true)
  assert.equal(out.join(''), sse(answer.slice(0, 2)).toString())
})

test('the usual chunk is forwarded as the very object it came in', () => {
  const out: Uint8Array[] = []
  const tap = new StreamTap({ withholdUsage: true, maxEventBytes: 1 << 20, forward: bytes => out.push(bytes) })
  tap.push(sse(answer.slice(0, 2)))
  const chunk = sse([answer[2], answer[2], answer[2]])
  tap.push(chunk)
  assert.equal(out.at(-1), chunk)
})

test('an event in the way of a failure is not forwarded, and nothing after it', () => {
  const events = [answer[0], answer[1], '{"error":{"message":"slow down","code":429}}', answer[2]]
  const { forwarded, failure } = tapped([sse(events)])
  assert.equal(forwarded, sse(answer.slice(0, 2)).toString())
  assert.equal(failure, 'slow down')
  const tap = new StreamTap({ withholdUsage: true, maxEventBytes: 1000, forward: () => assert.fail('forwarded') })
  tap.push(sse([answer[0], events[2]]))
  assert.equal(tap.committed, false)
  assert.equal(tap.failure?.details.upstreamStatus, 429)
})

test('errors in other dress are errors', () => {
  for (const body of [
    '{"error":"text"}',
    '{"object":"error","message":"text","code":400}',
    '{"type":"error","error":{"type":"x","message":"text"}}',
    '{"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"message":"text","code":502}}]}',
  ])
    assert.equal(tapped([sse([answer[1], body, '[DONE]'])]).failure, 'text', body)
  assert.equal(
    tapped([Buffer.concat([sse([answer[1]]), Buffer.from('event: error\ndata: {"message":"text"}\n\n')])]).failure,
    'text',
  )
  assert.equal(tapped([sse([answer[1], event(delta('"content":"x"'), ',"error":null'), '[DONE]'])]).failure, null)
})

test('an event longer than the limit ends the stream, in one piece or many', () => {
  const long = sse([answer[1], event(delta(`"content":"${'x'.repeat(5000)}"`)), '[DONE]'])
  for (const chunks of [[long], pieces(long, random(1)), [...long].map(byte => Uint8Array.of(byte))]) {
    const { failure, forwarded } = tapped(chunks, true, 2000)
    assert.equal(failure, 'an event is longer than 2000 bytes')
    assert.equal(forwarded, sse([answer[1]]).toString())
  }
})

test('the last usage that is not empty wins, and Groq may put it elsewhere', () => {
  const counted = (prompt: number) =>
    event(delta('"content":"x"'), `,"usage":{"prompt_tokens":${prompt},"completion_tokens":1}`)
  assert.equal(tapped([sse([counted(5), counted(9), counted(0).replace(':1}', ':0}'), '[DONE]'])]).usage?.prompt, 9)
  const groq = event(delta('', '"stop"'), `,"x_groq":{"id":"r","usage":${usage}}`)
  assert.equal(tapped([sse([groq, '[DONE]'])]).usage?.total, 87)
})

test('usage of a JSON answer is the top-level one, whatever else is called usage', () => {
  const cases: [string, number | null][] = [
    [`{"choices":[],"usage":${usage}}`, 87],
    [`{"usage":${usage},"choices":[{"message":{"content":"\\"usage\\":{\\"total_tokens\\":1}"}}]}\n`, 87],
    [
      `{"choices":[{"usage":{"total_tokens":1}}],"usage": ${usage} ,"service_tier":"default","system_fingerprint":"fp"} `,
      87,
    ],
    [`{"usage":${usage},"x":{"usage":{"total_tokens":1}}}`, 87],
    [`{"usage":${usage},"x":"usage"}`, 87],
    [`{"usage":${usage},"a\\"usage":{"total_tokens":1}}`, 87],
    [`{"x":{"usage":${usage}}}`, null],
    [`{"a\\"usage":${usage}}`, null],
    [`{"choices":[{"usage":${usage}`, null],
    ['{"choices":[],"usage":null}', null],
    ['{"choices":[]}', null],
    ['', null],
  ]
  for (const [body, total] of cases) {
    assert.equal(tapUsage(Buffer.from(body))?.total ?? null, total, body)
    const shared = new Uint8Array(new SharedArrayBuffer(body.length))
    shared.set(Buffer.from(body))
    assert.equal(tapUsage(shared)?.total ?? null, total, body)
  }
})

test('the tail of a long answer is enough for its usage', () => {
  const chance = random(9)
  const body = Buffer.from(
    `{"choices":[{"message":{"content":"${'x'.repeat(9000)}"}}],"usage":${usage},"service_tier":"default"}\n`,
  )
  for (let round = 0; round < 200; round++) {
    const tail = new AnswerTail(256)
    for (const piece of pieces(body, chance)) tail.push(piece)
    assert.equal(tail.usage()?.total, 87)
  }
})

test('an event of very many lines ends the stream, before it is taken apart', () => {
  const content = 'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
  const many = `${'data:\n'.repeat(70_000)}\n`
  const chunks = [Buffer.from(content), Buffer.from(many)]
  assert.equal(tapped(chunks).failure, 'an event has more than 65536 lines')
  assert.equal(tapped([Buffer.from(content + many)]).failure, 'an event has more than 65536 lines')
  assert.equal(tapped([Buffer.from(content + many.slice(0, -1))]).truncated, true)
})

test('a `usage` of something behind it does not hide that of the answer', () => {
  const body = Buffer.from(
    '{"id":"c","choices":[],"usage":{"prompt_tokens":80,"completion_tokens":7,"total_tokens":87},"meta":{"steps":[{"usage":{"total_tokens":1}}]}}',
  )
  assert.equal(tapUsage(body)?.total, 87)
  const tail = new AnswerTail(140)
  tail.push(body)
  assert.equal(tail.usage()?.total, 87)
})
