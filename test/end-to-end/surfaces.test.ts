import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { type TestContext, test } from 'node:test'
import { writeForm } from '../../src/core/form.ts'
import { type Config, type Gateway, masterKey, startGateway, variants } from '../support/gateway.ts'
import { requestOf } from '../support/mock-openai.ts'
import { answerAllSurfaces, soundBytes, vector } from '../support/mock-surfaces.ts'

/** The endpoints besides the chat through a whole gateway, asked by OpenAI's own client. */

type Asked = (body: object, options?: object) => Promise<never>
/** The part of OpenAI's SDK that is used here: it is a client like any other, and may be absent. */
interface Client {
  readonly embeddings: { create: Asked }
  readonly images: { generate: Asked; edit: Asked; createVariation: Asked }
  readonly audio: { transcriptions: { create: Asked }; translations: { create: Asked }; speech: { create: Asked } }
  readonly moderations: { create: Asked }
  readonly completions: { create: Asked }
}
interface Sdk {
  readonly OpenAI: new (options: { baseURL: string; apiKey: string; maxRetries: number }) => Client
  toFile(bytes: Uint8Array, name: string, options: { type: string }): Promise<object>
}

const sdk = load()
const options = { skip: sdk === null && 'the package openai is not installed' }

function load(): Sdk | null {
  try {
    return createRequire(import.meta.url)('openai') as Sdk
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null
    throw error
  }
}

const sound = () => sdk!.toFile(soundBytes, 'größe "1".wav', { type: 'audio/wav' })
const picture = (name = 'kite.png') => sdk!.toFile(Buffer.from('a picture'), name, { type: 'image/png' })
const messageOf = (error: unknown): unknown => (error as { error: { message: string } }).error.message

async function all(stream: AsyncIterable<Record<string, unknown>>): Promise<Record<string, unknown>[]> {
  const events: Record<string, unknown>[] = []
  for await (const event of stream) events.push(event)
  return events
}

