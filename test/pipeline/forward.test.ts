import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { Failure } from '../../src/core/failures.ts'
import type { SnapshotData, TargetData } from '../../src/core/snapshot.ts'
import { FakeIncoming, PipelineUnderTest, targetData } from './harness.ts'

const openai = targetData('one', {
  settings: { apiKey: 'sk-one', baseUrl: 'https://api.openai.com/v1', organization: '', project: '' },
  anyModel: false,
})
const anthropic = targetData('claude', {
  provider: 'anthropic',
  settings: { apiKey: 'sk-ant-secret-000000000', baseUrl: 'https://api.anthropic.com/v1', beta: '' },
  models: ['claude-sonnet-4-5'],
  anyModel: false,
})
const any = targetData('router', {
  provider: 'openrouter',
  settings: { apiKey: 'or-secret-0000000', baseUrl: 'https://openrouter.ai/api/v1', siteUrl: '', appName: '' },
  models: [],
  anyModel: true,
})
const mistral = targetData('mistral', {
  provider: 'mistral',
  settings: { apiKey: 'mi-secret-0000000', baseUrl: 'https://api.mistral.ai/v1' },
  models: ['mistral-small'],
  anyModel: false,
})
const azure = targetData('az', {
  provider: 'azure-openai',
  settings: { apiKey: 'az-secret-0000000', baseUrl: 'https://r.openai.azure.com', deployment: 'd', apiVersion: 'x' },
  models: ['d'],
  anyModel: false,
})

interface Asked {
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly data?: Partial<SnapshotData>
  readonly targets?: readonly TargetData[]
}

function ask(method: string, path: string, { body = '', headers = {}, data = {}, targets = [openai] }: Asked = {}) {
  const under = new PipelineUnderTest({ targets, ...data })
  const type: Record<string, string> = body === '' ? {} : { 'content-type': 'application/json' }
  const incoming = new FakeIncoming(method, path, { ...type, ...headers })
  incoming.listener = under.pipeline.accept(incoming)
  if (incoming.status === 0) incoming.listener.onBody(Buffer.from(body), true)
  return { under, incoming, call: under.calls[0] }
}
const codeOf = (incoming: FakeIncoming): string => `${incoming.status} ${JSON.parse(incoming.body).error.code}`

const all = [openai, anthropic, any, mistral, azure]

