/**
 * The parsers of src/wire alone.
 *
 *   node .build/bench/micro/head.js
 */
import { ChunkedDecoder } from '../../src/wire/chunked.ts'
import { readFraming } from '../../src/wire/framing.ts'
import { HeadParser } from '../../src/wire/head.ts'

const head = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Date: Mon, 01 Jan 2024 00:00:00 GMT',
    'Content-Type: application/json',
    'Content-Length: 300',
    'Connection: keep-alive',
    'access-control-expose-headers: X-Request-ID',
    'openai-organization: org',
    'openai-processing-ms: 312',
    'openai-version: 2020-10-01',
    'x-ratelimit-limit-requests: 10000',
    'x-ratelimit-limit-tokens: 200000',
    'x-ratelimit-remaining-requests: 9999',
    'x-ratelimit-remaining-tokens: 199980',
    'x-request-id: req_0123456789abcdef0123456789abcdef',
    'strict-transport-security: max-age=31536000; includeSubDomains; preload',
    'CF-RAY: 0123456789abcdef-FRA',
    '',
    '',
  ].join('\r\n'),
)

const parser = new HeadParser('response', { maxBytes: 65_536, maxFields: 512 })
const decoder = new ChunkedDecoder()
const event = 'data: {"choices":[{"delta":{"content":"token"}}]}\n\n'
const chunks = Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`.repeat(20))
const scratch = Buffer.alloc(chunks.length)

function time(name: string, unit: string, count: number, run: () => number): void {
  let sink = 0
  for (let warmUp = 0; warmUp < count / 10; warmUp++) sink += run()
  const rounds = Array.from({ length: 7 }, () => {
    const before = process.hrtime.bigint()
    for (let index = 0; index < count; index++) sink += run()
    return Number(process.hrtime.bigint() - before) / count
  }).sort((a, b) => a - b)
  console.log(
    `${name.padEnd(40)} ${rounds[3].toFixed(0).padStart(6)} ns ${unit} (${rounds[0].toFixed(0)}–${rounds[6].toFixed(0)}) ${sink > 0 ? '' : '!'}`,
  )
}

console.log(`Node ${process.version}, ${process.platform} ${process.arch}`)
time(`a head of ${head.length} bytes, 15 fields`, 'per head', 200_000, () => {
  parser.reset()
  return parser.feed(head, 0, head.length)
})
time('its framing and three look-ups', 'per head', 200_000, () => {
  const { fields } = parser
  return (
    Number(readFraming(fields, 1)) +
    fields.get('content-type').length +
    fields.get('x-request-id').length +
    fields.find('missing', 0)
  )
})
time('20 chunks of one event each (and a copy)', 'per read', 100_000, () => {
  scratch.set(chunks)
  decoder.reset()
  return decoder.decode(scratch, 0, scratch.length)
})
