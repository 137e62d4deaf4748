import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rows, tableProviders } from '../../providers/openai-compatible-table.ts'
import { Failure } from '../../src/core/failures.ts'
import { field } from '../../src/core/form.ts'
import { isObject, type JsonObject } from '../../src/core/json.ts'
import { scanObject, spliceChat, TopLevel } from '../../src/core/json-scan.ts'
import { type Codec, type Codecs, type FormRequest, RawBody } from '../../src/core/provider.ts'

/** Rows of the table have no fixtures: what each must do follows from the row. */

interface Sample {
  readonly path: string
  readonly request: JsonObject | FormRequest
  /** null: the answer is no JSON. */
  readonly answer: JsonObject | null
}

const picture = { name: 'image', filename: 'a.png', contentType: 'image/png', bytes: Buffer.from('png') }
const sound = { name: 'file', filename: 'a.wav', contentType: 'audio/wav', bytes: Buffer.from('wav') }
const form = (...parts: FormRequest['parts']): FormRequest => ({ parts: [field('model', 'm'), ...parts] })
const url = { data: [{ url: 'https://img.example/1.png' }] }

const samples: Readonly<Record<Exclude<keyof Codecs, 'chat'>, Sample>> = {
  completions: {
    path: '/completions',
    request: { model: 'm', prompt: 'x' },
    answer: { choices: [{ text: 'y', finish_reason: 'stop' }] },
  },
  embeddings: {
    path: '/embeddings',
    request: { model: 'm', input: 'x' },
    answer: { data: [{ index: 0, embedding: [0.5] }], usage: { total_tokens: 1 } },
  },
  images: { path: '/images/generations', request: { model: 'm', prompt: 'x' }, answer: url },
  imageEdits: { path: '/images/edits', request: form(picture, field('prompt', 'x')), answer: url },
  imageVariations: { path: '/images/variations', request: form(picture), answer: url },
  rerank: {
    path: '/rerank',
    request: { model: 'm', query: 'x', documents: ['a', 'b'], top_n: 1 },
    answer: { results: [{ index: 1, relevance_score: 0.5 }] },
  },
  moderations: { path: '/moderations', request: { model: 'm', input: 'x' }, answer: { results: [{ flagged: true }] } },
  transcriptions: { path: '/audio/transcriptions', request: form(sound), answer: { text: 'Hi' } },
  translations: { path: '/audio/translations', request: form(sound), answer: { text: 'Hi' } },
  speech: { path: '/audio/speech', request: { model: 'm', input: 'x', voice: 'v' }, answer: null },
}

/** What was sent, be it JSON or a form, as text. */
const textOf = (sent: JsonObject | RawBody): string =>
  sent instanceof RawBody ? Buffer.from(sent.bytes).toString('latin1') : JSON.stringify(sent)

