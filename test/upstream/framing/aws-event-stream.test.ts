import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamEvent } from '../../../src/core/provider.ts'
import { AwsEventStreamParser } from '../../../src/upstream/framing/aws-event-stream.ts'
import { pieces, random } from '../../core/random.ts'
import { eventFrame, eventStreamFrame, exceptionFrame, rawFrame, sealed } from '../../support/event-stream.ts'

interface Parsed {
  events: StreamEvent[]
  failure: string | null
  end: string | null
}

function parsed(chunks: readonly Uint8Array[], maxBytes = 1 << 24): Parsed {
  const events: StreamEvent[] = []
  const parser = new AwsEventStreamParser({ maxBytes }, event => events.push(event))
  let failure: string | null = null
  for (const chunk of chunks) {
    const copy = Buffer.from(chunk)
    failure = parser.push(copy)?.details.cause ?? null
    copy.fill(0x21)
  }
  return { events, failure, end: parser.end()?.details.cause ?? null }
}

const bytewise = (bytes: Uint8Array): Uint8Array[] => [...bytes].map(byte => Uint8Array.of(byte))

// Frames as the service sends them.
const chunkFrame = Buffer.from(
  '000000870000004b87ea2bf30b3a6576656e742d747970650700056368756e6b0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b226279746573223a2265794a306558426c496a6f696257567a6332466e5a56397a64473977496e303d227dba48ab22',
  'hex',
)
const messageStart = Buffer.from(
  '000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22726f6c65223a22617373697374616e74227d6fa8c599',
  'hex',
)
const throttled = Buffer.from(
  '0000008e00000061514180540f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a22546f6f206d616e7920746f6b656e73227dc81b1ec1',
  'hex',
)
const golden = [chunkFrame, messageStart, throttled]
const goldenEvents = [
  { event: 'chunk', data: '{"bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0="}' },
  { event: 'messageStart', data: '{"role":"assistant"}' },
  { event: 'exception:throttlingException', data: '{"message":"Too many tokens"}' },
]

test('frames are read wherever their bytes are cut', () => {
  const bytes = Buffer.concat(golden)
  for (const cut of Array.from({ length: bytes.length + 1 }, (_, i) => i)) {
    const { events, failure, end } = parsed([bytes.subarray(0, cut), bytes.subarray(cut)])
    assert.deepEqual(events, goldenEvents, `cut at ${cut}`)
    assert.deepEqual([failure, end], [null, null])
  }
  assert.deepEqual(parsed(bytewise(bytes)).events, goldenEvents)
})

test('the frames our tests write are the service’s, byte for byte', () => {
  assert.deepEqual(eventFrame('messageStart', { role: 'assistant' }), messageStart)
  assert.deepEqual(exceptionFrame('throttlingException', { message: 'Too many tokens' }), throttled)
})

test('a stream that ends inside a frame is broken, at every byte', () => {
  const bytes = Buffer.concat(golden)
  const ends = [0, ...golden.map((_, i) => Buffer.concat(golden.slice(0, i + 1)).length)]
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { events, failure, end } = parsed([bytes.subarray(0, cut)])
    assert.equal(failure, null)
    assert.equal(end, ends.includes(cut) ? null : 'the stream ends inside a frame', `cut at ${cut}`)
    assert.equal(events.length, ends.filter(at => at > 0 && at <= cut).length)
  }
})

test('a flipped bit is found before anything is made of it', () => {
  for (let at = 0; at < messageStart.length; at++) {
    const bad = Buffer.from(messageStart)
    bad[at] ^= 1 << (at % 8)
    const { events, failure } = parsed([chunkFrame, bad, chunkFrame])
    assert.deepEqual(events, goldenEvents.slice(0, 1), `byte ${at}`)
    assert.match(failure ?? '', /checksum/, `byte ${at}`)
    assert.deepEqual(parsed(bytewise(Buffer.concat([chunkFrame, bad, chunkFrame]))), {
      events: goldenEvents.slice(0, 1),
      failure,
      end: failure,
    })
  }
})