for (const variant of variants) {
  const start = async (t: TestContext, config: Config = {}) => {
    const gateway = await startGateway(t, { ...variant, config })
    gateway.upstream.answer = answerAllSurfaces
    const openai = sdk && new sdk.OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: masterKey, maxRetries: 0 })
    return { gateway, openai: openai! }
  }
  const lastSent = ({ upstream }: Gateway) => requestOf(upstream.requests.at(-1)!)

  test(`${variant.name}: vectors are the right numbers, as the SDK asks for them and as floats`, options, async t => {
    const { gateway, openai } = await start(t)
    const model = 'text-embedding-3-small'
    const near = (numbers: readonly number[], expected: readonly number[]): void => {
      assert.equal(numbers.length, expected.length)
      for (const [i, number] of numbers.entries()) assert.ok(Math.abs(number - expected[i]) < 1e-6, `${numbers}`)
    }
    interface Vectors {
      readonly data: readonly { readonly index: number; readonly embedding: readonly number[] }[]
      readonly usage: { readonly total_tokens: number }
    }
    const unsaid: Vectors = await openai.embeddings.create({ model, input: ['a', 'b'] })
    assert.equal(lastSent(gateway).encoding_format, 'base64', 'the SDK’s own default')
    assert.deepEqual(
      unsaid.data.map(({ index }) => index),
      [0, 1],
    )
    for (const [i, { embedding }] of unsaid.data.entries()) near(embedding, [...vector, i])
    assert.equal(unsaid.usage.total_tokens, 2)
    const floats: Vectors = await openai.embeddings.create({ model, input: [1, 2, 3], encoding_format: 'float' })
    near(floats.data[0].embedding, [...vector, 0])
    await assert.rejects(openai.embeddings.create({ model, input: 'a', encoding_format: 'hex' }), /encoding_format/)
    assert.equal(await gateway.metric('gateway_tokens_input_total', { provider: 'openai' }), 4)
  })

  test(`${variant.name}: pictures are made, edited and varied`, options, async t => {
    const { gateway, openai } = await start(t)
    interface Pictures {
      readonly data: readonly object[]
    }
    const made: Pictures = await openai.images.generate({
      model: 'dall-e-3',
      prompt: 'a kite',
      n: 2,
      response_format: 'url',
    })
    assert.deepEqual(made.data, Array(2).fill({ url: 'https://img.example/1.png' }))
    const inBase64: Pictures = await openai.images.generate({
      model: 'gpt-image-1',
      prompt: 'x',
      response_format: 'b64_json',
    })
    assert.deepEqual(
      inBase64.data,
      [{ b64_json: 'iVBORw0KGgo=' }],
      'the parameter that these models refuse is left out',
    )
    await assert.rejects(
      openai.images.generate({ model: 'gpt-image-1', prompt: 'x', response_format: 'url' }),
      /unsupported_parameter|b64_json/,
    )
    const stream: AsyncIterable<Record<string, unknown>> = await openai.images.generate({
      model: 'gpt-image-1',
      prompt: 'x',
      stream: true,
      partial_images: 1,
    })
    assert.deepEqual(
      (await all(stream)).map(({ type }) => type),
      ['image_generation.partial_image', 'image_generation.completed'],
    )
    const unnamed: Pictures = await openai.images.generate({ prompt: 'x' })
    assert.equal(unnamed.data.length, 1)
    const edited: Pictures = await openai.images.edit({
      model: 'dall-e-2',
      image: [await picture('a.png'), await picture('b "c".png')],
      prompt: 'a hat',
    })
    assert.deepEqual(edited.data, [{ url: 'https://img.example/a.png' }, { url: 'https://img.example/b "c".png' }])
    const varied: Pictures = await openai.images.createVariation({ image: await picture(), n: 1 })
    assert.deepEqual(varied.data, [{ url: 'https://img.example/kite.png' }])
    assert.equal(gateway.upstream.requests.length, 6)
  })

  test(`${variant.name}: speech is heard in every format, and as a stream`, options, async t => {
    const { openai } = await start(t)
    const { create } = openai.audio.transcriptions
    const hear = async (more: object): Promise<unknown> =>
      create.call(openai.audio.transcriptions, { model: 'whisper-1', file: await sound(), ...more })
    assert.equal(((await hear({})) as { text: string }).text, 'Hello there')
    assert.equal(await hear({ response_format: 'text' }), 'Hello there\n')
    assert.equal(await hear({ response_format: 'srt' }), '1\n00:00:00,000 --> 00:00:01,500\nHello there\n\n')
    assert.match(String(await hear({ response_format: 'vtt' })), /^WEBVTT\n/)
    const verbose = (await hear({ response_format: 'verbose_json' })) as { segments: object[] }
    assert.equal(verbose.segments.length, 1)
    const model = 'gpt-4o-transcribe-diarize'
    const said = (await hear({ response_format: 'diarized_json', model })) as { segments: { speaker: string }[] }
    assert.equal(said.segments[0].speaker, 'A')
    const stream = (await hear({ model: 'gpt-4o-transcribe', stream: true })) as AsyncIterable<Record<string, unknown>>
    assert.deepEqual(
      (await all(stream)).map(({ type, delta }) => delta ?? type),
      ['Hello ', 'there', 'transcript.text.done'],
    )
    const translated: { text: string } = await openai.audio.translations.create({
      model: 'whisper-1',
      file: await sound(),
    })
    assert.equal(translated.text, 'Hello there')
    await assert.rejects(hear({ response_format: 'haiku' }), error => String(messageOf(error)).includes('haiku'))
  })

  test(`${variant.name}: text becomes sound, to the byte`, options, async t => {
    const { openai } = await start(t)
    const ask = { model: 'tts-1', input: 'Hi', voice: 'alloy' }
    const response: Response = await openai.audio.speech.create(ask)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), soundBytes)
    assert.equal(response.headers.get('content-type'), 'audio/mpeg')
    assert.equal(response.headers.get('x-gateway-provider'), 'openai')
    const wav: Response = await openai.audio.speech.create({ ...ask, response_format: 'wav' })
    assert.equal(wav.headers.get('content-type'), 'audio/wav')
    await wav.arrayBuffer()
    const events: Response = await openai.audio.speech.create({ ...ask, stream_format: 'sse' })
    assert.match(await events.text(), /speech\.audio\.delta.*speech\.audio\.done/s)
    await assert.rejects(openai.audio.speech.create({ ...ask, input: 'x'.repeat(4097) }), /4096/)
  })

  test(`${variant.name}: moderation and raw completions`, options, async t => {
    const { gateway, openai } = await start(t)
    const verdict: { results: { flagged: boolean }[] } = await openai.moderations.create({
      input: ['a hug', 'an attack'],
    })
    assert.deepEqual(
      verdict.results.map(({ flagged }) => flagged),
      [false, true],
    )

    const model = 'gpt-3.5-turbo-instruct'
    const batch: { choices: { text: string }[] } = await openai.completions.create({ model, prompt: ['a', 'b'] })
    assert.deepEqual(
      batch.choices.map(({ text }) => text),
      ['a!', 'b!'],
    )
    const ask = { model, prompt: 'a', stream: true, stream_options: { include_usage: true } }
    const stream: AsyncIterable<Record<string, unknown>> = await openai.completions.create(ask)
    const chunks = await all(stream)
    assert.deepEqual(
      chunks.map(({ choices }) => (choices as { text: string }[])[0]?.text),
      ['one', ' two', undefined],
    )
    assert.deepEqual(chunks.at(-1)?.usage, { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 })
    assert.equal(gateway.upstream.requests.length, 3)
  })

  test(`${variant.name}: uploads may be longer than other bodies, up to their own limit`, async t => {
    const { gateway } = await start(t, { max_request_bytes: 1 << 20 })
    const form = (size: number) => {
      const file = { name: 'file', filename: 'a.wav', contentType: 'audio/wav', bytes: Buffer.alloc(size, 7) }
      const model = { name: 'model', filename: null, contentType: '', bytes: Buffer.from('whisper-1') }
      return writeForm([file, model], 'x')
    }
    const send = (path: string, { contentType, bytes }: ReturnType<typeof form>) =>
      gateway.fetch(path, { method: 'POST', headers: { 'content-type': contentType }, body: bytes })
    gateway.upstream.answer = (request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ text: `${request.body.length} bytes` }))
    }
    const upload = form(5 << 20)
    const heard = await send('/v1/audio/transcriptions', upload)
    assert.deepEqual([heard.status, heard.json], [200, { text: `${upload.bytes.length} bytes` }])
    assert.ok(gateway.upstream.requests[0].body.equals(upload.bytes))
    const tooLong = await send('/v1/audio/transcriptions', form((26 << 20) + 1))
    assert.deepEqual([tooLong.status, tooLong.error.code], [413, 'request_too_large'])
    const elsewhere = await send('/v1/embeddings', upload)
    assert.deepEqual([elsewhere.status, elsewhere.error.code], [413, 'request_too_large'])
    assert.equal(gateway.upstream.requests.length, 1)
  })
}

