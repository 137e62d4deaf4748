import assert from 'node:assert/strict'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { openCatalog } from '../../src/catalog/catalog.ts'
import { parseDocument } from '../../src/catalog/document.ts'
import { packCatalog } from '../../src/catalog/table.ts'
import { noUsage } from '../../src/core/chat.ts'
import type { Json } from '../../src/core/json.ts'
import { again, type Codec, type Provider, RawBody } from '../../src/core/provider.ts'
import { closing, done, opening, piece } from '../support/mock-openai.ts'
import { turn } from '../support/raw-upstream.ts'
import { chatRequest, FakeIncoming, PipelineUnderTest, targetData } from './harness.ts'

/** What must hold whatever a client, an upstream or a codec comes up with. */

/** A body in two pieces: the pipeline owns it, and takes it as it is for each attempt. */
function askInPieces(pipeline: PipelineUnderTest, body: string): FakeIncoming {
  const incoming = new FakeIncoming('POST', '/v1/chat/completions', {})
  incoming.listener = pipeline.pipeline.accept(incoming)
  incoming.listener.onBody(Buffer.from(body.slice(0, 9)), false)
  incoming.listener.onBody(Buffer.from(body.slice(9)), true)
  return incoming
}

test('requests that are tried again in turns keep their own bytes', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pipeline = new PipelineUnderTest({
    targets: [targetData('one', { retry: { attempts: 3, onStatusCodes: [], initialBackoffMs: 10 } })],
    aliases: { short: 'gpt-4o' },
  })
  const message = (content: string) => [{ role: 'user', content }]
  askInPieces(pipeline, JSON.stringify({ messages: message('the first, and a long one'), model: 'short' }))
  askInPieces(pipeline, JSON.stringify({ model: 'short', messages: message('second') }))
  for (const call of [...pipeline.calls]) {
    call.answer(503, '{}')
    t.mock.timers.tick(1000)
  }
  const [first, second, ...repeated] = pipeline.calls.map(({ body }) => body.toString())
  assert.deepEqual(repeated, [first, second])
  assert.equal(JSON.parse(second).model, 'gpt-4o')
})

const memory = packCatalog(
  parseDocument({
    version: 1,
    sections: [
      {
        id: 'openai',
        models: [
          { id: 'gpt-4o', prices: { input_mtok: 2, output_mtok: 10 } },
          { id: 'dall-e-3', mode: 'image', images: [{ price: 0.04 }] },
          { id: 'whisper-1', mode: 'audio_transcription', prices: { input_audio_hours: 1 } },
        ],
      },
    ],
  } as unknown as Json),
)
const priced = () => new PipelineUnderTest({}, { catalogOf: () => openCatalog(memory) })

test('numbers that no exchange can have used up cost nothing, and break nothing', () => {
  for (const leaves of [true, false]) {
    const pipeline = priced()
    const incoming = pipeline.ask(chatRequest({ stream: true }))
    const usage = { prompt_tokens: 1e308, completion_tokens: 1e308, total_tokens: 1e308 }
    pipeline.calls[0].beginStream(opening + piece('Hi') + closing)
    pipeline.calls[0].data(`data: ${JSON.stringify({ choices: [], usage })}\n\n`)
    if (leaves) incoming.listener.onCancel()
    else {
      pipeline.calls[0].data(done)
      pipeline.calls[0].handler.onEnd()
    }
    assert.equal(pipeline.records.length, 1)
    assert.equal(pipeline.records[0].tokensIn, 0)
  }
})

test('a number of pictures that is none is one', () => {
  for (const n of ['1e999', '-3', '1.5', '"Infinity"', '9007199254740993', '[7]']) {
    const pipeline = priced()
    pipeline.askAt('/v1/images/generations', `{"model":"dall-e-3","prompt":"a kite","n":${n}}`)
    pipeline.calls[0].answer(200, '{"created":1,"data":[{"url":"http://x.test/1"}]}')
    assert.equal(pipeline.records[0].costNanoUsd, 40_000_000, n)
  }
})

