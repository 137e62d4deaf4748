import assert from 'node:assert/strict'
import { test } from 'node:test'
import { demo } from '../../providers/demo.ts'
import { noUsage } from '../../src/core/chat.ts'
import type { Failure } from '../../src/core/failures.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { StreamTap } from '../../src/core/stream-tap.ts'
import { createLocalOrigin } from '../../src/upstream/local.ts'
import type { UpstreamCall, UpstreamHandler, UpstreamRequest } from '../../src/upstream/upstream.ts'

const answer = demo.answer!
const origin = createLocalOrigin('demo', answer, { intervalMs: 1 })

const request = (
  body: unknown,
  path = '/chat/completions',
  method = 'POST',
  more: Partial<UpstreamRequest> = {},
): UpstreamRequest => ({
  head: origin.prepare(method, path, []),
  trace: null,
  spanId: '',
  extraHeaders: '',
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  maxBodyBytes: 1 << 20,
  firstByteTimeoutMs: 0,
  idleTimeoutMs: 0,
  totalTimeoutMs: 0,
  ...more,
})

interface Seen {
  status: number
  type: string
  text: string
  reads: number
  sent: number
  failure: Failure | null
}

function ask(sent: UpstreamRequest, on: { data?: (call: () => UpstreamCall) => void } = {}): Promise<Seen> {
  return new Promise(resolve => {
    const seen: Seen = { status: 0, type: '', text: '', reads: 0, sent: 0, failure: null }
    const handler: UpstreamHandler = {
      onSent: () => void seen.sent++,
      onHead(status, headers, whole) {
        seen.status = status
        seen.type = headers.get('content-type')
        if (whole !== null) {
          assert.equal(headers.contentLength, whole.length)
          seen.text = Buffer.from(whole).toString()
        }
      },
      onData(chunk) {
        seen.reads++
        seen.text += Buffer.from(chunk).toString()
        on.data?.(() => call)
      },
      onEnd: () => resolve(seen),
      onFailure(failure) {
        seen.failure = failure
        resolve(seen)
      },
    }
    const call = origin.send(sent, handler)
  })
}

const hello = { model: 'any', messages: [{ role: 'user', content: 'Is  anyone\nthere?' }] }
const chunksOf = (text: string): JsonObject[] =>
  text
    .split('\n\n')
    .filter(part => part.startsWith('data: {'))
    .map(part => JSON.parse(part.slice(6)))

type Delta = {
  choices: { index: number; delta: { content?: string; role?: string }; finish_reason: string | null }[]
  usage?: JsonObject
}
const contentOf = (text: string, index = 0): string =>
  (chunksOf(text) as unknown as Delta[])
    .flatMap(chunk => chunk.choices)
    .filter(choice => choice.index === index)
    .map(choice => choice.delta.content ?? '')
    .join('')

test('the demo says what it is, what to do, and what was said', async () => {
  const { status, type, text, sent } = await ask(request(hello))
  const body = JSON.parse(text)
  assert.equal(status, 200)
  assert.equal(sent, 1)
  assert.equal(type, 'application/json')
  assert.equal(body.object, 'chat.completion')
  assert.equal(body.model, 'any')
  assert.match(body.choices[0].message.content, /demo provider.*“Is anyone there\?”.*OPENAI_API_KEY/)
  assert.equal(body.choices[0].finish_reason, 'stop')
  assert.equal(body.usage.total_tokens, body.usage.prompt_tokens + body.usage.completion_tokens)
  assert.ok(body.usage.prompt_tokens > 4 && body.usage.completion_tokens > 20)
})

test('a long message is echoed in part, and never cut inside a character', () => {
  for (const content of ['😀'.repeat(500), [{ type: 'text', text: 'y'.repeat(9999) }, { type: 'image_url' }]]) {
    const text = answer({ model: 'm', messages: [{ role: 'user', content }] })
    assert.ok(text.length < 700)
    assert.doesNotMatch(text, /\p{Surrogate}/u)
    assert.match(text, /…”/)
  }
})

test('messages of any odd shape get an answer', () => {
  for (const messages of [
    [],
    [null],
    ['x'],
    [{ role: 'user' }],
    [{ role: 'user', content: [null, 5, {}] }],
    [{ role: 'user', content: 7 }],
  ])
    assert.match(answer({ model: 'm', messages }), /demo provider/)
})

test('a stream is the answer in several reads, well formed for the tap', async () => {
  const whole = JSON.parse((await ask(request(hello))).text)
  const { type, text, reads } = await ask(request({ ...hello, stream: true, stream_options: { include_usage: true } }))
  assert.match(type, /^text\/event-stream/)
  assert.ok(reads > 10)
  assert.equal(contentOf(text), whole.choices[0].message.content)
  const tap = new StreamTap({ withholdUsage: true, maxEventBytes: 1 << 20, forward: () => {} })
  tap.push(Buffer.from(text))
  assert.equal(tap.end(), null)
  assert.equal(tap.done && tap.finished, true)
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = whole.usage
  assert.deepEqual(tap.usage, { ...noUsage, prompt, completion, total })
})

