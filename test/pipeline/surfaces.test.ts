import assert from 'node:assert/strict'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { Failure } from '../../src/core/failures.ts'
import { field, parseForm, writeForm } from '../../src/core/form.ts'
import type { TargetData } from '../../src/core/snapshot.ts'
import { closing, completion, done, opening, piece, usageEvent } from '../support/mock-openai.ts'
import { type FakeIncoming, PipelineUnderTest, targetData } from './harness.ts'

/** The surfaces besides the chat, through the one pipeline. */

const target = (provider: string, more: Partial<TargetData> = {}): TargetData => {
  const { settings } = providers.find(({ id }) => id === provider)!
  const defaults = Object.fromEntries(Object.entries(settings).map(([name, { default: value = '' }]) => [name, value]))
  return targetData(provider, { provider, settings: { ...defaults, apiKey: 'sk-x' }, anyModel: false, ...more })
}
const under = (...targets: TargetData[]) => new PipelineUnderTest(targets.length > 0 ? { targets } : {})

const file = { name: 'file', filename: 'größe.wav', contentType: 'audio/wav', bytes: Buffer.from([0, 1, 0xff, 13, 10]) }

function upload(pipeline: PipelineUnderTest, path: string, fields: Readonly<Record<string, string>>): FakeIncoming {
  const parts = [file, ...Object.entries(fields).map(([name, text]) => field(name, text))]
  const { contentType, bytes } = writeForm(parts, 'x')
  return pipeline.askAt(path, bytes, { 'content-type': contentType })
}

const transcribe = (pipeline: PipelineUnderTest, fields: Readonly<Record<string, string>> = {}) =>
  upload(pipeline, '/v1/audio/transcriptions', { model: 'whisper-1', ...fields })
const say = (pipeline: PipelineUnderTest, more: object = {}) =>
  pipeline.askAt('/v1/audio/speech', JSON.stringify({ model: 'tts-1', input: 'Hi', voice: 'alloy', ...more }))
const errorOf = ({ body }: FakeIncoming) => JSON.parse(body).error

// Bytes.

test('sound goes back as it comes, with the type that the provider gave it', () => {
  for (const isWhole of [true, false]) {
    const pipeline = under()
    const incoming = say(pipeline)
    const [call] = pipeline.calls
    assert.match(call.path, /\/audio\/speech$/)
    if (isWhole) call.answer(200, 'ID3 sound', { 'content-type': 'audio/mpeg' })
    else {
      call.head(200, { 'content-type': 'audio/mpeg' })
      for (const text of ['ID3', '', ' sound']) call.data(text)
      call.handler.onEnd()
    }
    assert.deepEqual([incoming.status, incoming.body, incoming.ends], [200, 'ID3 sound', [isWhole ? 'whole' : 'end']])
    assert.match(incoming.headers, /^content-type: audio\/mpeg\r$/m)
    assert.match(incoming.headers, /^x-gateway-provider: one\r$/m)
    assert.equal(pipeline.records.length, 1)
  }
})

test('a content type that could write headers is not repeated', () => {
  const pipeline = under()
  const incoming = say(pipeline)
  pipeline.calls[0].answer(200, 'x', { 'content-type': 'audio/mpeg\r\nset-cookie: a=b' })
  assert.match(incoming.headers, /^content-type: application\/octet-stream\r$/m)
  assert.ok(!incoming.headers.includes('set-cookie'))
})

test('nothing at all and a page are no answers, and the next target is asked', () => {
  const useless: [string, string][] = [
    ['', 'audio/mpeg'],
    ['<html>Sign in</html>', 'text/html; charset=utf-8'],
  ]
  for (const [body, type] of useless) {
    const pipeline = under(targetData('one'), targetData('two'))
    const incoming = say(pipeline)
    pipeline.calls[0].answer(200, body, { 'content-type': type })
    pipeline.calls[1].answer(200, 'sound', { 'content-type': 'audio/mpeg' })
    assert.deepEqual([incoming.status, incoming.body], [200, 'sound'])
  }
})

test('sound that breaks off cuts the connection: half a file must not look like one', () => {
  const pipeline = under()
  const incoming = say(pipeline)
  pipeline.calls[0].head(200, { 'content-type': 'audio/mpeg' })
  pipeline.calls[0].data('ID3')
  pipeline.calls[0].handler.onFailure(new Failure('upstream_unreachable', { cause: 'ECONNRESET' }))
  assert.deepEqual([incoming.body, incoming.ends], ['ID3', ['abort']])
})