test('where a request goes that nothing in its path decides on', async t => {
  const table: readonly [name: string, method: string, path: string, asked: Asked, expected: string][] = [
    ['nothing says where', 'POST', '/v1/x', {}, '400 provider_not_resolved'],
    ['a body without a model', 'POST', '/v1/x', { body: '{}' }, '400 provider_not_resolved'],
    ['no such provider', 'POST', '/v1/x', { headers: { 'x-provider': 'nobody' } }, '404 provider_not_found'],
    ['a provider that is no target', 'GET', '/v1/x', { headers: { 'x-provider': 'groq' } }, '404 provider_not_found'],
    ['a model that nobody owns', 'POST', '/v1/x', { body: '{"model":"m"}' }, '404 model_not_found'],
    [
      'a model of a native wire',
      'POST',
      '/v1/x',
      { body: '{"model":"claude-sonnet-4-5"}', targets: all },
      '501 proxy_not_supported',
    ],
    [
      'a native wire’s model has no stand-in',
      'POST',
      '/v1/responses',
      { body: '{"model":"claude-sonnet-4-5"}', targets: all },
      '501 responses_not_supported',
    ],
    [
      'responses where there are none',
      'POST',
      '/v1/responses',
      { body: '{"model":"mistral-small"}', targets: [mistral] },
      '501 responses_not_supported',
    ],
    [
      'responses of a named native wire',
      'POST',
      '/v1/responses',
      { body: '{}', targets: all, headers: { 'x-provider': 'anthropic' } },
      '501 responses_not_supported',
    ],
    ['responses of nobody’s model', 'POST', '/v1/responses', { body: '{"model":"m"}' }, '404 model_not_found'],
    ['responses without a model', 'POST', '/v1/responses', { body: '{}' }, '400 provider_not_resolved'],
    ['stored responses', 'GET', '/v1/responses/r', {}, '501 responses_not_configured'],
    ['files', 'GET', '/v1/files', {}, '501 batch_not_configured'],
    ['batches', 'POST', '/v1/batches', { body: '{}' }, '501 batch_not_configured'],
    [
      'files where there are none',
      'GET',
      '/v1/files',
      { targets: [mistral], data: { batchTarget: 'mistral' } },
      '501 batch_not_supported',
    ],
    ['an escaping path', 'GET', '/v1/x/%2e%2e/y', { headers: { 'x-provider': 'openai' } }, '400 invalid_proxy_path'],
    ['no path at all', 'GET', '/v1/', { headers: { 'x-provider': 'openai' } }, '404 not_found'],
    [
      'another verb of a surface',
      'DELETE',
      '/v1/chat/completions',
      { headers: { 'x-provider': 'openai' } },
      '405 method_not_supported',
    ],
    ['stored completions of nobody', 'GET', '/v1/chat/completions', {}, '405 method_not_supported'],
    ['a duplicate model', 'POST', '/v1/x', { body: '{"model":"a","model":"b"}' }, '400 invalid_request'],
    ['a model that is no text', 'POST', '/v1/x', { body: '{"model":7}' }, '400 invalid_request'],
    ['broken JSON', 'POST', '/v1/x', { body: '{"model":' }, '400 invalid_request'],
  ]
  for (const [name, method, path, asked, expected] of table)
    await t.test(name, () => {
      const { incoming, under } = ask(method, path, asked)
      assert.equal(codeOf(incoming), expected, incoming.body)
      assert.equal(under.calls.length, 0, 'nothing is forwarded')
    })
})

test('where a request goes, and by which path', async t => {
  const table: readonly [name: string, method: string, path: string, asked: Asked, origin: string, expected: string][] =
    [
      [
        'by its header',
        'GET',
        '/v1/fine_tuning/jobs?limit=2',
        { headers: { 'x-provider': 'openai' } },
        'https://api.openai.com',
        '/v1/fine_tuning/jobs?limit=2',
      ],
      [
        'escapes as they came',
        'GET',
        '/v1/a%2Fb%20c?x=%2F&y',
        { headers: { 'x-provider': 'one' } },
        'https://api.openai.com',
        '/v1/a%2Fb%20c?x=%2F&y',
      ],
      [
        'by its model',
        'POST',
        '/v1/moderate',
        { body: '{"model":"mistral-small"}', targets: all },
        'https://api.mistral.ai',
        '/v1/moderate',
      ],
      [
        'by nobody else’s model',
        'POST',
        '/v1/x',
        { body: '{"model":"foo/bar"}', targets: all },
        'https://openrouter.ai',
        '/api/v1/x',
      ],
      [
        'a native API by name',
        'POST',
        '/v1/messages',
        { body: '{"model":"claude-sonnet-4-5"}', targets: all, headers: { 'x-provider': 'anthropic' } },
        'https://api.anthropic.com',
        '/v1/messages',
      ],
      [
        'files of a native API by name',
        'GET',
        '/v1/files',
        { targets: all, headers: { 'x-provider': 'claude' } },
        'https://api.anthropic.com',
        '/v1/files',
      ],
      [
        'an alias names a provider too',
        'GET',
        '/v1/vector_stores',
        { targets: all, headers: { 'x-provider': 'azure' } },
        'https://r.openai.azure.com',
        '/openai/v1/vector_stores',
      ],
      [
        'files',
        'GET',
        '/v1/files/f/content',
        { targets: all, data: { batchTarget: 'az' } },
        'https://r.openai.azure.com',
        '/openai/v1/files/f/content',
      ],
      [
        'uploads',
        'POST',
        '/v1/uploads',
        { body: '{}', data: { batchTarget: 'one' } },
        'https://api.openai.com',
        '/v1/uploads',
      ],
      [
        'responses by model',
        'POST',
        '/v1/responses',
        { body: '{"model":"gpt-4o"}' },
        'https://api.openai.com',
        '/v1/responses',
      ],
      [
        'responses without one',
        'POST',
        '/v1/responses',
        { body: '{}', data: { responsesTarget: 'one' } },
        'https://api.openai.com',
        '/v1/responses',
      ],
      [
        'stored responses',
        'DELETE',
        '/v1/responses/resp_1',
        { data: { responsesTarget: 'one' } },
        'https://api.openai.com',
        '/v1/responses/resp_1',
      ],
      [
        'conversations',
        'POST',
        '/v1/conversations',
        { body: '{}', data: { responsesTarget: 'one' } },
        'https://api.openai.com',
        '/v1/conversations',
      ],
      [
        'stored completions',
        'GET',
        '/v1/chat/completions?limit=1',
        { data: { responsesTarget: 'one' } },
        'https://api.openai.com',
        '/v1/chat/completions?limit=1',
      ],
      [
        'one of them',
        'POST',
        '/v1/chat/completions/c1',
        { body: '{"metadata":{}}', data: { responsesTarget: 'one' } },
        'https://api.openai.com',
        '/v1/chat/completions/c1',
      ],
      [
        'model paths of a native API',
        'POST',
        '/v1/models/m:generate',
        { body: '{}', headers: { 'x-provider': 'openai' } },
        'https://api.openai.com',
        '/v1/models/m:generate',
      ],
      [
        'Groq’s path',
        'GET',
        '/openai/v1/files',
        { data: { batchTarget: 'one' } },
        'https://api.openai.com',
        '/v1/files',
      ],
      [
        'Azure’s path',
        'GET',
        '/openai/files?api-version=2024-10-21',
        { data: { batchTarget: 'one' } },
        'https://api.openai.com',
        '/v1/files',
      ],
    ]
  for (const [name, method, path, asked, origin, expected] of table)
    await t.test(name, () => {
      const { call, incoming } = ask(method, path, asked)
      assert.ok(call, `${incoming.status} ${incoming.body}`)
      assert.deepEqual([call.method, call.origin, call.path], [method, origin, expected])
    })
})

