import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCatalog } from '../../src/catalog/catalog.ts'
import { parseDocument } from '../../src/catalog/document.ts'
import { packCatalog } from '../../src/catalog/table.ts'
import { Failure } from '../../src/core/failures.ts'
import type { Json } from '../../src/core/json.ts'
import { chatRequest, PipelineUnderTest, targetData } from './harness.ts'

const models = [
  { id: 'gpt-4o', prices: { input_mtok: 2, output_mtok: 10, cache_read_mtok: 1 } },
  { id: 'dall-e-3', mode: 'image', images: [{ price: 0.04, size: '1024x1024' }] },
  { id: 'tts-1', mode: 'audio_speech', prices: { input_mchars: 15 } },
]
const memory = packCatalog(
  parseDocument({
    version: 1,
    providers: { openai: { sections: ['openai'] }, 'azure-openai': { sections: ['openai'], answerFirst: true } },
    sections: [{ id: 'openai', models }],
  } as unknown as Json),
)
const under = (more: Parameters<typeof targetData>[1] = {}) =>
  new PipelineUnderTest({ targets: [targetData('one', more)] }, { catalogOf: () => openCatalog(memory) })

const usage = {
  prompt_tokens: 1000,
  completion_tokens: 100,
  total_tokens: 1100,
  prompt_tokens_details: { cached_tokens: 400 },
}
const completion = (model: string, used: object | undefined = usage) =>
  JSON.stringify({
    id: 'c',
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }],
    usage: used,
  })
/** 600 × 2 + 400 × 1 + 100 × 10 USD a million, in nano-dollars. */
const expected = 2_600_000

test('an answer costs what its tokens cost, those of each class at its own price', () => {
  const pipeline = under()
  pipeline.onSend = call => call.answer(200, completion('gpt-4o-2024-08-06'))
  pipeline.ask(chatRequest())
  assert.equal(pipeline.records[0].costNanoUsd, expected)
})

test('a stream costs what it said last, also when its client left before it was over', () => {
  for (const leaves of [false, true]) {
    const pipeline = under()
    const incoming = pipeline.ask(chatRequest({ stream: true }))
    const [call] = pipeline.calls
    call.beginStream('data: {"id":"c","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n')
    call.data(`data: {"id":"c","model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`)
    call.data(`data: {"id":"c","model":"gpt-4o","choices":[],"usage":${JSON.stringify(usage)}}\n\n`)
    if (leaves) incoming.listener.onCancel()
    else {
      call.data('data: [DONE]\n\n')
      call.handler.onEnd()
    }
    assert.equal(pipeline.records[0].costNanoUsd, expected, leaves ? 'left' : 'read to its end')
  }
})

test('a model without a price costs an unknown amount, a request that failed nothing', () => {
  const pipeline = under()
  pipeline.onSend = call => call.answer(200, completion('somebody'))
  pipeline.ask(chatRequest({ model: 'nobody-knows' }))
  assert.equal(pipeline.records[0].costNanoUsd, -1)
  pipeline.onSend = call => call.answer(400, '{"error":{"message":"no"}}')
  pipeline.ask(chatRequest())
  assert.equal(pipeline.records[1].costNanoUsd, 0)
})

test('what was accepted and then broke off or was left, without a word of its usage, costs an unknown amount', () => {
  const first = 'data: {"id":"c","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
  for (const end of ['cut', 'left', 'refused']) {
    const pipeline = under()
    const incoming = pipeline.ask(chatRequest({ stream: true }))
    const [call] = pipeline.calls
    if (end === 'refused') call.answer(503, '{"error":{"message":"no"}}')
    else call.beginStream(first)
    if (end === 'cut') call.handler.onEnd()
    if (end === 'left') incoming.listener.onCancel()
    assert.equal(pipeline.records[0].costNanoUsd, end === 'refused' ? 0 : -1, end)
  }
})

test('the status of an attempt is not taken for that of the next', () => {
  const pipeline = new PipelineUnderTest(
    { targets: [targetData('one'), targetData('two')], strategy: { mode: 'fallback' } } as never,
    { catalogOf: () => openCatalog(memory) },
  )
  pipeline.ask(chatRequest())
  pipeline.calls[0].answer(500, '{"error":{"message":"no"}}')
  pipeline.calls[1].handler.onFailure(new Failure('upstream_unreachable', { cause: 'ECONNREFUSED' }))
  assert.deepEqual([pipeline.records[0].upstreamStatus, pipeline.records[0].costNanoUsd], [0, 0])
})

test('behind the name of a deployment the price is that of the model which answered', () => {
  const settings = { apiKey: 'k', baseUrl: 'http://one.test', deployment: 'ours', apiVersion: 'v', scope: '', auth: '' }
  for (const stream of [false, true]) {
    const pipeline = under({ provider: 'azure-openai', settings })
    pipeline.ask(chatRequest({ model: 'ours', stream }))
    const [call] = pipeline.calls
    if (stream) {
      const said = (rest: string) => `data: {"id":"c","model":"gpt-4o-2024-08-06",${rest}}\n\n`
      call.beginStream(said('"choices":[{"index":0,"delta":{"content":"x"}}]'))
      call.data(said('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'))
      call.data(`${said(`"choices":[],"usage":${JSON.stringify(usage)}`)}data: [DONE]\n\n`)
      call.handler.onEnd()
    } else call.answer(200, completion('gpt-4o-2024-08-06'))
    assert.equal(pipeline.records[0].costNanoUsd, expected)
  }
})

test('a long answer that goes through as it comes says its model at the beginning', () => {
  const settings = { apiKey: 'k', baseUrl: 'http://one.test', deployment: 'ours', apiVersion: 'v', scope: '', auth: '' }
  const pipeline = under({ provider: 'azure-openai', settings })
  pipeline.ask(chatRequest({ model: 'ours' }))
  const [call] = pipeline.calls
  const body = completion('gpt-4o-2024-08-06').replace('"x"', JSON.stringify('x'.repeat(100_000)))
  call.handler.onSent()
  call.head(200)
  for (let at = 0; at < body.length; at += 16_384) call.data(body.slice(at, at + 16_384))
  call.handler.onEnd()
  assert.equal(pipeline.records[0].costNanoUsd, expected)
})

test('what is charged by the piece is counted from the request', () => {
  const pipeline = under()
  pipeline.onSend = call => call.answer(200, '{"created":1,"data":[{"url":"http://x"},{"url":"http://y"}]}')
  const picture = { model: 'dall-e-3', prompt: 'a kite', n: 2, size: '1024x1024' }
  pipeline.askAt('/v1/images/generations', JSON.stringify(picture))
  assert.equal(pipeline.records[0].costNanoUsd, 80_000_000)
  pipeline.onSend = call => call.answer(200, 'ID3', { 'content-type': 'audio/mpeg' })
  pipeline.askAt('/v1/audio/speech', JSON.stringify({ model: 'tts-1', input: 'Hi 🪁', voice: 'alloy' }))
  assert.equal(pipeline.records[1].costNanoUsd, 4 * 15_000)
})