test('a client that is behind with its sound holds the provider back', () => {
  const pipeline = under()
  const incoming = say(pipeline)
  incoming.isBehind = true
  pipeline.calls[0].head(200, { 'content-type': 'audio/mpeg' })
  pipeline.calls[0].data('ID3')
  assert.equal(pipeline.calls[0].pauses, 1)
  incoming.listener.onDrain()
  assert.equal(pipeline.calls[0].resumes, 1)
})

test('an error instead of sound is an error', () => {
  const pipeline = under()
  const incoming = say(pipeline)
  pipeline.calls[0].answer(400, '{"error":{"message":"Unknown voice","code":"invalid_value"}}')
  assert.deepEqual([incoming.status, errorOf(incoming).message], [400, 'Unknown voice'])
})

test('sound inside JSON becomes sound', () => {
  const pipeline = under(target('mistral', { models: ['voxtral-mini-tts'] }))
  const incoming = say(pipeline, { model: 'voxtral-mini-tts', response_format: 'wav' })
  assert.deepEqual(JSON.parse(pipeline.calls[0].body.toString()), {
    model: 'voxtral-mini-tts',
    input: 'Hi',
    voice_id: 'alloy',
    response_format: 'wav',
  })
  pipeline.calls[0].answer(200, '{"audio_data":"SUQz"}')
  assert.deepEqual([incoming.status, incoming.body], [200, 'ID3'])
  assert.match(incoming.headers, /^content-type: audio\/wav\r$/m)
})

// Forms.

test('a form is relayed to the byte; an alias changes its model and nothing else', () => {
  const plain = under()
  transcribe(plain)
  const [{ body, extraHeaders }] = plain.calls
  const type = /content-type: (multipart\/form-data; boundary=\S+)\r\n/.exec(extraHeaders)?.[1] ?? ''
  assert.deepEqual(body, Buffer.from(writeForm([file, field('model', 'whisper-1')], 'x').bytes))
  const aliased = new PipelineUnderTest({ aliases: { ears: 'whisper-1' } })
  transcribe(aliased, { model: 'ears' })
  assert.deepEqual(aliased.calls[0].body, body)
  const parts = parseForm(body, type)
  assert.ok(!(parts instanceof Failure))
  assert.deepEqual(
    parts.map(({ name, filename, contentType, bytes }) => [name, filename, contentType, [...bytes]]),
    [
      ['file', 'größe.wav', 'audio/wav', [0, 1, 0xff, 13, 10]],
      ['model', null, '', [...Buffer.from('whisper-1')]],
    ],
  )
})

test('Azure’s deployment is in the path, not in the form', () => {
  const azure = target('azure-openai', { anyModel: true })
  const settings = { ...azure.settings, baseUrl: 'https://r.openai.azure.com', deployment: 'chats' }
  const pipeline = under({ ...azure, settings })
  transcribe(pipeline, { model: 'ears' })
  assert.equal(pipeline.calls[0].path, '/openai/deployments/ears/audio/transcriptions?api-version=2024-10-21')
  assert.ok(!pipeline.calls[0].body.includes('name="model"'))
  for (const model of ['../secrets', 'a/b', 'a\\b', '..', '.']) {
    assert.equal(transcribe(pipeline, { model }).status, 404, model)
    assert.equal(pipeline.calls.length, 1, 'nothing is sent for a model that would lead elsewhere')
  }
  transcribe(pipeline, { model: 'azure-openai/ears' })
  assert.equal(pipeline.calls[1].path, pipeline.calls[0].path)
})

// Typed events.

const delta = 'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n'
const last = 'data: {"type":"transcript.text.done","text":"Hello","usage":{"input_tokens":3,"output_tokens":2}}\n\n'

test('events that say their type go on as they came, and usage is counted', () => {
  const pipeline = under()
  const incoming = transcribe(pipeline, { stream: 'true', model: 'gpt-4o-transcribe' })
  pipeline.calls[0].beginStream(delta + last.slice(0, 20))
  assert.equal(incoming.body, delta, 'a whole event, at once')
  pipeline.calls[0].data(last.slice(20))
  pipeline.calls[0].handler.onEnd()
  assert.deepEqual([incoming.status, incoming.body, incoming.ends], [200, delta + last, ['end']])
  assert.match(incoming.headers, /^content-type: text\/event-stream/m)
  assert.deepEqual([pipeline.records[0].tokensIn, pipeline.records[0].tokensOut], [3, 2])
})

