import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../src/core/failures.ts'
import { chatRequest, FakeIncoming, PipelineUnderTest, targetData } from './harness.ts'

const body = Buffer.from(chatRequest())
const completion = '{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'

/** Sends the body in two pieces; without the last one when it is only begun. */
function upload(pipeline: PipelineUnderTest, isWhole = true): FakeIncoming {
  const incoming = new FakeIncoming('POST', '/v1/chat/completions', {})
  incoming.listener = pipeline.pipeline.accept(incoming)
  incoming.listener.onBody(body.subarray(0, 20), false)
  if (isWhole) incoming.listener.onBody(body.subarray(20), true)
  return incoming
}

test('bodies that come in pieces share one budget, which each gives back however it ends', () => {
  const pipeline = new PipelineUnderTest({}, { heldBytesBudget: body.length + 30 })
  const { held } = pipeline.pipeline
  const ends: Record<string, (incoming: FakeIncoming) => void> = {
    answered: () => pipeline.calls.at(-1)!.answer(200, completion),
    'refused by its upstream': () => pipeline.calls.at(-1)!.answer(400, '{"error":{"message":"no"}}'),
    'cut by its upstream': () => pipeline.calls.at(-1)!.handler.onFailure(new Failure('upstream_error')),
    'left by its client': incoming => incoming.listener.onCancel(),
  }
  for (const [name, end] of Object.entries(ends)) {
    const incoming = upload(pipeline)
    assert.equal(held.held, body.length, name)
    const begun = upload(pipeline, false)
    const tooMuch = upload(pipeline, false)
    assert.equal(tooMuch.status, 503, name)
    assert.match(tooMuch.body, /holds as many request bodies as its memory allows/)
    assert.match(tooMuch.headers, /retry-after: 1\r\n/i)
    begun.listener.onCancel()
    end(incoming)
    assert.equal(held.held, 0, name)
  }
  assert.equal(upload(pipeline).status, 0, 'there is room again')
})

test('a body that the system has and that is not needed again is not counted any more', () => {
  for (const attempts of [1, 2]) {
    const retry = { attempts, initialBackoffMs: 1, onStatusCodes: [] }
    const pipeline = new PipelineUnderTest({ targets: [targetData('one', { retry })] }, { heldBytesBudget: 1 << 20 })
    upload(pipeline)
    const [{ handler }] = pipeline.calls
    handler.onSent()
    assert.equal(pipeline.pipeline.held.held, body.length, 'a slow upstream has yet to take it')
    handler.onWritten!()
    assert.equal(pipeline.pipeline.held.held, attempts === 1 ? 0 : body.length)
  }
})

test('a body that no budget could hold is too large, and one that came whole is not held at all', () => {
  const pipeline = new PipelineUnderTest({}, { heldBytesBudget: 30 })
  assert.equal(upload(pipeline).status, 413)
  assert.equal(pipeline.pipeline.held.held, 0)
  pipeline.onSend = call => call.answer(200, completion)
  assert.equal(pipeline.ask(chatRequest()).status, 200)
})