const broken = (): never => {
  throw new TypeError('not thought of')
}
const chat: Codec = {
  relay: null,
  framing: 'sse',
  path: () => '/chat',
  encode: request => request,
  decode: broken,
  events: broken,
  failure: broken,
}
const careless: Provider = {
  id: 'careless',
  settings: {},
  origin: () => 'https://careless.test',
  auth: () => ({ scheme: 'none' }),
  anyModel: true,
  codecs: { chat: chat as never },
}
const carelessly = (more: Partial<Provider> = {}) =>
  new PipelineUnderTest(
    { targets: [targetData('one', { provider: 'careless' })] },
    { providers: [{ ...careless, ...more }] },
  )

test('a codec that throws costs its own request only: at a stream’s beginning, at an error, at its root', () => {
  const streaming = carelessly()
  const streamed = streaming.ask(chatRequest({ stream: true }))
  streaming.calls[0].head(200, { 'content-type': 'text/event-stream' })
  assert.equal(streamed.status, 502)
  assert.equal(streaming.calls[0].cancels, 1)

  const failing = carelessly()
  const failed = failing.ask(chatRequest())
  failing.calls[0].answer(429, '{"error":{"message":"slow down"}}', {
    'content-type': 'application/json',
    'retry-after': '7',
  })
  assert.equal(failed.status, 429)
  assert.match(failed.headers, /^retry-after: 7\r$/im)

  const rootless = carelessly({ codecs: { chat: { ...chat, root: broken } as never } })
  assert.equal(rootless.ask(chatRequest()).status, 500)
})

test('a content type that a codec took from an answer can not write headers', () => {
  const speech: Codec = {
    ...chat,
    encode: request => request,
    decode: ({ type }) => ({ body: new RawBody(String(type), Buffer.from('sound')), usage: noUsage }),
  }
  const pipeline = carelessly({ codecs: { speech } })
  const incoming = pipeline.askAt('/v1/audio/speech', '{"model":"m","input":"Hi","voice":"v"}')
  pipeline.calls[0].answer(200, JSON.stringify({ type: 'audio/x\r\nset-cookie: a=b' }))
  assert.equal(incoming.body, 'sound')
  assert.ok(!incoming.headers.includes('set-cookie'))
})

test('an error inside of a 200 is what its code says, as in a stream', () => {
  for (const [code, status] of [
    [429, 429],
    ['"503"', 502],
    ['"odd"', 502],
  ] as const) {
    const pipeline = carelessly()
    const incoming = pipeline.ask(chatRequest())
    pipeline.calls[0].answer(200, `{"error":{"message":"slow down","code":${code}}}`)
    assert.equal(incoming.status, status)
  }
})

test('half a character is no name of a model', () => {
  for (const path of ['/v1/chat/completions', '/v1/embeddings']) {
    const body = JSON.stringify({ model: 'a\ud800', input: 'x', messages: [{ role: 'user', content: 'x' }] })
    const { status, body: said } = new PipelineUnderTest().askAt(path, body)
    assert.deepEqual([status, JSON.parse(said).error.param], [400, 'model'])
  }
})

test('model ids longer than any are refused, before anything remembers them', () => {
  const model = 'm'.repeat(513)
  const pipeline = new PipelineUnderTest()
  const asked = [
    pipeline.ask(chatRequest({ model })),
    pipeline.askAt('/v1/embeddings', JSON.stringify({ model, input: 'x' })),
    pipeline.askAt(
      '/v1/audio/transcriptions',
      `--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n${model}\r\n--b--\r\n`,
      { 'content-type': 'multipart/form-data; boundary=b' },
    ),
  ]
  for (const { status, body } of asked) {
    assert.equal(status, 400)
    assert.equal(JSON.parse(body).error.param, 'model')
  }
})

test('a long answer that ends where its connection does has to end as JSON does', () => {
  for (const [end, ends] of [
    ['"}]}\n', 'end'],
    ['', 'abort'],
  ] as const) {
    const pipeline = new PipelineUnderTest()
    const incoming = pipeline.askAt('/v1/embeddings', '{"model":"text-embedding-3-small","input":"x"}')
    const [call] = pipeline.calls
    call.handler.onSent()
    call.head(200)
    call.data(`{"object":"list","data":[{"embedding":"${'A'.repeat(100_000)}`)
    call.data(end)
    call.handler.onEnd()
    assert.deepEqual(incoming.ends, [ends])
  }
})