test('lengths that lie are refused, however right their checksums', () => {
  const lying = (write: (frame: Buffer) => void): Buffer => {
    const frame = Buffer.from(messageStart)
    write(frame)
    return sealed(frame)
  }
  const cases: [string, Buffer, RegExp][] = [
    ['huge frame', lying(frame => frame.writeUInt32BE(0xffffffff, 0)), /longer than 16777216/],
    ['one over the limit', lying(frame => frame.writeUInt32BE((1 << 24) + 1, 0)), /longer than 16777216/],
    ['empty frame', lying(frame => frame.writeUInt32BE(0, 0)), /contradict/],
    ['frame without room for its checksums', lying(frame => frame.writeUInt32BE(15, 0)), /contradict/],
    ['headers beyond the frame', lying(frame => frame.writeUInt32BE(messageStart.length - 15, 4)), /contradict/],
    ['huge headers', lying(frame => frame.writeUInt32BE(0xfffffff8, 4)), /contradict/],
  ]
  for (const [name, frame, cause] of cases)
    for (const chunks of [[frame], bytewise(frame)]) {
      const { events, failure } = parsed(chunks)
      assert.deepEqual(events, [], name)
      assert.match(failure ?? '', cause, name)
    }
})

test('a frame as long as allowed passes, one byte more does not', () => {
  const frame = eventStreamFrame({ ':event-type': 'x' }, 'y'.repeat(5000))
  assert.equal(parsed([frame], frame.length).events[0].data.length, 5000)
  assert.equal(parsed([frame], frame.length - 1).failure, `a frame is longer than ${frame.length - 1} bytes`)
})

test('every type of header is skipped by its size, and malformed ones are refused', () => {
  const header = (type: number, value: Uint8Array): Buffer => Buffer.concat([Buffer.from([1, 0x61, type]), value])
  const sized = (size: number): Buffer => Buffer.alloc(size, 0x3a)
  const odd = Buffer.concat([
    header(0, sized(0)),
    header(1, sized(0)),
    header(2, sized(1)),
    header(3, sized(2)),
    header(4, sized(4)),
    header(5, sized(8)),
    header(6, Buffer.from([0, 3, 1, 2, 3])),
    header(8, sized(8)),
    header(9, sized(16)),
  ])
  const named = Buffer.from('\u000b:event-type\u0007\u0000\u0001x')
  const payload = Buffer.from('{}')
  for (const headers of [Buffer.concat([odd, named]), Buffer.concat([named, odd])])
    assert.deepEqual(parsed([rawFrame(headers, payload)]).events, [{ event: 'x', data: '{}' }])
  for (let cut = 1; cut < named.length; cut++)
    assert.equal(
      parsed([rawFrame(named.subarray(0, cut), payload)]).failure,
      'the headers of a frame are malformed',
      `cut at ${cut}`,
    )
  for (const type of [10, 11, 255])
    assert.equal(parsed([rawFrame(header(type, sized(4)), payload)]).failure, 'the headers of a frame are malformed')
})

test('names belong to their frame alone, and errors say what they are', () => {
  const frames = [
    eventFrame('a', {}),
    eventFrame('b', {}),
    eventFrame('a', {}),
    rawFrame(Buffer.alloc(0), Buffer.from('{}')),
    eventStreamFrame({ ':message-type': 'error', ':error-code': 'InternalFailure', ':error-message': 'oh "no"' }, ''),
    eventStreamFrame({ ':message-type': 'error' }, ''),
    exceptionFrame('validationException', {}),
    eventStreamFrame({ ':message-type': 'exception' }, '{}'),
  ]
  const events = [
    { event: 'a', data: '{}' },
    { event: 'b', data: '{}' },
    { event: 'a', data: '{}' },
    { event: '', data: '{}' },
    { event: 'error:InternalFailure', data: '{"message":"oh \\"no\\""}' },
    { event: 'error:', data: '' },
    { event: 'exception:validationException', data: '{}' },
    { event: 'exception:', data: '{}' },
  ]
  assert.deepEqual(parsed([Buffer.concat(frames)]).events, events)
})

test('the split of the bytes makes no difference, whatever they are', () => {
  const chance = random(33)
  for (let round = 0; round < 800; round++) {
    const frames = Array.from({ length: chance.below(6) }, () =>
      chance.chance(0.8)
        ? eventFrame(chance.pick(['contentBlockDelta', 'metadata', 'é']), { text: '😀'.repeat(chance.below(40)) })
        : exceptionFrame(chance.pick(['throttlingException', '']), {}),
    )
    const bytes = Buffer.concat(frames)
    if (chance.chance(0.5) && bytes.length > 0)
      for (let count = chance.below(3); count > 0; count--) bytes[chance.below(bytes.length)] = chance.below(256)
    const whole = parsed([bytes])
    assert.deepEqual(parsed(pieces(bytes, chance)), whole)
    assert.deepEqual(parsed(bytewise(bytes)), whole)
    const noise = Buffer.from(Array.from({ length: chance.below(200) }, () => chance.below(256)))
    assert.deepEqual(parsed(bytewise(noise)), parsed([noise]))
    assert.deepEqual(parsed([noise]).events, [])
  }
})