test('an alias in the body is written out, and so is the name of a provider; nothing else is touched', () => {
  const body = '{ "input" : "x",  "model" : "fast", "n":1.0 }'
  const { call, under, incoming } = ask('POST', '/v1/responses', { body, data: { aliases: { fast: 'gpt-4o' } } })
  assert.equal(call!.body.toString(), '{ "input" : "x",  "model" : "gpt-4o", "n":1.0 }')
  call!.answer(200, '{"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7},"user":null}')
  assert.equal(incoming.status, 200)
  const [record] = under.records
  assert.deepEqual(
    [record!.surface, record!.model, record!.target, record!.tokensIn, record!.tokensOut, record!.attempts],
    ['responses', 'gpt-4o', 'one', 3, 4, 1],
  )
  const named = ask('POST', '/v1/responses', { body: '{"model":"openai/gpt-4o"}' })
  assert.equal(named.call!.body.toString(), '{"model":"gpt-4o"}')
  const byHeader = ask('POST', '/v1/x', {
    body: '{"model":"fast"}',
    data: { aliases: { fast: 'm' } },
    headers: { 'x-provider': 'openai' },
  })
  assert.equal(byHeader.call!.body.toString(), '{"model":"m"}')
})

test('of the request’s headers only those that say something about it go on', () => {
  const { call } = ask('POST', '/v1/messages', {
    body: '{}',
    targets: all,
    headers: {
      'x-provider': 'anthropic',
      authorization: 'Bearer client-key',
      'anthropic-beta': 'files-api-2025-04-14',
      'user-agent': 'client/1',
      'x-forwarded-for': '10.0.0.1',
      accept: 'text/event-stream',
    },
  })
  const lines = call!.extraHeaders.split('\r\n').filter(line => line !== '' && !line.startsWith('traceparent'))
  assert.deepEqual(lines, [
    'accept: text/event-stream',
    'content-type: application/json',
    // What its API demands, as the client did not say.
    'anthropic-version: 2023-06-01',
    'anthropic-beta: files-api-2025-04-14',
  ])
  const own = ask('POST', '/v1/messages', {
    body: '{}',
    targets: all,
    headers: { 'x-provider': 'anthropic', 'anthropic-version': '2099-01-01' },
  })
  assert.match(own.call!.extraHeaders, /^anthropic-version: 2099-01-01$/m)
  assert.doesNotMatch(own.call!.extraHeaders, /2023-06-01/)
})

