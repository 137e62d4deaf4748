import { forwardedHeaders } from '../../src/core/incoming.ts'
import type { RequestHead } from '../../src/downstream/engine.ts'
import { encodeRequestMeta, RequestMeta } from '../../src/link/request-meta.ts'
import { measure } from './measure.ts'

// A request's head on its way over a ring. Run from the build: node .build/bench/micro/request-meta.js
const sent: Readonly<Record<string, string>> = {
  authorization: 'Bearer fgw_4f1c0a5de6b79e2233aa5566778899001122334455667788',
  'content-type': 'application/json',
  'user-agent': 'openai-python/1.99.1',
  accept: 'application/json',
}
const head = {
  method: 'POST',
  target: '/v1/chat/completions',
  forwarded: forwardedHeaders.map(name => sent[name] ?? ''),
} as unknown as RequestHead

const text = encodeRequestMeta(head, '203.0.113.195')
console.log(`${text.length} characters`)
measure('encode', 1_000_000, () => encodeRequestMeta(head, '203.0.113.195'))
measure('read', 1_000_000, () => new RequestMeta(text))
measure('read, and two of its headers', 1_000_000, () => {
  const meta = new RequestMeta(text)
  return meta.header('authorization').length + meta.header('traceparent').length
})
