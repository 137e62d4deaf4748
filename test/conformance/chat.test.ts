import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { tableProviders } from '../../providers/openai-compatible-table.ts'
import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../src/core/json.ts'
import { type ChatChanges, scanObject, spliceChat, TopLevel } from '../../src/core/json-scan.ts'
import type { ChatCodec, ChatRequest, StreamEvent, TargetContext, Usage } from '../../src/core/provider.ts'
import { isUsageOnly, StreamTap, tapUsage } from '../../src/core/stream-tap.ts'
import { SseParser } from '../../src/upstream/framing/sse.ts'

/**
 * What every provider that speaks OpenAI's chat must satisfy, written once: the registry × its fixtures. A codec without
 * fixtures is a red test.
 */

interface RequestCase {
  name: string
  /** The others have their defaults. */
  settings: Record<string, string>
  target: { model: string; stream: boolean }
  onUnsupportedParam?: 'warn' | 'drop' | 'reject'
  client: ChatRequest
  upstream: { url: string; auth: JsonObject; headers: JsonObject; body: JsonObject }
  /** In place of `upstream`: nothing is sent. */
  failure?: { kind: string; param: string; message: string }
}
interface ResponseCase {
  name: string
  model: string
  upstream: JsonObject
  client?: JsonObject
  /** Classes that are not named are 0. */
  usage?: Partial<Usage>
  failure?: { kind: string; cause: string; upstreamStatus?: number }
}
interface StreamCase {
  name: string
  model: string
  /** Data of the events; a text that begins with `:` is a comment. */
  upstream: (JsonObject | string)[]
  client: JsonObject[]
  usage: Partial<Usage> | null
  finish: string[]
  failure?: string
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
  requestId: 'req1',
  nowMs: 1_767_225_605_432,
})

const sse = (events: readonly (JsonObject | string)[], eol = '\n'): Buffer =>
  Buffer.from(events.map(event => line(event) + eol + eol).join(''))

const line = (event: JsonObject | string): string =>
  typeof event !== 'string' ? `data: ${JSON.stringify(event)}` : event.startsWith(':') ? event : `data: ${event}`

interface Read {
  chunks: JsonObject[]
  usage: Usage | null
  done: boolean
  failure: string | null
}

/** A stream through framing and codec, as the pipeline drives them. */
function decoded(codec: ChatCodec, model: string, pieces: readonly Uint8Array[]): Read {
  const decoder = codec.events(context(model, true))
  const read: Read = { chunks: [], usage: null, done: false, failure: null }
  const take = (event: StreamEvent): void => {
    if (read.done || read.failure !== null) return
    const result = decoder.decode(event)
    if (result.kind === 'failure') read.failure = result.failure.details.cause ?? ''
    else if (result.kind === 'done') read.done = true
    else {
      read.chunks.push(...result.chunks)
      read.usage = result.usage ?? read.usage
    }
  }
  const parser = new SseParser({ maxBytes: 1 << 20 }, take)
  for (const piece of pieces) assert.equal(parser.push(piece), null)
  return read
}

function tapped(pieces: readonly Uint8Array[], withholdUsage: boolean) {
  let forwarded = ''
  const tap = new StreamTap({
    withholdUsage,
    maxEventBytes: 1 << 20,
    forward: bytes => (forwarded += Buffer.from(bytes).toString('latin1')),
  })
  for (const piece of pieces) tap.push(piece)
  const failure = tap.end()
  return { forwarded, usage: tap.usage, done: tap.done, failure: failure?.details.cause ?? null }
}

const finishOf = (chunks: readonly JsonObject[]): unknown[] =>
  chunks
    .flatMap(chunk => chunk.choices as JsonObject[])
    .map(choice => choice.finish_reason)
    .filter(reason => reason !== null)

const inTable = new Set(tableProviders)

