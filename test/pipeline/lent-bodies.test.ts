import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bufferPool } from '../../src/core/buffer-pool.ts'
import { chatRequest, FakeIncoming, PipelineUnderTest, targetData } from './harness.ts'

const completion = '{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'

/** A chat request of about 200 KB that says nothing but this letter. */
const requestOf = (letter: string): string =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: letter.repeat(200_000) }] })

class Upload {
  readonly incoming = new FakeIncoming('POST', '/v1/chat/completions', {})
  readonly #body: Buffer
  #sent = 0

  constructor(pipeline: PipelineUnderTest, body: string) {
    this.#body = Buffer.from(body)
    this.incoming.expectedBytes = this.#body.length
    this.incoming.listener = pipeline.pipeline.accept(this.incoming)
  }

  send(bytes: number): void {
    const piece = Buffer.from(this.#body.subarray(this.#sent, this.#sent + bytes))
    this.#sent += piece.length
    this.incoming.listener.onBody(piece, this.#sent === this.#body.length)
    piece.fill(0)
  }

  /** All of it, or what is left. */
  finish(): this {
    while (this.#sent < this.#body.length) this.send(40_000)
    return this
  }
}

/** Whatever memory is free now gets other contents. */
function overwriteFreeMemory(): void {
  const taken: Buffer[] = []
  while (bufferPool.freeBytes > 0)
    for (let bytes = 4096; bytes <= 1 << 20; bytes += 1024) {
      const before = bufferPool.freeBytes
      const buffer = bufferPool.take(bytes)
      if (bufferPool.freeBytes < before) taken.push(buffer)
    }
  for (const buffer of taken) {
    buffer.fill('!')
    bufferPool.giveBack(buffer)
  }
}

test('uploads that come in turns reach their upstreams each as it was', () => {
  const pipeline = new PipelineUnderTest({ aliases: { 'gpt-4o': 'gpt-4o-mini' } })
  const letters = ['a', 'b', 'c', 'd', 'e', 'f']
  for (let round = 0; round < 3; round++) {
    const uploads = letters.map(letter => new Upload(pipeline, requestOf(letter)))
    for (let piece = 0; piece < 4; piece++) for (const upload of uploads) upload.send(30_000 + piece)
    for (const upload of uploads) upload.finish()
  }
  assert.equal(pipeline.calls.length, 18)
  for (const [i, { body }] of pipeline.calls.entries())
    assert.ok(body.equals(Buffer.from(requestOf(letters[i % 6]!).replace('gpt-4o', 'gpt-4o-mini'))), `call ${i}`)
})

test('an upload that is cancelled or refused halfway leaves its memory to others, and they are not mixed up', () => {
  const pipeline = new PipelineUnderTest()
  const left = new Upload(pipeline, requestOf('x'))
  left.send(90_000)
  left.incoming.listener.onCancel()
  assert.ok(bufferPool.freeBytes > 0)
  const next = new Upload(pipeline, requestOf('y')).finish()
  assert.equal(next.incoming.ends.length, 0, next.incoming.body)
  assert.ok(pipeline.calls[0]!.body.equals(Buffer.from(requestOf('y'))))
})

test('a retry and a fallback send the same bytes, whatever came meanwhile', async () => {
  const retry = { attempts: 2, onStatusCodes: [], initialBackoffMs: 1 }
  const pipeline = new PipelineUnderTest({ targets: [targetData('one', { retry }), targetData('two')] })
  const { incoming } = new Upload(pipeline, requestOf('r')).finish()
  for (const letter of ['s', 't']) new Upload(pipeline, requestOf(letter)).finish()
  overwriteFreeMemory()
  pipeline.calls[0]!.answer(503, '{"error":{"message":"busy"}}')
  while (pipeline.calls.length < 4) await new Promise(setImmediate)
  overwriteFreeMemory()
  pipeline.calls[3]!.answer(503, '{"error":{"message":"busy"}}')
  while (pipeline.calls.length < 5) await new Promise(setImmediate)
  pipeline.calls[4]!.answer(200, completion)
  assert.equal(incoming.status, 200)
  assert.deepEqual(
    [0, 3, 4].map(i => [pipeline.calls[i]!.origin, pipeline.calls[i]!.body.equals(Buffer.from(requestOf('r')))]),
    [
      ['http://one.test', true],
      ['http://one.test', true],
      ['http://two.test', true],
    ],
  )
})

test('a body whose credential has to be fetched first is sent as it was, whatever came meanwhile', async () => {
  const settings = { baseUrl: 'https://dbc.test/serving-endpoints', clientId: 'id', clientSecret: 'secret' }
  const pipeline = new PipelineUnderTest({ targets: [targetData('dbx', { provider: 'databricks', settings })] })
  const body = requestOf('q')
  new Upload(pipeline, body).finish()
  overwriteFreeMemory()
  while (pipeline.calls.length < 1) await new Promise(setImmediate)
  pipeline.calls[0]!.answer(200, '{"access_token":"t","expires_in":3600,"token_type":"Bearer"}')
  while (pipeline.calls.length < 2) await new Promise(setImmediate)
  assert.ok(pipeline.calls[1]!.body.equals(Buffer.from(body)))
})

test('an answer that comes in pieces goes out as it came, whatever memory it was held in', () => {
  const pipeline = new PipelineUnderTest()
  for (const [letter, length] of [
    ['k', 1000],
    ['l', 60_000],
    ['m', 300_000],
  ] as const) {
    const incoming = pipeline.ask(chatRequest())
    const call = pipeline.calls.at(-1)!
    const answer = `${completion.slice(0, -1)},"pad":"${letter.repeat(length)}"}`
    call.handler.onSent()
    call.handler.onHead(200, { get: () => '', contentLength: answer.length }, null)
    for (let at = 0; at < answer.length; at += 25_000) {
      const piece = Buffer.from(answer.slice(at, at + 25_000))
      call.handler.onData(piece)
      piece.fill(0)
      overwriteFreeMemory()
    }
    call.handler.onEnd()
    assert.equal(incoming.body, answer)
  }
})
