import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import {
  Again,
  type ChatCodec,
  type ChatRequest,
  type RoundTrip,
  type StreamEvent,
  type TargetContext,
  type Usage,
} from '../../src/core/provider.ts'
import { framings } from '../../src/upstream/framing/index.ts'
import { eventFrame, exceptionFrame } from '../support/event-stream.ts'

/** What every provider with a wire format of its own must satisfy, written once: the registry × its fixtures. */

interface RequestCase {
  name: string
  settings?: Record<string, string>
  target: { model: string; stream?: boolean; onUnsupportedParam?: TargetContext['onUnsupportedParam'] }
  client: ChatRequest
  upstream?: { url: string; auth: JsonObject; headers: JsonObject; body: JsonObject }
  failure?: { kind: string; param: string; message: string }
}
interface ResponseCase {
  name: string
  model: string
  stream?: boolean
  upstream: JsonObject
  client?: JsonObject
  /** Classes that are not named are 0. */
  usage?: Partial<Usage>
  /** A further round trip, in place of an answer. */
  again?: RoundTrip
  failure?: { kind: string; cause: string }
}
interface StreamCase {
  name: string
  model: string
  upstream: (JsonObject | string)[]
  client: JsonObject[]
  usage: Partial<Usage> | null
  finish: string[]
  failure?: { kind: string; cause: string; upstreamStatus?: number }
}
interface FinishReasons {
  /** With "$reason" where the reason stands. */
  answer: JsonObject
  events: JsonObject[]
  reasons: Record<string, string>
}
interface FailureCase {
  name: string
  status: number
  body: JsonObject | null
  error: JsonObject
}

function fixture<T>(provider: string, name: string): T {
  // From the build output, which mirrors the tree one level down.
  const url = new URL(`../../../test/fixtures/${provider}/chat/${name}.json`, import.meta.url)
  assert.ok(existsSync(url), `${provider} has a chat codec and no fixtures of ${name}`)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

const context = (model: string, stream: boolean): TargetContext => ({
  model,
  stream,
  settings: {},
  requestId: '0123456789abcdef0123456789abcdef',
  nowMs: 1_767_225_605_432,
})

/** Events named after their type, where they have one. */
const sse = (events: readonly (JsonObject | string)[], eol = '\n'): Buffer =>
  Buffer.from(
    events
      .map(event => {
        if (typeof event === 'string') return `${event}${eol}${eol}`
        const name = typeof event.type === 'string' ? `event: ${event.type}${eol}` : ''
        return `${name}data: ${JSON.stringify(event)}${eol}${eol}`
      })
      .join(''),
  )

/** As they go over the wire. In a binary stream an event is an object of one key, its name. */
function stream(codec: ChatCodec, events: readonly (JsonObject | string)[], eol = '\n'): Buffer {
  if (codec.framing === 'sse') return sse(events, eol)
  assert.equal(codec.framing, 'aws-event-stream')
  return Buffer.concat(
    events.map(event => {
      const [[name, payload] = ['', {}]] = Object.entries(isObject(event) ? event : {})
      const data = payload as object
      return name.startsWith('exception:') ? exceptionFrame(name.slice(10), data) : eventFrame(name, data)
    }),
  )
}

interface Read {
  chunks: JsonObject[]
  usage: Usage | null
  failure: StreamCase['failure'] | null
}

/** A stream through framing and codec, as the pipeline drives them. */
function decoded(codec: ChatCodec, model: string, pieces: readonly Uint8Array[], isWhole = true): Read {
  const decoder = codec.events(context(model, true))
  const read: Read = { chunks: [], usage: null, failure: null }
  let isDone = false
  const take = (event: StreamEvent): void => {
    if (isDone || read.failure !== null) return
    const result = decoder.decode(event)
    if (result.kind === 'done') isDone = true
    else if (result.kind === 'failure') {
      const { cause = '', upstreamStatus } = result.failure.details
      read.failure = { kind: result.failure.kind, cause, ...(upstreamStatus !== undefined && { upstreamStatus }) }
    } else {
      read.chunks.push(...result.chunks)
      read.usage = result.usage ?? read.usage
    }
  }
  const parser = framings[codec.framing]!.create({ maxBytes: 1 << 20 }, take)
  for (const piece of pieces) assert.equal(parser.push(piece), null)
  if (isWhole) assert.equal(parser.end(), null)
  const isFinished = isDone || finishOf(read.chunks).length > 0
  if (isWhole && isFinished && read.failure === null) read.chunks.push(...(decoder.end?.() ?? []))
  return read
}

const choicesOf = (chunks: readonly JsonObject[]): JsonObject[] =>
  chunks.flatMap(chunk => chunk.choices as JsonObject[])

const finishOf = (chunks: readonly JsonObject[]): unknown[] =>
  choicesOf(chunks)
    .map(choice => choice.finish_reason)
    .filter(reason => reason !== null)

/** What clients rely on in every stream, whatever it says. */
function assertContract(chunks: readonly JsonObject[], name: string): void {
  const [first] = chunks
  const seen = new Map<unknown, { finished: boolean; calls: string[] }>()
  for (const chunk of chunks) {
    assert.equal(chunk.object, 'chat.completion.chunk', name)
    for (const field of ['id', 'created', 'model']) assert.equal(chunk[field], first[field], name)
    for (const { index, delta, finish_reason } of chunk.choices as JsonObject[]) {
      assert.ok(isObject(delta), name)
      const choice = seen.get(index) ?? { finished: false, calls: [] }
      assert.equal(delta.role, seen.has(index) ? undefined : 'assistant', `${name}: the role, once`)
      seen.set(index, choice)
      assert.ok(!choice.finished, `${name}: nothing after the finish reason`)
      choice.finished = finish_reason !== null
      for (const call of (delta.tool_calls ?? []) as JsonObject[]) {
        const place = call.index as number
        const { name: called, arguments: said } = call.function as JsonObject
        assert.equal(typeof said, 'string', name)
        if (place === choice.calls.length) {
          assert.ok(call.id && call.type === 'function' && called, `${name}: a call begins with its id and name`)
          choice.calls.push('')
        } else assert.ok(place < choice.calls.length && call.id === undefined && called === undefined, name)
        choice.calls[place] += said
      }
    }
  }
  for (const { calls, finished } of seen.values())
    if (finished) for (const said of calls) assert.doesNotThrow(() => JSON.parse(said), `${name}: arguments are JSON`)
}

function replaced(value: Json, reason: string): Json {
  if (value === '$reason') return reason
  if (Array.isArray(value)) return value.map(item => replaced(item, reason))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaced(item ?? null, reason)]))
}