test('events that end early are followed by an error, and so are those that say one', () => {
  for (const rest of [
    '',
    'event: error\ndata: {"message":"It broke"}\n\n',
    'data: {"error":{"message":"It broke"}}\n\n',
    'data: 1\n\n',
  ]) {
    const pipeline = under()
    const incoming = transcribe(pipeline, { stream: 'true', model: 'gpt-4o-transcribe' })
    pipeline.calls[0].beginStream(delta + rest)
    if (pipeline.calls[0].cancels === 0) pipeline.calls[0].handler.onEnd()
    assert.ok(incoming.body.startsWith(`${delta}data: {"error":{`), incoming.body)
    assert.ok(incoming.body.includes('"type":"stream_error"'), incoming.body)
    assert.deepEqual([incoming.status, incoming.ends, pipeline.records.length], [200, ['end'], 1])
  }
})

test('events that are an error from the first on leave it to the next target', () => {
  const pipeline = under(targetData('one'), targetData('two'))
  const incoming = transcribe(pipeline, { stream: 'true', model: 'gpt-4o-transcribe' })
  pipeline.calls[0].beginStream('data: {"error":{"message":"Overloaded","code":503}}\n\n')
  pipeline.calls[1].beginStream(delta + last)
  pipeline.calls[1].handler.onEnd()
  assert.deepEqual([incoming.status, incoming.body], [200, delta + last])
})

test('a model that ignores the wish for a stream answers as ever, and a break cuts the connection', () => {
  const pipeline = under()
  const incoming = transcribe(pipeline, { stream: 'true' })
  pipeline.calls[0].answer(200, '{"text":"Hello"}')
  assert.deepEqual([incoming.status, incoming.body], [200, '{"text":"Hello"}'])
  assert.match(incoming.headers, /^content-type: application\/json/m)

  const cut = transcribe(pipeline, { stream: 'true', response_format: 'text' })
  pipeline.calls[1].head(200, { 'content-type': 'text/plain' })
  pipeline.calls[1].data('Hel')
  pipeline.calls[1].handler.onFailure(new Failure('upstream_unreachable', { cause: 'ECONNRESET' }))
  assert.deepEqual([cut.body, cut.ends], ['Hel', ['abort']], 'no event is written into a text')
})

test('another provider’s events come under OpenAI’s names', () => {
  const pipeline = under(target('mistral'))
  const incoming = transcribe(pipeline, { stream: 'true', model: 'voxtral-mini-latest' })
  pipeline.calls[0].beginStream(
    'event: transcription.language\ndata: {"type":"transcription.language","audio_language":"en"}\n\n' +
      'event: transcription.text.delta\ndata: {"type":"transcription.text.delta","text":"Hel"}\n\n' +
      'event: transcription.done\ndata: {"type":"transcription.done","text":"Hello","usage":{"prompt_tokens":3,"completion_tokens":2}}',
  )
  pipeline.calls[0].handler.onEnd()
  assert.equal(
    incoming.body,
    'event: transcript.text.delta\ndata: {"type":"transcript.text.delta","delta":"Hel"}\n\n' +
      'event: transcript.text.done\ndata: {"type":"transcript.text.done","text":"Hello","usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n',
  )
  assert.deepEqual([incoming.ends, pipeline.records[0].tokensOut], [['end'], 2])
})

test('a provider without such streams says so before it is asked', () => {
  const pipeline = under(target('groq', { models: ['whisper-1'] }))
  const incoming = transcribe(pipeline, { stream: 'true' })
  assert.deepEqual(
    [incoming.status, errorOf(incoming).code, errorOf(incoming).param],
    [400, 'unsupported_parameter', 'stream'],
  )
  assert.equal(pipeline.calls.length, 0)
})

test('where nothing streams, `stream` is one more field', () => {
  const pipeline = under()
  const incoming = upload(pipeline, '/v1/audio/translations', { model: 'whisper-1', stream: 'true' })
  assert.ok(pipeline.calls[0].body.includes('name="stream"'))
  pipeline.calls[0].answer(200, '{"text":"Hello"}')
  assert.deepEqual([incoming.status, incoming.body], [200, '{"text":"Hello"}'])
})

// Formats.