test('a header value that would begin another line does not go on', () => {
  const { call } = ask('GET', '/v1/x', { headers: { 'x-provider': 'openai', range: 'bytes=0-\r\nevil: 1' } })
  assert.doesNotMatch(call!.extraHeaders, /evil/)
})

test('any status and type goes back as it came, with an allow-list of its headers', () => {
  for (const status of [200, 201, 206, 302, 304, 404, 422, 500]) {
    const { call, incoming, under } = ask('GET', '/v1/x', { headers: { 'x-provider': 'openai' } })
    call!.answer(status, 'as it came', {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': 'attachment; filename="a.csv"',
      location: '/v1/y',
      'set-cookie': 'session=1',
      'openai-organization': 'org-1',
      'x-ratelimit-remaining-requests': '9',
    })
    assert.deepEqual([incoming.status, incoming.body], [status, 'as it came'])
    assert.match(incoming.headers, /^content-type: text\/csv; charset=utf-8\r$/m)
    assert.match(incoming.headers, /^x-gateway-provider: one\r$/m)
    assert.match(incoming.headers, /^content-disposition: attachment/m)
    assert.match(incoming.headers, /^location: \/v1\/y\r$/m)
    assert.match(incoming.headers, /^x-ratelimit-remaining-requests: 9\r$/m)
    assert.doesNotMatch(incoming.headers, /set-cookie|organization/)
    assert.equal(under.calls.length, 1, 'nothing is asked again')
    assert.equal(under.records[0]!.status, status)
    assert.equal(under.records[0]!.surface, 'passthrough')
  }
})

test('an answer’s head cannot bring lines of its own', () => {
  const { call, incoming } = ask('GET', '/v1/x', { headers: { 'x-provider': 'openai' } })
  call!.answer(200, 'x', { 'content-type': 'a/b\r\nevil: 1', location: '/\r\nevil: 1', etag: '"\u0100"' })
  assert.doesNotMatch(incoming.headers, /evil|etag/)
  assert.match(incoming.headers, /^content-type: application\/octet-stream\r$/m)
})

const secret = 'sk-of-the-gateway-0123456789+/='
const withSecret = { ...openai, settings: { ...openai.settings, apiKey: secret } }
const marker = '[REDACTED:GATEWAY_CREDENTIAL]'

test('the gateway’s credential is taken out of headers always, and out of answers that are no success', () => {
  const spellings = [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
    JSON.stringify(secret).slice(1, -1),
  ]
  for (const spelling of spellings) {
    const { call, incoming } = ask('GET', '/v1/x', { targets: [withSecret], headers: { 'x-provider': 'openai' } })
    const headers = { 'content-type': 'text/plain', location: `/x?key=${spelling}` }
    call!.head(401, headers)
    // Cut in the middle of it.
    call!.data(`you sent ${spelling.slice(0, 7)}`)
    call!.data(`${spelling.slice(7)}!`)
    call!.handler.onEnd()
    assert.equal(incoming.body, `you sent ${marker}!`)
    assert.match(incoming.headers, /^location: \/x\?key=\[REDACTED:GATEWAY_CREDENTIAL\]\r$/m)
    assert.equal(incoming.status, 401)
  }
})