test('a job whose client leaves while it is being created is ended as soon as its place is known', async () => {
  const create: Codec = {
    ...chat,
    encode: request => request,
    decode: ({ state }) =>
      state === 'done' ? { body: { data: [] }, usage: noUsage } : again({ to: '/jobs/1', abandon: '/jobs/1/cancel' }),
    failure: () => ({ message: 'no' }),
    isJob: true,
  }
  const leave = (pipeline: PipelineUnderTest): void => {
    const incoming = pipeline.askAt('/v1/images/generations', '{"model":"m","prompt":"a kite"}')
    pipeline.calls[0].handler.onSent()
    incoming.listener.onCancel()
  }
  const under = carelessly({ codecs: { images: create } })
  leave(under)
  assert.equal(under.calls[0].cancels, 0)
  under.calls[0].answer(201, '{"state":"under way"}')
  await turn()
  assert.deepEqual(
    under.calls.map(({ method, path }) => `${method} ${path}`),
    ['POST /chat', 'POST /jobs/1/cancel'],
  )
  assert.equal(under.records.length, 1)
  // There is nothing to end where it failed, or was done already.
  for (const [status, body] of [
    [200, '{"state":"done"}'],
    [500, '{}'],
  ] as const) {
    const other = carelessly({ codecs: { images: create } })
    leave(other)
    other.calls[0].answer(status, body)
    await turn()
    assert.equal(other.calls.length, 1)
    assert.equal(other.records.length, 1)
  }
})

test('no more texts are embedded for one request than OpenAI embeds, however many calls a host takes for them', () => {
  for (const [count, status] of [
    [2048, 0],
    [2049, 400],
  ] as const) {
    const pipeline = new PipelineUnderTest({
      targets: [targetData('one', { provider: 'gemini', settings: { apiKey: 'k', baseUrl: 'https://gemini.test' } })],
    })
    const input = Array.from({ length: count }, () => 'x')
    const incoming = pipeline.askAt('/v1/embeddings', JSON.stringify({ model: 'gemini-embedding-001', input }))
    assert.equal(incoming.status, status)
  }
})

test('what a stream cost is asked for however long it took', t => {
  let nowMs = performance.now()
  t.mock.method(performance, 'now', () => nowMs)
  const piecewise: Codec = {
    ...chat,
    encode: request => request,
    events: () => ({
      decode: ({ data }) =>
        data === 'end'
          ? { kind: 'chunks', chunks: [{ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }] }
          : { kind: 'chunks', chunks: [{ choices: [{ index: 0, delta: { content: data } }] }] },
      last: () => again({ to: '/usage', decode: () => ({ body: {}, usage: { ...noUsage, prompt: 7 } }) }),
    }),
  }
  const pipeline = carelessly({ codecs: { chat: piecewise as never } })
  pipeline.ask(chatRequest({ stream: true }))
  pipeline.calls[0].beginStream('data: Hi\n\n')
  nowMs += 3_600_000
  pipeline.calls[0].data('data: end\n\n')
  pipeline.calls[0].handler.onEnd()
  pipeline.calls[1].answer(200, '{}')
  assert.equal(pipeline.records[0].tokensIn, 7)
})

test('names of deployments are the operator’s: the catalog gives none of its models to them', () => {
  const azure = providers.find(({ id }) => id === 'azure-openai')!
  const catalog = openCatalog(
    packCatalog(
      parseDocument({
        version: 1,
        providers: { 'azure-openai': { sections: ['openai'], answerFirst: true } },
        sections: [{ id: 'openai', models: [{ id: 'gpt-4o' }] }],
      } as unknown as Json),
    ),
  )
  const pipeline = new PipelineUnderTest(
    {
      targets: [
        targetData('azure', {
          provider: 'azure-openai',
          settings: {
            ...Object.fromEntries(Object.keys(azure.settings).map(name => [name, ''])),
            apiKey: 'k',
            baseUrl: 'https://azure.test',
            deployment: 'mine',
          },
          models: ['mine'],
        }),
        targetData('openai', { anyModel: false }),
      ],
    },
    { catalogOf: () => catalog },
  )
  pipeline.ask(chatRequest())
  assert.equal(pipeline.calls[0].origin, 'http://openai.test')
})
