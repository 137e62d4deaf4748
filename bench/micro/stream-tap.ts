import { StreamTap, tapUsage } from '../../src/core/stream-tap.ts'
import { measure } from './measure.ts'

// node .build/bench/micro/stream-tap.js

const event = (content: string): string =>
  `data: {"id":"chatcmpl-A2b3C4d5E6f7G8h9","object":"chat.completion.chunk","created":1767225601,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0ab1","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcdef"}\n\n`

const fresh = (): StreamTap => {
  const tap = new StreamTap({ withholdUsage: true, maxEventBytes: 1 << 20, forward: () => {} })
  tap.push(Buffer.from(event('first')))
  return tap
}

const one = Buffer.from(event(' word'))
const batch = Buffer.from(event(' word').repeat(200))
const tap = fresh()
console.log(`event of ${one.length} bytes`)
measure('StreamTap, one event per chunk', 500_000, () => tap.push(one))
measure('StreamTap, 200 events per chunk', 5000, () => tap.push(batch))
const halves = [one.subarray(0, 150), one.subarray(150)]
measure('StreamTap, one event in two chunks', 200_000, () => {
  tap.push(halves[0])
  tap.push(halves[1])
})
const needles = ['"usage"', '"error"', '"finish_reason"', '[DONE]'].map(text => Buffer.from(text))
measure('four native indexOf (for comparison)', 200_000, () => {
  let sum = 0
  for (const needle of needles) sum += one.indexOf(needle)
  return sum
})
measure('JSON.parse of the event (for comparison)', 200_000, () => JSON.parse(one.toString('utf8', 6)))
measure('a whole stream: tap, role, 1 word, finish', 50_000, fresh)

const answer = Buffer.from(
  `{"id":"chatcmpl-A1","object":"chat.completion","created":1767225600,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"${'word '.repeat(60)}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":71,"completion_tokens":16,"total_tokens":87,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}`,
)
console.log(`answer of ${answer.length} bytes`)
measure('tapUsage', 200_000, () => tapUsage(answer))
measure('JSON.parse (for comparison)', 200_000, () => JSON.parse(answer.toString('utf8')))