test('an error that is too long, breaks off or does not end is replaced, not cut', t => {
  const envelope = { message: 'upstream request failed', type: 'server_error', code: 'upstream_error' }
  const begin = () => {
    const asked = ask('GET', '/v1/x', { targets: [withSecret], headers: { 'x-provider': 'openai' } })
    asked.call!.head(500, { 'content-type': 'text/html' })
    asked.call!.data(`<html>${secret.slice(0, 12)}`)
    return { incoming: asked.incoming, call: asked.call! }
  }
  const check = (incoming: FakeIncoming): void => {
    assert.equal(incoming.status, 500)
    assert.deepEqual(JSON.parse(incoming.body).error, envelope)
    assert.match(incoming.headers, /^content-type: application\/json\r$/m)
    assert.doesNotMatch(incoming.headers, /text\/html/)
  }
  const long = begin()
  long.call.data('x'.repeat(256 << 10))
  check(long.incoming)
  assert.equal(long.call.cancels, 1)

  const broken = begin()
  broken.call.handler.onFailure(new Failure('upstream_error'))
  check(broken.incoming)

  t.mock.timers.enable({ apis: ['setTimeout'] })
  const slow = begin()
  t.mock.timers.tick(15_000)
  check(slow.incoming)
  assert.equal(slow.call.cancels, 1)
})

test('what a success says is its own business', () => {
  const { call, incoming } = ask('GET', '/v1/x', { targets: [withSecret], headers: { 'x-provider': 'openai' } })
  call!.answer(200, `a key: ${secret}`)
  assert.equal(incoming.body, `a key: ${secret}`)
})

test('a connection that fails is a 502, and is not tried again', () => {
  const { call, incoming, under } = ask('GET', '/v1/x', { headers: { 'x-provider': 'openai' } })
  call!.handler.onFailure(new Failure('upstream_unreachable', { cause: 'ECONNREFUSED 10.0.0.7:443' }))
  assert.equal(codeOf(incoming), '502 upstream_error')
  assert.deepEqual(JSON.parse(incoming.body).error.message, 'upstream connection failed')
  assert.equal(JSON.parse(incoming.body).error.type, 'server_error')
  assert.equal(under.calls.length, 1)
  assert.equal(under.records[0]!.failure, 'proxy_failed')
})

test('a download that breaks off is cut, so that nobody takes it for whole', () => {
  const { call, incoming, under } = ask('GET', '/v1/files/f/content', { data: { batchTarget: 'one' } })
  call!.head(200, { 'content-type': 'application/octet-stream' })
  call!.data('half')
  call!.handler.onFailure(new Failure('upstream_error'))
  assert.deepEqual(incoming.ends, ['abort'])
  assert.equal(under.records[0]!.surface, 'files')
})

test('a client that reads slowly holds up the download', () => {
  const { call, incoming } = ask('GET', '/v1/files/f/content', { data: { batchTarget: 'one' } })
  call!.head(200, { 'content-type': 'application/octet-stream' })
  incoming.isBehind = true
  call!.data('a')
  assert.equal(call!.pauses, 1)
  incoming.isBehind = false
  incoming.listener.onDrain()
  assert.equal(call!.resumes, 1)
})

test('a client that leaves ends the call, in whichever direction it was going', () => {
  const download = ask('GET', '/v1/files/f/content', { data: { batchTarget: 'one' } })
  download.call!.head(200, {})
  download.incoming.listener.onCancel()
  assert.equal(download.call!.cancels, 1)
  assert.equal(download.under.records[0]!.failure, 'client_canceled')

  const upload = startUpload()
  upload.incoming.listener.onBody(Buffer.from('part'), false)
  upload.incoming.listener.onCancel()
  assert.equal(upload.under.calls[0]!.cancels, 1)
})

function startUpload(headers: Record<string, string> = {}) {
  const under = new PipelineUnderTest({ batchTarget: 'one' })
  const incoming = new FakeIncoming('POST', '/v1/files', {
    'content-type': 'multipart/form-data; boundary=x',
    ...headers,
  })
  incoming.listener = under.pipeline.accept(incoming)
  return { under, incoming }
}

