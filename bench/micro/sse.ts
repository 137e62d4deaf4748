import { SseParser } from '../../src/upstream/framing/sse.ts'
import { measure } from './measure.ts'

// node .build/bench/micro/sse.js

const event = Buffer.from(
  'data: {"id":"chatcmpl-A2b3C4d5E6f7G8h9","object":"chat.completion.chunk","created":1767225601,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n',
)
const batch = Buffer.concat(Array.from({ length: 100 }, () => event))
const crlf = Buffer.from(event.toString().replaceAll('\n', '\r\n'))
let events = 0
const parser = new SseParser({ maxBytes: 1 << 20 }, () => events++)

console.log(`event of ${event.length} bytes`)
measure('one event per chunk', 200_000, () => parser.push(event))
measure('one event per chunk, CRLF', 200_000, () => parser.push(crlf))
measure('100 events per chunk', 3000, () => parser.push(batch))
const halves = [event.subarray(0, 90), event.subarray(90)]
measure('one event in two chunks', 200_000, () => {
  parser.push(halves[0])
  parser.push(halves[1])
})