rows.forEach((row, place) => {
  const provider = tableProviders[place]
  const { chat } = provider.codecs
  const own = row.root === '' ? 'https://own.example/v1' : row.root

  for (const [id, { path, request, answer }] of Object.entries(samples)) {
    const surface = id as keyof typeof samples
    const codec: Codec<never> | undefined = provider.codecs[surface]
    const differing: { path?: string | ((target: never) => string) } | undefined = row.surfaces?.[surface]
    assert.equal(codec === undefined, differing === undefined, `${row.id}: ${id}`)
    if (codec === undefined || differing === undefined) continue

    test(`${row.id}: ${id}, there and back`, () => {
      const target = { model: 'm', settings: {}, stream: false, requestId: 'r', nowMs: 1_767_225_605_432, request }
      assert.equal(codec.path(target), differing.path ?? path)
      const sent: JsonObject | RawBody | Failure = codec.encode?.(request as never, target) ?? (request as JsonObject)
      assert.ok(!(sent instanceof Failure))
      if (isObject(sent) && !(sent instanceof RawBody) && !('parts' in sent)) assert.equal(sent.model, 'm')
      for (const text of ['x', 'a.png', 'a.wav'].filter(text => JSON.stringify(request).includes(`"${text}"`)))
        assert.ok(textOf(sent).includes(text), `${text} in ${textOf(sent)}`)
      assert.equal(codec.failure(404, { error: { message: 'No such model' } }).message, 'No such model')
      if (answer === null) return
      const read = codec.decode(structuredClone(answer), target)
      assert.ok('body' in read && !(read.body instanceof RawBody), JSON.stringify(read))
      assert.ok(codec.decode({ object: 'list' }, target) instanceof Failure, 'an empty answer is none')
    })
  }

  assert.equal(chat === undefined, row.isChatless === true, row.id)
  if (chat === undefined) return

  test(`${row.id}: a chat and a stream, there and back`, () => {
    assert.ok(chat !== undefined && chat.encode === null && chat.relay === 'normalise')
    assert.equal(provider.id, row.id)
    const settings: Record<string, string> = { baseUrl: own, apiKey: 'k' }
    if (row.segment !== undefined) settings[row.segment.name] = 'one'
    const target = { model: 'm', settings, stream: true, requestId: 'r', nowMs: 1_767_225_605_432 }

    const root = row.segment === undefined ? own : own.replace(`{${row.segment.name}}`, 'one')
    assert.equal(provider.origin(settings) + chat.path(target), `${root}/chat/completions`)
    const header = { scheme: 'header', name: row.keyHeader, value: 'k' }
    assert.deepEqual(provider.auth(settings), row.keyHeader ? header : { scheme: 'bearer', token: 'k' })

    const client = Buffer.from('{"model":"a","messages":[],"stream":true,"max_completion_tokens":5,"top_k":3}')
    const top = new TopLevel()
    assert.equal(scanObject(client, 0, client.length, top), null)
    const changes = { model: 'm', includeUsage: true, tokenLimit: chat.tokenLimit }
    const sent = spliceChat(client, 0, client.length, top, changes)
    assert.ok(sent !== null)
    assert.deepEqual(JSON.parse(Buffer.from(sent).toString()), {
      model: 'm',
      messages: [],
      stream: true,
      max_tokens: 5,
      top_k: 3,
      stream_options: { include_usage: true },
    })

    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    const answer = chat.decode(
      { choices: [{ message: { content: 'Hi', reasoning: 'Hm' }, finish_reason: 'eos' }], usage },
      target,
    )
    assert.ok('body' in answer)
    const message = { content: 'Hi', refusal: null, reasoning: 'Hm', role: 'assistant', reasoning_content: 'Hm' }
    assert.deepEqual(answer.body.choices, [{ message, logprobs: null, finish_reason: 'stop', index: 0 }])
    assert.equal(answer.usage.total, 5)

    const decoder = chat.events(target)
    const events = [
      { choices: [{ delta: { content: 'Hi' } }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }], usage },
    ]
    const read = events.map(event => decoder.decode({ event: '', data: JSON.stringify(event) }))
    assert.deepEqual(
      read.flatMap(decoded => (decoded.kind === 'chunks' ? decoded.chunks : [])).map(chunk => chunk.choices),
      [
        [{ index: 0, delta: { content: 'Hi', role: 'assistant' }, finish_reason: null }],
        [{ index: 0, delta: {}, finish_reason: 'stop' }],
      ],
    )
    assert.deepEqual(decoder.decode({ event: '', data: '[DONE]' }), { kind: 'done' })
    assert.deepEqual(chat.failure(401, { error: { message: 'No', code: 'invalid_api_key' } }), {
      message: 'No',
      code: 'invalid_api_key',
    })
  })
})

test('a variable with other uses brings no provider in, and its name is in the help', () => {
  rows.forEach((row, place) => {
    const { apiKey } = tableProviders[place].settings
    if (!row.isKeyShared) return
    assert.equal(apiKey.env, undefined, row.id)
    assert.ok(apiKey.secret && apiKey.help?.includes(row.key ?? '-'), row.id)
  })
})

test('a row that leads elsewhere is refused: a segment is one segment', () => {
  const runpod = tableProviders[rows.findIndex(row => row.id === 'runpod')]
  for (const endpoint of ['', '.', '..', 'a/b', 'a\\b'])
    assert.throws(() => runpod.origin({ baseUrl: runpod.settings.baseUrl.default ?? '', endpoint }), /endpoint must be/)
})

test('voyage and mixedbread have names of their own for what Cohere calls top_n and documents', () => {
  const request = { model: 'm', query: 'x', documents: ['a', { text: 'b' }], top_n: 1, return_documents: true }
  const target = { model: 'm', settings: {}, stream: false, request }
  const codecOf = (id: string) => tableProviders[rows.findIndex(row => row.id === id)].codecs.rerank
  const documents = ['a', 'b']
  assert.deepEqual(codecOf('voyage')?.encode?.(request, target), { model: 'm', query: 'x', documents, top_k: 1 })
  const sent = codecOf('mixedbread')?.encode?.(request, target)
  assert.deepEqual(sent, { model: 'm', query: 'x', input: documents, top_k: 1 })
  const data = [
    { index: 0, score: 0.1 },
    { index: 1, score: 0.9 },
  ]
  const read = codecOf('mixedbread')?.decode({ data }, target)
  assert.ok(read !== undefined && 'body' in read && !(read.body instanceof RawBody))
  assert.deepEqual(read.body.results, [{ index: 1, relevance_score: 0.9, document: { text: 'b' } }])
})

test('voyage is asked for its dimensions by its own name, and for floats by saying nothing', () => {
  const request = { model: 'voyage-3.5', input: 'x', dimensions: 256, encoding_format: 'float', input_type: 'query' }
  const { embeddings } = tableProviders[rows.findIndex(row => row.id === 'voyage')].codecs
  assert.deepEqual(embeddings?.encode?.(request, { model: 'voyage-3.5', settings: {}, stream: false }), {
    model: 'voyage-3.5',
    input: 'x',
    output_dimension: 256,
    input_type: 'query',
  })
})