test('an upload goes on piece by piece, as fast as the upstream takes it', () => {
  const { under, incoming } = startUpload({ 'content-length': '9' })
  incoming.listener.onBody(Buffer.from('abc'), false)
  const call = under.calls[0]!
  assert.equal(call.uploadBytes, 9)
  assert.equal(call.uploaded.toString(), 'abc')
  call.isFull = true
  incoming.listener.onBody(Buffer.from('def'), false)
  assert.equal(incoming.holds, 1)
  call.isFull = false
  call.handler.onRoom!()
  assert.equal(incoming.bodyResumes, 1)
  incoming.listener.onBody(Buffer.from('ghi'), true)
  assert.equal(call.uploaded.toString(), 'abcdefghi')
  assert.equal(call.hasEnded, true)
  call.answer(200, '{"id":"file-1"}')
  assert.equal(incoming.body, '{"id":"file-1"}')
  assert.equal(under.records[0]!.requestBytes, 9)
})

test('an upload of unknown length is one; an answer may overtake it', () => {
  const { under, incoming } = startUpload()
  incoming.listener.onBody(Buffer.from('abc'), false)
  const call = under.calls[0]!
  assert.equal(call.uploadBytes, -1)
  call.answer(413, '{"error":{"message":"too much"}}')
  assert.equal(incoming.status, 413)
  incoming.listener.onBody(Buffer.from('def'), true)
  assert.equal(call.uploaded.toString(), 'abc', 'nothing is written into a call that is over')
})

test('a JSON body above the limit streams where its target is known without it, and is refused elsewhere', () => {
  const data = { maxRequestBytes: 1000 }
  const send = (headers: Record<string, string>, more: Partial<SnapshotData> = {}) => {
    const under = new PipelineUnderTest({ ...data, ...more })
    const incoming = new FakeIncoming('POST', '/v1/responses', { 'content-type': 'application/json', ...headers })
    incoming.listener = under.pipeline.accept(incoming)
    for (let i = 0; i < 3; i++) incoming.listener.onBody(Buffer.alloc(600, 0x20), false)
    if (incoming.status === 0) incoming.listener.onBody(Buffer.from('{}'), true)
    return { under, incoming }
  }
  assert.equal(codeOf(send({}).incoming), '413 request_too_large')
  const named = send({ 'x-provider': 'openai' })
  assert.equal(named.under.calls[0]!.uploaded.length, 1802)
})

test('usage of a streamed response is read on the way, and its bytes go through as they came', () => {
  const { call, incoming, under } = ask('POST', '/v1/responses', { body: '{"model":"gpt-4o","stream":true}' })
  call!.head(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  assert.equal(incoming.status, 200, 'the head does not wait for the first event')
  const completed = JSON.stringify({
    type: 'response.completed',
    response: {
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 20,
        output_tokens_details: { reasoning_tokens: 5 },
        total_tokens: 30,
      },
    },
  })
  const text = `event: response.created\r\ndata: {}\r\n\r\n: odd comment\nevent: response.completed\ndata: ${completed}\n\n`
  for (let at = 0; at < text.length; at += 7) call!.data(text.slice(at, at + 7))
  call!.handler.onEnd()
  assert.equal(incoming.body, text)
  const [record] = under.records
  assert.deepEqual(
    [record!.tokensIn, record!.tokensOut, record!.tokensCacheRead, record!.tokensReasoning],
    [10, 20, 4, 5],
  )
})

test('events that cannot be read cost no byte of them', () => {
  const { call, incoming } = ask('POST', '/v1/responses', { body: '{"model":"gpt-4o","stream":true}' })
  call!.head(200, { 'content-type': 'text/event-stream' })
  const text = `data: {"usage":\n\ndata: ${'['.repeat(100_000)}"usage"\n\n`
  call!.data(text)
  call!.handler.onEnd()
  assert.equal(incoming.body, text)
  assert.deepEqual(incoming.ends, ['end'])
})