test('one server behind `openai-compatible` has every surface', async t => {
  const gateway = await startGateway(t)
  gateway.upstream.answer = answerAllSurfaces
  await gateway.reload({
    targets: [{ virtual_key: 'openai-compatible', base_url: gateway.upstream.url }],
  })
  const post = (path: string, body: object) =>
    gateway.fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const ranked = await post('/v1/rerank', {
    model: 'm',
    query: 'q',
    documents: ['short', { text: 'the longest of all' }, 'longer'],
    top_n: 2,
    return_documents: true,
  })
  assert.deepEqual(ranked.json.results, [
    { index: 1, relevance_score: 0.18, document: { text: 'the longest of all' } },
    { index: 2, relevance_score: 0.06, document: { text: 'longer' } },
  ])
  const none = await post('/v1/rerank', { model: 'm', query: 'q', documents: ['a'], top_n: 0 })
  assert.deepEqual(none.json.results, [])
  const negative = await post('/v1/rerank', { model: 'm', query: 'q', documents: ['a'], top_n: -1 })
  assert.deepEqual([negative.status, negative.error.param], [400, 'top_n'])
  const vectors = await post('/v1/embeddings', { model: 'm', input: 'a', encoding_format: 'base64' })
  assert.equal(typeof (vectors.json.data as { embedding: unknown }[])[0].embedding, 'string')
  const text = await post('/v1/completions', { model: 'my-instruct', prompt: ['a', 'b'] })
  assert.deepEqual(
    (text.json.choices as { text: string }[]).map(choice => choice.text),
    ['a!', 'b!'],
  )
  const unnamed = await post('/v1/moderations', { input: 'a hug' })
  assert.deepEqual([unnamed.status, unnamed.error.code], [404, 'model_not_found'])
})