for (const provider of providers) {
  const codec = provider.codecs.chat
  // Native wire formats have a walk of their own, and so have the rows of the table.
  if (codec === undefined || codec.relay === null || inTable.has(provider)) continue
  const { id } = provider
  const defaults: Record<string, string> = {}
  for (const [name, setting] of Object.entries(provider.settings)) defaults[name] = setting.default ?? ''

  test(`${id}: requests go out as recorded`, () => {
    const top = new TopLevel()
    for (const { name, settings: given, target, client, upstream, ...more } of fixture<RequestCase[]>(id, 'requests')) {
      const settings = { ...defaults, ...given }
      const { onUnsupportedParam, failure } = more
      const targetContext = { ...context(target.model, target.stream), settings, onUnsupportedParam }
      if (failure !== undefined) {
        const refused: JsonObject | Failure | undefined = codec.encode?.(client, targetContext)
        assert.ok(refused instanceof Failure, name)
        assert.deepEqual({ kind: refused.kind, ...refused.details }, failure, name)
        continue
      }
      assert.equal(provider.origin(settings) + codec.path(targetContext), upstream.url, name)
      assert.deepEqual(provider.auth(settings), upstream.auth, name)
      assert.deepEqual(
        { ...codec.headers, ...codec.headersFor?.(targetContext), ...provider.headers?.(settings) },
        upstream.headers,
        name,
      )
      if (codec.encode !== null) {
        const before = structuredClone(client)
        assert.deepEqual(codec.encode(client, targetContext), upstream.body, name)
        assert.deepEqual(client, before, `${name}: the client's request is left alone`)
        continue
      }
      const bytes = Buffer.from(JSON.stringify(client))
      assert.equal(scanObject(bytes, 0, bytes.length, top), null)
      const changes: ChatChanges = { model: target.model, includeUsage: target.stream, tokenLimit: codec.tokenLimit }
      const sent: Uint8Array = spliceChat(bytes, 0, bytes.length, top, changes) ?? bytes
      assert.deepEqual(JSON.parse(Buffer.from(sent).toString('utf8')), upstream.body, name)
    }
  })

  test(`${id}: answers come in as recorded`, () => {
    for (const { name, model, upstream, client, usage, failure } of fixture<ResponseCase[]>(id, 'responses')) {
      const read = codec.decode(structuredClone(upstream), context(model, false))
      if (failure !== undefined) {
        assert.ok(read instanceof Failure, name)
        assert.deepEqual(
          { upstreamStatus: undefined, kind: read.kind, ...read.details },
          { upstreamStatus: undefined, ...failure },
          name,
        )
        continue
      }
      assert.ok(!(read instanceof Failure), name)
      assert.deepEqual(read, { body: client, usage: { ...noUsage, ...usage } }, name)
      if (codec.relay === 'verbatim') {
        assert.deepEqual(client, upstream, `${name}: what is relayed unread must need no change`)
        assert.deepEqual(tapUsage(Buffer.from(JSON.stringify(upstream))), { ...noUsage, ...usage }, name)
      }
    }
  })

  test(`${id}: streams come in as recorded, whatever their line ends`, () => {
    for (const { name, model, upstream, client, usage: used, finish, failure } of fixture<StreamCase[]>(
      id,
      'streams',
    )) {
      const usage = used && { ...noUsage, ...used }
      for (const eol of ['\n', '\r\n', '\r']) {
        const read = decoded(codec, model, [sse(upstream, eol)])
        const done = upstream.at(-1) === '[DONE]'
        assert.deepEqual(read, { chunks: client, usage, done, failure: failure ?? null }, name)
        assert.deepEqual(finishOf(read.chunks), finish, name)
        if (codec.relay !== 'verbatim') continue
        for (const withholdUsage of [false, true]) {
          const kept = upstream.filter(
            event => typeof event === 'string' || !(event.error || (withholdUsage && isUsageOnly(event))),
          )
          const begins = finish.length > 0 || client.length > 0
          const forwarded = begins ? sse(kept, eol).toString('latin1') : ''
          assert.deepEqual(
            tapped([sse(upstream, eol)], withholdUsage),
            { forwarded, usage, done, failure: failure ?? null },
            name,
          )
        }
      }
    }
  })

  test(`${id}: a stream split at any byte reads the same, and one that stops there adds nothing`, () => {
    for (const { name, model, upstream } of fixture<StreamCase[]>(id, 'streams')) {
      const bytes = sse(upstream)
      const whole = decoded(codec, model, [bytes])
      const relayed = tapped([bytes], true)
      for (let cut = 0; cut <= bytes.length; cut++) {
        const halves = [bytes.subarray(0, cut), bytes.subarray(cut)]
        assert.deepEqual(decoded(codec, model, halves), whole, `${name}, split at ${cut}`)
        assert.deepEqual(tapped(halves, true), relayed, `${name}, split at ${cut}`)
        const { chunks, failure } = decoded(codec, model, halves.slice(0, 1))
        assert.deepEqual(chunks, whole.chunks.slice(0, chunks.length), `${name}, cut at ${cut}`)
        if (failure !== null) assert.equal(failure, whole.failure, `${name}, cut at ${cut}`)
        const { forwarded } = tapped(halves.slice(0, 1), true)
        assert.ok(relayed.forwarded.startsWith(forwarded), `${name}, cut at ${cut}`)
      }
    }
  })

  test(`${id}: every finish reason means what it should, in answers and streams`, () => {
    for (const [native, expected] of Object.entries(fixture<Record<string, string>>(id, 'finish-reasons'))) {
      const choice = { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: native }
      const read = codec.decode({ id: 'a', created: 1, model: 'm', choices: [choice] }, context('m', false))
      assert.ok('body' in read)
      assert.deepEqual(finishOf([read.body]), [expected], native)
      const event = { id: 'a', created: 1, model: 'm', choices: [{ index: 0, delta: {}, finish_reason: native }] }
      assert.deepEqual(finishOf(decoded(codec, 'm', [sse([event])]).chunks), [expected], native)
    }
  })

  test(`${id}: every failure is read as recorded`, () => {
    for (const { name, status, body, error } of fixture<FailureCase[]>(id, 'failures'))
      assert.deepEqual(codec.failure(status, body), error, name)
  })

  test(`${id}: no body and no event can make the codec throw`, () => {
    const odd = [null, true, 0, -1, '', 'x', [], [null], {}, { length: -1 }]
    const keys = [
      'id',
      'created',
      'model',
      'choices',
      'usage',
      'error',
      'message',
      'detail',
      'errors',
      'x_groq',
      'type',
      'object',
    ]
    const inner = ['index', 'delta', 'message', 'finish_reason', 'error']
    const deepest = ['role', 'content', 'tool_calls', 'reasoning', 'reasoning_content']
    const bodies: JsonObject[] = []
    for (const value of odd) {
      for (const key of keys) bodies.push({ choices: [], [key]: value })
      for (const key of inner) bodies.push({ choices: [{ [key]: value }] })
      for (const key of deepest) bodies.push({ choices: [{ delta: { [key]: value }, message: { [key]: value } }] })
      for (const key of ['type', 'text', 'thinking', 'summary']) {
        const parts = { content: [{ type: key === 'summary' ? 'reasoning' : 'thinking', [key]: value }, value] }
        bodies.push({ choices: [{ delta: parts, message: parts }] })
      }
      for (const key of ['id', 'index', 'type', 'function', 'custom']) {
        const call = { tool_calls: [{ [key]: value }, value] }
        bodies.push({ choices: [{ delta: call, message: call }] })
      }
    }
    for (const body of bodies) {
      codec.failure(500, structuredClone(body))
      codec.decode(structuredClone(body), context('m', false))
      const { chunks } = decoded(codec, 'm', [sse([body, body])])
      for (const chunk of chunks) {
        assert.equal(chunk.object, 'chat.completion.chunk')
        assert.ok(Array.isArray(chunk.choices) && chunk.choices.every(isObject))
        for (const field of ['id', 'model']) assert.equal(typeof chunk[field], 'string')
        assert.equal(typeof chunk.created, 'number')
      }
    }
    for (const text of odd.map(value => JSON.stringify(value))) decoded(codec, 'm', [sse([text, text])])
  })
}
