import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamEvent } from '../../../src/core/provider.ts'
import { SseParser } from '../../../src/upstream/framing/sse.ts'
import { pieces, random } from '../../core/random.ts'

interface Parsed {
  events: StreamEvent[]
  rest: StreamEvent | null
  failure: string | null
}

function parsed(chunks: readonly Uint8Array[], maxBytes = 1 << 20): Parsed {
  const events: StreamEvent[] = []
  const parser = new SseParser({ maxBytes }, event => events.push(event))
  let failure: string | null = null
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    failure = parser.push(copy)?.details.cause ?? null
    copy.fill(0x21)
  }
  return { events, rest: parser.end(), failure }
}

const of = (text: string): Parsed => parsed([Buffer.from(text)])
const data = (text: string): string[] => of(text).events.map(event => event.data)

test('events are read by the rules of the HTML standard', () => {
  assert.deepEqual(data('data: a\n\ndata:b\n\n'), ['a', 'b'])
  assert.deepEqual(data('data:  a \n\n'), [' a '], 'one space is dropped, no more')
  assert.deepEqual(data('data: a\ndata\ndata: b\n\n'), ['a\n\nb'])
  assert.deepEqual(data('data\n\n'), [''])
  assert.deepEqual(data('\n\n: comment\n\nid: 1\nretry: 5\n\n'), [])
  assert.deepEqual(data('data: a\r\n\r\ndata: b\r\rdata: c\n\n'), ['a', 'b', 'c'])
  assert.deepEqual(data('\ufeffdata: a\n\n\ufeffdata: b\n\n'), ['a'], 'a BOM counts only at the very beginning')
  assert.deepEqual(data('database: a\n data: b\nDATA: c\n\n'), [])
  assert.deepEqual(data('data: é😀\n\n'), ['é😀'])
})

test('a name belongs to its event alone', () => {
  const { events } = of('event: ping\n\ndata: a\n\nevent: error\ndata: b\n\ndata: c\n\n')
  assert.deepEqual(events, [
    { event: '', data: 'a' },
    { event: 'error', data: 'b' },
    { event: '', data: 'c' },
  ])
})

test('an event without its end is handed over apart', () => {
  assert.deepEqual(of('data: a\n\ndata: b').rest, { event: '', data: 'b' })
  assert.deepEqual(of('data: a\n\ndata: b\n').rest, { event: '', data: 'b' })
  assert.equal(of('data: a\n\n').rest, null)
  assert.equal(of('data: a\n\n: bye').rest, null)
})

test('the split of the bytes makes no difference', () => {
  const chance = random(21)
  const lines = [
    'data: é😀',
    'data:{"a":1}',
    'data',
    'data: ',
    ': comment',
    'event: x',
    'event',
    'id: 4',
    '',
    '',
    '',
    'nonsense',
    'data:: a',
  ]
  for (let round = 0; round < 1500; round++) {
    let text = chance.chance(0.2) ? '\ufeff' : ''
    for (let count = chance.below(14); count > 0; count--)
      text += chance.pick(lines) + chance.pick(['\n', '\r\n', '\r'])
    if (chance.chance(0.5)) text += 'data: tail'
    const bytes = Buffer.from(text)
    const whole = parsed([bytes])
    assert.deepEqual(parsed(pieces(bytes, chance)), whole, JSON.stringify(text))
    assert.deepEqual(parsed([...bytes].map(byte => Uint8Array.of(byte))), whole, JSON.stringify(text))
    assert.deepEqual(whole.events, reference(text), JSON.stringify(text))
  }
})

/** The standard's algorithm on a whole text, word by word. */
function reference(text: string): StreamEvent[] {
  const events: StreamEvent[] = []
  let buffer = ''
  let name = ''
  for (const line of text.replace(/^\ufeff/, '').split(/(?<=\r\n|\n|\r(?!\n))/)) {
    if (!/[\r\n]$/.test(line)) break
    const content = line.replace(/\r?\n$|\r$/, '')
    if (content === '') {
      if (buffer !== '') events.push({ event: name, data: buffer.slice(0, -1) })
      buffer = name = ''
      continue
    }
    if (content.startsWith(':')) continue
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/.exec(content) as unknown as string[]
    if (field === 'data') buffer += `${value ?? ''}\n`
    else if (field === 'event') name = value ?? ''
  }
  return events
}

test('a line or an event beyond the limit is a failure, and the end', () => {
  const line = Buffer.from(`data: a\n\ndata: ${'x'.repeat(3000)}\n\ndata: b\n\n`)
  const event = Buffer.from(`data: a\n\n${'data: xxxxxxxxx\n'.repeat(300)}\ndata: b\n\n`)
  for (const bytes of [line, event])
    for (const chunks of [[bytes], [...bytes].map(byte => Uint8Array.of(byte))]) {
      const { events, failure, rest } = parsed(chunks, 1000)
      assert.deepEqual(events, [{ event: '', data: 'a' }])
      assert.equal(failure, 'an event is longer than 1000 bytes')
      assert.equal(rest, null)
    }
})

test('an event of countless empty lines ends the stream before it fills memory', () => {
  const lines = 'data\n'.repeat(65_536)
  assert.equal(of(`${lines}\n${lines}\n`).failure, null, 'they are counted by the event')
  assert.equal(of(`${lines}data\n\n`).failure, 'an event has more than 65536 lines')
})
