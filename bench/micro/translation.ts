import { anthropic } from '../../providers/anthropic.ts'
import { scanObject, spliceChat, TopLevel } from '../../src/core/json-scan.ts'
import type { ChatRequest, TargetContext } from '../../src/core/provider.ts'
import { StreamTap, tapUsage } from '../../src/core/stream-tap.ts'
import { SseParser } from '../../src/upstream/framing/sse.ts'
import { measure } from './measure.ts'

// node .build/bench/micro/translation.js
// What a translated request, answer and event cost in JavaScript, beside the same as a relay.

const codec = anthropic.codecs.chat!
const target: TargetContext = { model: 'claude-sonnet-4-5', settings: {}, stream: true, requestId: 'r', nowMs: 1e12 }

const request = (content: unknown): Buffer =>
  Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content }], max_tokens: 64, stream: true }))
const small = request('Return one short line with ten words about latency percentiles.')
const image = `data:image/png;base64,${'iVBORw0KGgoA'.repeat(87_382)}`
const large = request([{ type: 'image_url', image_url: { url: image } }])

const translate = (body: Buffer): Buffer => {
  const parsed = JSON.parse(body.toString()) as ChatRequest
  return Buffer.from(JSON.stringify(codec.encode!({ ...parsed, model: target.model }, target)))
}
const top = new TopLevel()
const relay = (body: Buffer): Uint8Array => {
  scanObject(body, 0, body.length, top)
  return spliceChat(body, 0, body.length, top, { model: target.model, includeUsage: true }) ?? body
}
console.log('a request')
measure('relayed', 100_000, () => relay(small))
measure('translated', 100_000, () => translate(small))
measure('relayed, 1 MB image', 100, () => relay(large))
measure('translated, 1 MB image', 100, () => translate(large))

const openaiAnswer = Buffer.from(
  '{"id":"chatcmpl-1","object":"chat.completion","created":1767225601,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"A gateway should cost nothing but the key check."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":10,"total_tokens":34}}',
)
const anthropicAnswer = Buffer.from(
  '{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"A gateway should cost nothing but the key check."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":24,"output_tokens":10}}',
)
console.log('an answer')
measure('relayed', 100_000, () => tapUsage(openaiAnswer))
measure('translated', 100_000, () => {
  const decoded = codec.decode(JSON.parse(anthropicAnswer.toString()), target)
  return 'body' in decoded ? JSON.stringify(decoded.body) : ''
})

const openaiEvent = Buffer.from(
  'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225601,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n',
)
const anthropicEvent = Buffer.from(
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}\n\n',
)
const opening = Buffer.from(
  'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":24,"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
)
let written = 0
const tap = new StreamTap({ withholdUsage: true, maxEventBytes: 1 << 20, forward: bytes => (written += bytes.length) })
const decoder = codec.events(target)
const parser = new SseParser({ maxBytes: 1 << 20 }, event => {
  const decoded = decoder.decode(event)
  if (decoded.kind === 'chunks') for (const chunk of decoded.chunks) written += JSON.stringify(chunk).length
})
parser.push(opening)
console.log('an event')
measure('relayed', 200_000, () => tap.push(openaiEvent))
measure('translated', 200_000, () => parser.push(anthropicEvent))