test('a stream has usage only when it was asked for', async () => {
  const { text } = await ask(request({ ...hello, stream: true }))
  assert.doesNotMatch(text, /"usage"/)
  assert.match(text, /data: \[DONE\]\n\n$/)
})

test('a ceiling cuts the answer and says length', async () => {
  for (const ceiling of [{ max_tokens: 3 }, { max_completion_tokens: 3, max_tokens: 9 }]) {
    const body = JSON.parse((await ask(request({ ...hello, ...ceiling }))).text)
    assert.equal(body.choices[0].finish_reason, 'length')
    assert.equal(body.usage.completion_tokens, 3)
    const { text } = await ask(request({ ...hello, ...ceiling, stream: true }))
    assert.equal(contentOf(text), body.choices[0].message.content)
    assert.match(text, /"finish_reason":"length"/)
  }
})

test('stop ends the answer before the word, and n gives several', async () => {
  const body = JSON.parse((await ask(request({ ...hello, stop: ['nowhere', ' demo'], n: 2 }))).text)
  assert.equal(body.choices.length, 2)
  for (const choice of body.choices) assert.equal(choice.message.content, "Hello! This is Ferrite's built-in")
  const { text } = await ask(request({ ...hello, stop: ' demo', n: 2, stream: true }))
  assert.equal(contentOf(text, 0), "Hello! This is Ferrite's built-in")
  assert.equal(contentOf(text, 1), contentOf(text, 0))
})

test('bad requests get the error envelope', async () => {
  const cases: [unknown, string | null][] = [
    ['{', null],
    ['[]', null],
    [{}, 'model'],
    [{ model: 'm' }, 'messages'],
    [{ model: 'm', messages: [] }, 'messages'],
    [{ model: 'm', messages: [5] }, 'messages[0]'],
    [{ ...hello, n: 0 }, 'n'],
    [{ ...hello, n: 1000 }, 'n'],
    [{ ...hello, max_tokens: 'x' }, 'max_tokens'],
    [{ ...hello, stop: 5 }, 'stop'],
  ]
  for (const [body, param] of cases) {
    const { status, text } = await ask(request(body))
    assert.equal(status, 400, text)
    assert.equal(JSON.parse(text).error.param, param)
    assert.equal(JSON.parse(text).error.type, 'invalid_request_error')
  }
  assert.equal((await ask(request(hello, '/embeddings'))).status, 404)
  assert.equal((await ask(request(hello, '/chat/completions', 'GET'))).status, 405)
})

test('the body may change once send has returned', async () => {
  const sent = request({ ...hello, stream: true })
  const answered = ask(sent)
  sent.body?.fill(0)
  assert.match(contentOf((await answered).text), /Is anyone there/)
})

test('a paused stream stands still, a resumed one goes on', async () => {
  let paused = 0
  const seen = await ask(request({ ...hello, stream: true }), {
    data(call) {
      if (paused++ !== 2) return
      call().pause()
      const atPause = paused
      // Another stream runs to its end meanwhile: the shared timer goes on.
      void ask(request({ ...hello, stream: true })).then(() => {
        assert.equal(paused, atPause)
        call().resume()
      })
    },
  })
  assert.match(seen.text, /\[DONE\]/)
})

test('after cancel nothing comes any more, and no timer is left', async () => {
  const events: string[] = []
  const call = origin.send(request({ ...hello, stream: true }), {
    onSent: () => events.push('sent'),
    onHead: () => events.push('head'),
    onData: () => events.push('data'),
    onEnd: () => events.push('end'),
    onFailure: () => events.push('failure'),
  })
  assert.deepEqual(events, ['sent', 'head', 'data'])
  assert.equal(origin.stats().open, 1)
  call.cancel()
  call.cancel()
  assert.equal(origin.stats().open, 0)
  await ask(request({ ...hello, stream: true }))
  assert.deepEqual(events, ['sent', 'head', 'data'])
})

test('limits of the call hold here as for any upstream', async () => {
  assert.equal((await ask(request(hello, undefined, undefined, { maxBodyBytes: 50 }))).failure?.kind, 'upstream_error')
  const stream = { ...hello, stream: true }
  assert.equal(
    (await ask(request(stream, undefined, undefined, { maxBodyBytes: 1000 }))).failure?.kind,
    'upstream_error',
  )
  assert.equal(
    (await ask(request(stream, undefined, undefined, { totalTimeoutMs: 3 }))).failure?.kind,
    'upstream_timeout',
  )
})