test('request_timeout bounds the wait for an answer, not the upload before it or what flows after', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const under = new PipelineUnderTest({ batchTarget: 'one', requestTimeoutMs: 1000 })
  const incoming = new FakeIncoming('POST', '/v1/files', { 'content-type': 'multipart/form-data; boundary=x' })
  incoming.listener = under.pipeline.accept(incoming)
  incoming.listener.onBody(Buffer.from('a'), false)
  t.mock.timers.tick(5000)
  assert.equal(incoming.status, 0)
  incoming.listener.onBody(Buffer.from('b'), true)
  t.mock.timers.tick(1001)
  assert.equal(codeOf(incoming), '504 gateway_timeout')
  assert.equal(under.calls[0]!.cancels, 1)
})

test('a deployment in the path is the model where the body names none', () => {
  const path = '/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21'
  const messages = '"messages":[{"role":"user","content":"Hi"}]'
  assert.equal(ask('POST', path, { body: `{${messages}}` }).call!.body.toString(), `{"model":"gpt-4o",${messages}}`)
  const own = `{"model":"gpt-4",${messages}}`
  const both = ask('POST', path, { body: own, targets: [{ ...openai, models: ['gpt-4o', 'gpt-4'] }] })
  assert.equal(both.call!.body.toString(), own)
  assert.equal(both.call!.path, '/v1/chat/completions')
  // https://learn.microsoft.com/azure/ai-services/openai/how-to/migration-javascript
  for (const nothing of ['""', 'null']) {
    const empty = ask('POST', path, { body: `{${messages},"model":${nothing}}` })
    assert.equal(empty.call!.body.toString(), `{${messages},"model":"gpt-4o"}`)
  }
})

test('a deployment in the path is the model of a form that names none, or an empty one', () => {
  const path = '/openai/deployments/whisper-1/audio/transcriptions?api-version=2024-10-21'
  const targets = [{ ...openai, models: ['whisper-1'] }]
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  const part = (name: string, text: string) => `--b\r\ncontent-disposition: form-data; name="${name}"${text}\r\n`
  const file = part('file', '; filename="a.mp3"\r\n\r\nsound')
  const model = (text: string) => part('model', `\r\n\r\n${text}`)
  const sent = (body: string): string => ask('POST', path, { body, headers, targets }).call?.body.toString() ?? ''
  const whole = `${model('whisper-1')}${file}--b--\r\n`
  for (const body of [`${file}--b--\r\n`, `${model('')}${file}--b--\r\n`, whole]) assert.equal(sent(body), whole)
  // Without the line break that ends it, an empty part is not ours to fill.
  assert.equal(sent(`--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n${file}--b--\r\n`), '')
})

test('api-key is a credential on the paths of clients that know no other, and on no other path', () => {
  const auth = { allowUnauthenticated: false, masterKeySha256: hash('sha256', 'the-master-key'), keys: null }
  const headers = { 'api-key': 'the-master-key' }
  assert.equal(ask('GET', '/openai/models', { headers, data: { auth } }).incoming.status, 200)
  assert.equal(codeOf(ask('GET', '/v1/models', { headers, data: { auth } }).incoming), '401 missing_api_key')
  const wrong = { 'api-key': 'another' }
  assert.equal(codeOf(ask('GET', '/openai/models', { headers: wrong, data: { auth } }).incoming), '401 invalid_api_key')
})

test('what each target’s provider can do is told by provider, never by alias or target', () => {
  const { incoming } = ask('GET', '/v1/capabilities', { targets: all })
  const { providers, image_response_formats: formats } = JSON.parse(incoming.body)
  assert.deepEqual(Object.keys(providers), ['openai', 'anthropic', 'openrouter', 'mistral', 'azure-openai'])
  assert.equal(Object.keys(providers.openai).length, 17)
  assert.deepEqual(new Set(Object.values(providers.openai)), new Set(['forward']))
  assert.equal(providers.anthropic.seed, 'unsupported')
  assert.equal(providers.anthropic.tools, 'translate')
  assert.equal(providers.mistral.seed, 'translate')
  assert.deepEqual(formats, { openrouter: ['b64_json'] })
})