test('vectors are in the format that was asked for, whatever the provider has', () => {
  const mistral = under(target('mistral'))
  const ask = (more: object) =>
    mistral.askAt('/v1/embeddings', JSON.stringify({ model: 'mistral-embed', input: 'x', dimensions: 2, ...more }))
  const answer = '{"data":[{"index":0,"embedding":[0.1,-0.2]}],"usage":{"prompt_tokens":1,"total_tokens":1}}'
  const base64 = ask({ encoding_format: 'base64' })
  assert.deepEqual(JSON.parse(mistral.calls[0].body.toString()), {
    model: 'mistral-embed',
    input: 'x',
    output_dimension: 2,
  })
  mistral.calls[0].answer(200, answer)
  assert.equal(JSON.parse(base64.body).data[0].embedding, 'zczMPc3MTL4=')
  const floats = ask({})
  mistral.calls[1].answer(200, answer)
  assert.deepEqual(JSON.parse(floats.body).data[0].embedding, [0.1, -0.2])
  assert.equal(ask({ encoding_format: 'hex' }).status, 400)
})

test('subtitles that a provider lacks are made, and what it can’t make is refused', () => {
  const pipeline = under(target('groq', { models: ['whisper-1'] }))
  const incoming = transcribe(pipeline, { response_format: 'srt' })
  assert.ok(pipeline.calls[0].body.includes('verbose_json'))
  pipeline.calls[0].answer(200, '{"text":"Hi","segments":[{"start":0,"end":1.5,"text":" Hi"}]}')
  assert.equal(incoming.body, '1\n00:00:00,000 --> 00:00:01,500\nHi\n\n')
  assert.match(incoming.headers, /^content-type: text\/plain; charset=utf-8\r$/m)
  assert.equal(errorOf(transcribe(pipeline, { response_format: 'diarized_json' })).param, 'response_format')
})

// Routing.

test('a request without a model goes to the first provider that has one of its own', () => {
  const pipeline = under(target('xai'), target('groq', { anyModel: true }), target('openai'))
  pipeline.askAt('/v1/images/generations', '{"prompt":"a kite"}')
  assert.equal(pipeline.calls[0].origin, 'https://api.openai.com')
  assert.deepEqual(JSON.parse(pipeline.calls[0].body.toString()), { model: 'gpt-image-1', prompt: 'a kite' })
  pipeline.askAt('/v1/moderations', '{"input":"x"}')
  assert.deepEqual(JSON.parse(pipeline.calls[1].body.toString()), { model: 'omni-moderation-latest', input: 'x' })
  const none = under(target('groq', { anyModel: true }))
  assert.deepEqual(
    [errorOf(none.askAt('/v1/moderations', '{"input":"x"}')).code, none.calls.length],
    ['model_not_found', 0],
  )
})

test('a model is looked for among the providers that serve the surface', () => {
  const pipeline = under(target('anthropic', { models: ['same'] }), target('openai', { models: ['same'] }))
  pipeline.askAt('/v1/embeddings', '{"model":"same","input":"x"}')
  assert.equal(pipeline.calls[0].origin, 'https://api.openai.com')
  const chats = under(target('anthropic', { anyModel: true }))
  assert.equal(chats.askAt('/v1/embeddings', '{"model":"text-embedding-3-small","input":"x"}').status, 404)
})

test('`provider/model` names the provider, unless the whole is a model that somebody owns', () => {
  const pipeline = under(target('openai'), target('together', { anyModel: true }), target('groq', { anyModel: true }))
  const embed = (model: string) => pipeline.askAt('/v1/embeddings', JSON.stringify({ model, input: 'x' }))
  const sent = (place: number) => [
    pipeline.calls[place].origin,
    JSON.parse(pipeline.calls[place].body.toString()).model,
  ]
  embed('openai/text-embedding-3-small')
  embed('BAAI/bge-base-en-v1.5')
  transcribe(pipeline, { model: 'groq/whisper-large-v3' })
  // Together takes any model, so ids with a slash of its own come first: only unowned ones lose their first part.
  assert.deepEqual(sent(1), ['https://api.together.ai', 'BAAI/bge-base-en-v1.5'])
  const alone = under(target('openai'), target('groq'))
  alone.askAt('/v1/embeddings', '{"model":"openai/text-embedding-3-small","input":"x"}')
  assert.equal(JSON.parse(alone.calls[0].body.toString()).model, 'text-embedding-3-small')
  assert.equal(alone.askAt('/v1/embeddings', '{"model":"groq/whisper-large-v3","input":"x"}').status, 404)
  assert.equal(alone.askAt('/v1/embeddings', '{"model":"openai/","input":"x"}').status, 404)
  assert.equal(alone.calls.length, 1)
})