/** The value with one of its nodes replaced by something odd, for every node in turn. */
function* spoilt(value: Json): Generator<Json> {
  for (const odd of [null, true, -1, '', 'x', [], [null], {}]) yield odd
  if (Array.isArray(value))
    for (let i = 0; i < value.length; i++) for (const item of spoilt(value[i])) yield value.toSpliced(i, 1, item)
  else if (isObject(value))
    for (const key of Object.keys(value)) for (const item of spoilt(value[key] ?? null)) yield { ...value, [key]: item }
}

for (const provider of providers) {
  const codec = provider.codecs.chat
  if (codec === undefined || codec.relay !== null) continue
  const { id } = provider
  assert.ok(codec.encode !== null)
  /** Some speak to each model in the format of whoever made it. */
  const codecOf = (model: string): ChatCodec => codec.forModel?.(model) ?? codec
  const encode = (client: ChatRequest, target: TargetContext) =>
    codecOf(target.model).encode?.(client, target) ?? client

  test(`${id}: requests go out as recorded, and what can't is refused by name`, () => {
    for (const { name, settings = {}, target, client, upstream, failure } of fixture<RequestCase[]>(id, 'requests')) {
      const targetContext = { ...context(target.model, false), settings, ...target }
      const before = structuredClone(client)
      const encoded = encode(client, targetContext)
      assert.deepEqual(client, before, `${name}: the client’s request is left alone`)
      if (failure !== undefined) {
        assert.ok(encoded instanceof Failure, name)
        assert.deepEqual({ kind: encoded.kind, ...encoded.details }, failure, name)
        continue
      }
      assert.ok(!(encoded instanceof Failure), `${name}: ${encoded instanceof Failure && encoded.message}`)
      assert.deepEqual(JSON.parse(JSON.stringify(encoded)), upstream?.body, name)
      const own = codecOf(target.model)
      assert.equal(provider.origin(settings) + own.path(targetContext), upstream?.url, name)
      assert.deepEqual(provider.auth(settings), upstream?.auth, name)
      assert.deepEqual(
        { ...own.headers, ...own.headersFor?.(targetContext), ...provider.headers?.(settings) },
        upstream?.headers,
        name,
      )
    }
  })

  test(`${id}: answers come in as recorded`, () => {
    for (const { name, model, upstream, client, usage, ...more } of fixture<ResponseCase[]>(id, 'responses')) {
      const { stream = false, again, failure } = more
      const read = codecOf(model).decode(structuredClone(upstream), context(model, stream))
      if (read instanceof Again) {
        const { decode: _, events: __, ...trip } = read.trip
        assert.deepEqual(trip, again, name)
      } else if (failure === undefined) assert.deepEqual(read, { body: client, usage: { ...noUsage, ...usage } }, name)
      else {
        assert.ok(read instanceof Failure, name)
        assert.deepEqual({ kind: read.kind, ...read.details }, failure, name)
      }
    }
  })

  test(`${id}: streams come in as recorded, whatever their line ends`, () => {
    for (const { name, model, upstream, client, usage: used, finish, failure } of fixture<StreamCase[]>(
      id,
      'streams',
    )) {
      const usage = used && { ...noUsage, ...used }
      for (const eol of codecOf(model).framing === 'sse' ? ['\n', '\r\n', '\r'] : ['']) {
        const read = decoded(codecOf(model), model, [stream(codecOf(model), upstream, eol)])
        assert.deepEqual(read, { chunks: client, usage, failure: failure ?? null }, name)
      }
      assert.deepEqual(finishOf(client), finish, name)
      assertContract(client, name)
    }
  })

  test(`${id}: a stream split at any byte reads the same, and one that stops there adds nothing`, () => {
    for (const { name, model, upstream } of fixture<StreamCase[]>(id, 'streams')) {
      const bytes = stream(codecOf(model), upstream)
      const whole = decoded(codecOf(model), model, [bytes])
      for (let cut = 0; cut <= bytes.length; cut++) {
        const halves = [bytes.subarray(0, cut), bytes.subarray(cut)]
        assert.deepEqual(decoded(codecOf(model), model, halves), whole, `${name}, split at ${cut}`)
        const { chunks, failure } = decoded(codecOf(model), model, halves.slice(0, 1), false)
        assert.deepEqual(chunks, whole.chunks.slice(0, chunks.length), `${name}, cut at ${cut}`)
        if (failure !== null) assert.deepEqual(failure, whole.failure, `${name}, cut at ${cut}`)
      }
    }
  })

  test(`${id}: every finish reason means what it should, in answers and streams`, () => {
    const { answer, events, reasons } = fixture<FinishReasons>(id, 'finish-reasons')
    for (const [native, expected] of Object.entries(reasons)) {
      const read = codec.decode(replaced(answer, native) as JsonObject, context('m', false))
      assert.ok('body' in read)
      assert.deepEqual(finishOf([read.body]), [expected], native)
      const bytes = stream(
        codec,
        events.map(event => replaced(event, native) as JsonObject),
      )
      assert.deepEqual(finishOf(decoded(codec, 'm', [bytes]).chunks), [expected], native)
    }
  })

  test(`${id}: every failure is read as recorded`, () => {
    for (const { name, status, body, error } of fixture<FailureCase[]>(id, 'failures'))
      assert.deepEqual(codec.failure(status, body), error, name)
  })

  test(`${id}: no request, no body and no event can make the codec throw`, () => {
    for (const { target, client } of fixture<RequestCase[]>(id, 'requests'))
      for (const request of spoilt(client)) {
        // The surface sees to these two before a codec is asked.
        if (!isObject(request) || typeof request.model !== 'string' || !Array.isArray(request.messages)) continue
        const encoded = encode(request as ChatRequest, { ...context(target.model, false), ...target })
        assert.ok(encoded instanceof Failure || isObject(encoded))
      }
    for (const { model, stream = false, upstream } of fixture<ResponseCase[]>(id, 'responses'))
      for (const body of spoilt(upstream)) if (isObject(body)) codecOf(model).decode(body, context(model, stream))
    for (const { status, body } of fixture<FailureCase[]>(id, 'failures'))
      for (const odd of spoilt(body))
        if (isObject(odd)) assert.equal(typeof codec.failure(status, odd).message, 'string')
    for (const { name, model, upstream } of fixture<StreamCase[]>(id, 'streams'))
      upstream.forEach((event, i) => {
        if (typeof event === 'string') return
        for (const odd of spoilt(event)) {
          const spoiled = upstream.map((other, j) => (i === j ? asEvent(odd) : other))
          const { chunks } = decoded(codecOf(model), model, [stream(codecOf(model), spoiled)])
          for (const chunk of chunks) {
            assert.equal(chunk.object, 'chat.completion.chunk')
            assert.ok(Array.isArray(chunk.choices) && chunk.choices.every(isObject), name)
            for (const field of ['id', 'model']) assert.equal(typeof chunk[field], 'string')
          }
        }
      })
  })
}

const asEvent = (value: Json): JsonObject | string => (isObject(value) ? value : `data: ${JSON.stringify(value)}`)
