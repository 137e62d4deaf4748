import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { samplesOf, toWav } from '../../providers/dialects/wav.ts'
import { byId } from '../../providers/index.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import { Again, type Codec, RawBody, type TargetContext, type Usage } from '../../src/core/provider.ts'

/** What Google serves besides chat, at both of its addresses. */

interface RequestCase {
  name: string
  settings: Record<string, string>
  target: { model: string; stream?: boolean; onUnsupportedParam?: TargetContext['onUnsupportedParam'] }
  client: JsonObject
  upstream?: { url: string; auth: JsonObject; headers: JsonObject; body: JsonObject }
  failure?: JsonObject
}
interface FailureCase {
  name: string
  status: number
  body: JsonObject | null
  error: JsonObject
}

type Surface = 'embeddings' | 'images' | 'speech'

function fixture<T>(provider: string, name: string): T {
  const url = new URL(`../../../test/fixtures/${provider}/speech/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

function codecOf(id: string, surface: Surface): Codec {
  const codec = byId(id)?.codecs[surface]
  assert.ok(codec !== undefined)
  return codec
}

const context = (model: string, request?: JsonObject): TargetContext => ({
  model,
  request,
  stream: false,
  settings: {},
  requestId: '0123456789abcdef0123456789abcdef',
  nowMs: 1_767_225_605_432,
})

function* spoilt(value: Json): Generator<Json> {
  for (const odd of [null, true, -1, '', 'x', [], [null], {}]) yield odd
  if (Array.isArray(value))
    for (let i = 0; i < value.length; i++) for (const item of spoilt(value[i])) yield value.toSpliced(i, 1, item)
  else if (isObject(value))
    for (const key of Object.keys(value)) for (const item of spoilt(value[key] ?? null)) yield { ...value, [key]: item }
}

for (const id of ['gemini', 'vertex-ai']) {
  const codec = codecOf(id, 'speech')
  const provider = byId(id)
  assert.ok(provider !== undefined)

  test(`${id} speech: requests go out as recorded, and what can’t is refused by name`, () => {
    for (const { name, settings, target, client, upstream, failure } of fixture<RequestCase[]>(id, 'requests')) {
      const before = structuredClone(client)
      const own = { ...context(target.model, client), settings, ...target }
      const encoded = codec.encode?.(client, own)
      assert.deepEqual(client, before, name)
      if (failure !== undefined) {
        assert.ok(encoded instanceof Failure, name)
        assert.deepEqual({ kind: encoded.kind, ...encoded.details }, failure, name)
        continue
      }
      assert.deepEqual(encoded, upstream?.body, name)
      assert.equal(provider.origin(settings) + codec.path(own), upstream?.url, name)
      assert.deepEqual(provider.auth(settings), upstream?.auth, name)
      assert.ok(codec.serves?.(target.model) ?? true, name)
    }
  })

  test(`${id} speech: every failure is read as recorded`, () => {
    for (const { name, status, body, error } of fixture<FailureCase[]>(id, 'failures'))
      assert.deepEqual(codec.failure(status, body), error, name)
  })

  test(`${id} speech: no request and no answer can make the codec throw`, () => {
    for (const { target, client } of fixture<RequestCase[]>(id, 'requests'))
      for (const request of spoilt(client)) {
        if (!isObject(request)) continue
        const encoded = codec.encode?.(request, { ...context(target.model, request), ...target })
        assert.ok(encoded instanceof Failure || isObject(encoded))
      }
    for (const body of spoilt(spoken('audio/L16;codec=pcm;rate=24000', [1, 2])))
      if (isObject(body)) codec.decode(body, context('m-tts', {}))
  })
}

test('a model is asked on the surface that it is made for, and on no other', () => {
  for (const id of ['gemini', 'vertex-ai']) {
    const takers = (model: string) =>
      (['embeddings', 'images', 'speech'] as const).filter(surface => codecOf(id, surface).serves?.(model) ?? true)
    assert.deepEqual(takers('gemini-embedding-001'), ['embeddings'])
    assert.deepEqual(takers('imagen-4.0-generate-001'), ['images'])
    assert.deepEqual(takers('gemini-2.5-flash-image'), ['images'])
    assert.deepEqual(takers('gemini-2.5-flash-preview-tts'), ['speech'])
    assert.deepEqual(takers('gemini-2.5-flash'), [])
  }
})

/** The next round trip of an answer that is not the last. */
function follow(read: ReturnType<Codec['decode']>, body: JsonObject, target: TargetContext) {
  assert.ok(read instanceof Again && read.trip.decode !== undefined)
  return { trip: read.trip, read: read.trip.decode(body, target) }
}

test('embeddings: texts beyond what one call takes are asked for in further ones, in order', () => {
  const texts = Array.from({ length: 230 }, (_, i) => `t${i}`)
  const request = { model: 'gemini-embedding-001', input: texts, dimensions: 1 }
  const target = context('gemini-embedding-001', request)
  const codec = codecOf('gemini', 'embeddings')
  const sent = (body: unknown): string[] => {
    assert.ok(isObject(body) && Array.isArray(body.requests))
    return body.requests.map(one => JSON.stringify(one).match(/"text":"(\w+)"/)?.[1] ?? '')
  }
  const answer = (from: number, to: number): JsonObject => ({
    embeddings: Array.from({ length: to - from }, (_, i) => ({ values: [from + i] })),
    usageMetadata: { promptTokenCount: to - from },
  })
  assert.deepEqual(sent(codec.encode?.(request, target)), texts.slice(0, 100))
  const second = follow(codec.decode(answer(0, 100), target), answer(100, 200), target)
  assert.equal(second.trip.to, '/models/gemini-embedding-001:batchEmbedContents')
  assert.deepEqual(sent(second.trip.body), texts.slice(100, 200))
  const third = follow(second.read, answer(200, 230), target)
  assert.deepEqual(sent(third.trip.body), texts.slice(200))
  assert.ok('body' in third.read && !(third.read.body instanceof RawBody))
  const data = third.read.body.data as JsonObject[]
  assert.deepEqual(
    data.map(({ embedding }) => (embedding as number[])[0]),
    texts.map((_, i) => i),
  )
  assert.deepEqual([third.read.usage.prompt, data.at(-1)?.index], [230, 229])

  const short = follow(codec.decode(answer(0, 100), target), answer(100, 199), target)
  assert.ok(short.read instanceof Failure, 'a text without its vector would shift all that follow')
})

test('embeddings: Gemini’s first on Vertex AI is asked once per text', () => {
  const request = { model: 'gemini-embedding-001', input: ['a', 'b'] }
  const target = context('gemini-embedding-001', request)
  const codec = codecOf('vertex-ai', 'embeddings')
  const one = (value: number): JsonObject => ({
    predictions: [{ embeddings: { values: [value], statistics: { token_count: 2 } } }],
  })
  const { trip, read } = follow(codec.decode(one(1), target), one(2), target)
  assert.deepEqual(
    [trip.to, trip.body],
    ['/publishers/google/models/gemini-embedding-001:predict', { instances: [{ content: 'b' }] }],
  )
  assert.ok('body' in read && read.usage.prompt === 4)
})

test('images: more than one call draws are asked for again, and a refusal ends it', () => {
  const picture = (n: number): JsonObject => ({
    predictions: Array.from({ length: n }, (_, i) => ({ mimeType: 'image/png', bytesBase64Encoded: `p${i}` })),
  })
  const request = { model: 'imagen-4.0-generate-001', prompt: 'a kite', n: 6, size: '1024x1024' }
  const target = context(request.model, request)
  const codec = codecOf('gemini', 'images')
  const { trip, read } = follow(codec.decode(picture(4), target), picture(2), target)
  assert.deepEqual(trip.body, { instances: [{ prompt: 'a kite' }], parameters: { sampleCount: 2, aspectRatio: '1:1' } })
  assert.ok('body' in read && !(read.body instanceof RawBody))
  assert.equal((read.body.data as Json[]).length, 6)
  assert.equal(read.usage.images, 6)

  const drawn = { candidates: [{ content: { parts: [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }] } }] }
  const many = context('gemini-2.5-flash-image', { model: 'm', prompt: 'a kite', n: 3 })
  const nothing = { candidates: [{ finishReason: 'IMAGE_SAFETY' }] }
  const second = follow(codec.decode(drawn, many), nothing, many)
  assert.ok('body' in second.read && !(second.read.body instanceof RawBody), 'what was drawn is not thrown away')
  assert.equal((second.read.body.data as Json[]).length, 1)
})

const spoken = (mimeType: string, bytes: readonly number[] | Uint8Array): JsonObject => ({
  candidates: [{ content: { parts: [{ inlineData: { mimeType, data: Buffer.from(bytes).toString('base64') } }] } }],
  usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 30 },
})

function heard(answer: JsonObject, format?: string): { type: string; bytes: Buffer; usage: Usage } {
  const request = { model: 'm', input: 'Héllo 🎈', voice: 'Kore', ...(format && { response_format: format }) }
  const read = codecOf('gemini', 'speech').decode(answer, context('gemini-2.5-flash-preview-tts', request))
  assert.ok('body' in read && read.body instanceof RawBody)
  return { type: read.body.contentType, bytes: Buffer.from(read.body.bytes), usage: read.usage }
}

test('speech: raw samples stay raw, or become a WAV file that says their rate', () => {
  const samples = [1, 0, 255, 127]
  const raw = spoken('audio/L16;codec=pcm;rate=24000', samples)
  const pcm = heard(raw, 'pcm')
  assert.deepEqual([pcm.type, [...pcm.bytes]], ['audio/pcm', samples])
  assert.deepEqual([pcm.usage.prompt, pcm.usage.completion, pcm.usage.characters], [4, 30, 7])
  for (const format of ['wav', undefined]) {
    const { type, bytes } = heard(raw, format)
    assert.equal(type, 'audio/wav')
    assert.equal(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 16), 'RIFFWAVEfmt ')
    assert.deepEqual(
      [bytes.readUInt32LE(4), bytes.readUInt16LE(20), bytes.readUInt16LE(22), bytes.readUInt32LE(24)],
      [bytes.length - 8, 1, 1, 24_000],
    )
    assert.deepEqual([bytes.readUInt32LE(28), bytes.readUInt16LE(32), bytes.readUInt16LE(34)], [48_000, 2, 16])
    assert.deepEqual([bytes.readUInt32LE(40), ...bytes.subarray(44)], [4, ...samples])
  }
})

test('speech: a WAV file goes on as it is, or without its head', () => {
  const file = toWav(Buffer.from([1, 0, 255, 127]), 24_000)
  assert.deepEqual(heard(spoken('audio/wav', file), 'wav').bytes, file)
  assert.deepEqual([...heard(spoken('audio/wav', file), 'pcm').bytes], [1, 0, 255, 127])
})

test('the samples of a WAV file are found behind other chunks, and nothing else is taken for one', () => {
  const file = toWav(Buffer.from([1, 2]), 24_000)
  const list = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1')
  assert.deepEqual([...(samplesOf(Buffer.concat([file.subarray(0, 36), list, file.subarray(36)])) ?? [])], [1, 2])
  for (let cut = 0; cut < 44; cut++) assert.equal(samplesOf(file.subarray(0, cut)), null, String(cut))
  assert.equal(samplesOf(Buffer.alloc(100)), null)
})

test('speech: an answer without sound, or with another kind of it, is no answer', () => {
  const decode = (body: JsonObject) => codecOf('gemini', 'speech').decode(body, context('m-tts', { input: 'a' }))
  const cases: [JsonObject, string | undefined][] = [
    [{}, 'the answer has no sound: '],
    [{ candidates: [{ finishReason: 'OTHER' }] }, 'the answer has no sound: OTHER'],
    [{ promptFeedback: { blockReason: 'SAFETY' } }, 'the answer has no sound: The prompt was blocked: SAFETY'],
    [spoken('audio/ogg', [1]), 'the answer is audio/ogg'],
  ]
  for (const [body, cause] of cases) {
    const read = decode(body)
    assert.ok(read instanceof Failure)
    assert.equal(read.details.cause, cause)
  }
  const broken = codecOf('gemini', 'speech').decode(
    spoken('audio/wav', [1]),
    context('m-tts', { input: 'a', response_format: 'pcm' }),
  )
  assert.ok(broken instanceof Failure)
})