// Legacy completions.

const complete = (pipeline: PipelineUnderTest, more: object) =>
  pipeline.askAt('/v1/completions', JSON.stringify({ model: 'gpt-4o', ...more }))
const sentBy = (pipeline: PipelineUnderTest) => JSON.parse(pipeline.calls.at(-1)!.body.toString())

test('a model that only chats completes a prompt as a chat', () => {
  const pipeline = under()
  const incoming = complete(pipeline, {
    prompt: ['Say hi.'],
    max_tokens: 5,
    n: 1,
    stop: ['x'],
    suffix: 's',
    best_of: 2,
    logprobs: 1,
    echo: true,
  })
  assert.match(pipeline.calls[0].path, /\/chat\/completions$/)
  assert.deepEqual(sentBy(pipeline), {
    model: 'gpt-4o',
    n: 1,
    stop: ['x'],
    max_completion_tokens: 5,
    messages: [{ role: 'user', content: 'Say hi.' }],
  })
  pipeline.calls[0].answer(200, completion('Hi!'))
  const { id, object, choices, usage } = JSON.parse(incoming.body)
  assert.deepEqual([id, object], ['cmpl-1', 'text_completion'])
  assert.deepEqual(choices, [{ text: 'Say hi.Hi!', index: 0, logprobs: null, finish_reason: 'stop' }])
  assert.equal(usage.total_tokens, 14)
  assert.equal(pipeline.records[0].tokensOut, 3)
})

test('no prompt is an empty one; several, and token ids, are refused', () => {
  const pipeline = under()
  for (const more of [{}, { prompt: null }, { prompt: '' }, { prompt: [''] }]) {
    complete(pipeline, more)
    assert.deepEqual(sentBy(pipeline).messages, [{ role: 'user', content: '' }])
  }
  const before = pipeline.calls.length
  for (const prompt of [['a', 'b'], [1, 2], [[1, 2]], [], 7, {}]) {
    const { status, body } = complete(pipeline, { prompt })
    const { code, param } = JSON.parse(body).error
    assert.deepEqual([status, code, param], [400, 'unsupported_parameter', 'prompt'], JSON.stringify(prompt))
  }
  assert.equal(pipeline.calls.length, before)
})

test('a completion streams through a chat: text only, the prompt first where it was asked back, usage on request', () => {
  for (const isAsked of [false, true]) {
    const pipeline = under()
    const options = isAsked ? { stream_options: { include_usage: true } } : {}
    const incoming = complete(pipeline, { prompt: 'Say: ', echo: true, stream: true, ...options })
    assert.deepEqual(sentBy(pipeline).stream_options, { include_usage: true })
    pipeline.calls[0].beginStream(opening)
    assert.equal(incoming.status, 0, 'a role is no content: another target could still take over')
    pipeline.calls[0].data(piece('Hel') + piece('lo') + closing + usageEvent + done)
    pipeline.calls[0].handler.onEnd()
    const events = incoming.body
      .split('\n\n')
      .filter(Boolean)
      .map(event => event.slice('data: '.length))
    assert.equal(events.pop(), '[DONE]')
    const chunks = events.map(event => JSON.parse(event))
    assert.deepEqual(
      chunks.map(({ choices }) => choices[0]?.text),
      ['Say: Hel', 'lo', '', ...(isAsked ? [undefined] : [])],
    )
    assert.ok(chunks.every(({ id, object }) => id === 'cmpl-1' && object === 'text_completion'))
    assert.equal(chunks[2].choices[0].finish_reason, 'stop')
    assert.equal(chunks.at(-1).usage?.total_tokens, isAsked ? 14 : undefined)
    assert.equal(pipeline.records[0].tokensOut, 3)
  }
})

test('a model that only completes is asked to, byte for byte', () => {
  const pipeline = under()
  const body = '{"model": "gpt-3.5-turbo-instruct", "prompt": [[1, 2], [3]], "max_tokens": 5}'
  const incoming = pipeline.askAt('/v1/completions', body)
  assert.match(pipeline.calls[0].path, /\/v1\/completions$/)
  assert.equal(pipeline.calls[0].body.toString(), body)
  const answer =
    '{"choices":[{"text":"x","index":0}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
  pipeline.calls[0].answer(200, answer)
  assert.equal(incoming.body, answer)

  const stream = pipeline.askAt('/v1/completions', '{"model":"davinci-002","prompt":"x","stream":true}')
  pipeline.calls[1].beginStream('data: {"choices":[{"text":"H","index":0,"finish_reason":null}]}\n\n')
  assert.equal(stream.status, 200, 'text is content')
  pipeline.calls[1].data('data: {"choices":[{"text":"","index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
  pipeline.calls[1].handler.onEnd()
  assert.deepEqual(stream.ends, ['end'])
})

test('a completion through another wire format: the chat’s codec is asked', () => {
  const pipeline = under(target('anthropic'))
  const incoming = complete(pipeline, { model: 'claude-sonnet-4-5', prompt: 'Hi', max_tokens: 9 })
  assert.match(pipeline.calls[0].path, /\/messages$/)
  assert.equal(sentBy(pipeline).max_tokens, 9)
  const content = [{ type: 'text', text: 'Hello' }]
  const usage = { input_tokens: 3, output_tokens: 2 }
  pipeline.calls[0].answer(
    200,
    JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', content, stop_reason: 'max_tokens', usage }),
  )
  const { choices, object } = JSON.parse(incoming.body)
  assert.deepEqual(
    [object, choices],
    ['text_completion', [{ text: 'Hello', index: 0, logprobs: null, finish_reason: 'length' }]],
  )
})

// What is not OpenAI's shape.

const workersAi = () =>
  under(
    target('cloudflare', {
      settings: { apiKey: 'k', accountId: 'a', baseUrl: 'https://cloudflare.test/{account_id}/ai/v1' },
      anyModel: true,
    }),
  )

test('a form that becomes JSON goes out as JSON, one that becomes sound as sound', () => {
  const pipeline = workersAi()
  const incoming = transcribe(pipeline, { model: '@cf/openai/whisper-large-v3-turbo' })
  const [json] = pipeline.calls
  assert.ok(!json.extraHeaders.includes('content-type'), 'the head has it')
  assert.deepEqual(JSON.parse(json.body.toString()), {
    audio: Buffer.from(file.bytes).toString('base64'),
    task: 'transcribe',
  })
  json.answer(200, '{"result":{"text":"Hi."},"success":true}')
  assert.deepEqual([incoming.status, JSON.parse(incoming.body)], [200, { text: 'Hi.' }])
  transcribe(pipeline, { model: '@cf/openai/whisper' })
  assert.deepEqual(pipeline.calls[1].body, file.bytes)
  assert.match(pipeline.calls[1].extraHeaders, /^content-type: application\/octet-stream\r$/m)
})

test('several pictures are as many calls, whichever way each is answered', () => {
  const pipeline = workersAi()
  const picture = { model: '@cf/black-forest-labs/flux-1-schnell', prompt: 'a kite', n: 3, seed: 7 }
  const incoming = pipeline.askAt('/v1/images/generations', JSON.stringify(picture))
  pipeline.calls[0].answer(200, '{"result":{"image":"AAAA"},"success":true}')
  pipeline.calls[1].answer(200, 'PNG', { 'content-type': 'image/png' })
  assert.equal(incoming.status, 0)
  pipeline.calls[2].answer(200, '{"result":{"image":"BBBB"},"success":true}')
  const seeds = pipeline.calls.map(call => JSON.parse(call.body.toString()).seed)
  assert.deepEqual(seeds, [7, 8, 9], 'the same seed would draw the same picture')
  const { data } = JSON.parse(incoming.body)
  assert.deepEqual(data, [
    { b64_json: 'AAAA' },
    { b64_json: Buffer.from('PNG').toString('base64') },
    { b64_json: 'BBBB' },
  ])
  const [{ attempts, costNanoUsd }] = pipeline.records
  assert.deepEqual([attempts, costNanoUsd], [1, -1])
})

test('one of several pictures that fails costs the answer, with the upstream’s words', () => {
  const pipeline = workersAi()
  const picture = { model: '@cf/black-forest-labs/flux-1-schnell', prompt: 'a kite', n: 2 }
  const incoming = pipeline.askAt('/v1/images/generations', JSON.stringify(picture))
  pipeline.calls[0].answer(200, '{"result":{"image":"AAAA"},"success":true}')
  pipeline.calls[1].answer(400, '{"success":false,"errors":[{"code":3030,"message":"prompt flagged"}]}')
  assert.equal(incoming.status, 400)
  assert.match(errorOf(incoming).message, /prompt flagged/)
  // The first one was drawn, and what it cost nobody says.
  assert.equal(pipeline.records[0].costNanoUsd, -1)
})
