import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { tableProviders } from '../../providers/openai-compatible-table.ts'
import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { type FormPart, field, parseForm, writeForm } from '../../src/core/form.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import {
  Again,
  type Codec,
  type FormRequest,
  type Provider,
  RawBody,
  type StreamEvent,
  type TargetContext,
  type Usage,
} from '../../src/core/provider.ts'
import { tapUsage } from '../../src/core/stream-tap.ts'
import type { Call, Surface } from '../../src/core/surface.ts'
import { surfaces } from '../../src/surfaces/index.ts'
import { SseParser } from '../../src/upstream/framing/sse.ts'

/**
 * What every codec besides the chat's must satisfy, written once: the registry × its fixtures. A codec without fixtures
 * is a red test.
 */

/** A form is a list of parts, in fixtures; a text is one, as are bytes. */
interface Part {
  name: string
  filename?: string
  type?: string
  text: string
}
type Body = JsonObject | Part[]

interface RequestCase {
  name: string
  /** The others have their defaults. */
  settings: Record<string, string>
  target: { model: string; stream?: boolean }
  onUnsupportedParam?: 'warn' | 'drop' | 'reject'
  client: Body
  upstream: { url: string; auth: JsonObject; headers: JsonObject; body: Body }
  /** In place of `upstream`: nothing is sent. */
  failure?: { kind: string; param?: string; message: string }
}
interface Bytes {
  type: string
  text: string
}
interface ResponseCase {
  name: string
  model: string
  /** What the client asked, for codecs whose answers depend on it. */
  asked?: Body
  upstream: JsonObject
  client?: JsonObject
  /** In place of `client`. */
  bytes?: Bytes
  usage?: Partial<Usage>
  failure?: { kind: string; cause: string; upstreamStatus?: number }
  /** In place of an answer: the round trip that comes next. */
  again?: JsonObject
}
interface StreamCase {
  name: string
  model: string
  upstream: (JsonObject | string)[]
  client: JsonObject[]
  usage: Partial<Usage> | null
  failure?: string
}
interface FailureCase {
  name: string
  status: number
  body: JsonObject | null
  error: JsonObject
}

const folder = (provider: string, surface: string): URL =>
  // From the build output, which mirrors the tree one level down.
  new URL(`../../../test/fixtures/${provider}/${surface}/`, import.meta.url)

function fixture<T>(provider: string, surface: string, name: string): T {
  const url = new URL(`${name}.json`, folder(provider, surface))
  assert.ok(existsSync(url), `${provider} has a codec for ${surface} and no fixtures of ${name}`)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

const partOf = ({ name, filename = undefined, type = '', text }: Part): FormPart => ({
  ...field(name, text),
  filename: filename ?? null,
  contentType: type,
})

const written = ({ name, filename, contentType, bytes }: FormPart): Part => ({
  name,
  ...(filename !== null && { filename }),
  ...(contentType !== '' && { type: contentType }),
  text: Buffer.from(bytes).toString('utf8'),
})

const requestOf = (body: Body): JsonObject | FormRequest => (Array.isArray(body) ? { parts: body.map(partOf) } : body)

/** As a client sends it. */
function sent(body: Body): { bytes: Uint8Array; contentType: string } {
  if (!Array.isArray(body)) return { bytes: Buffer.from(JSON.stringify(body)), contentType: 'application/json' }
  return writeForm(body.map(partOf), 'client')
}

function read(bytes: Uint8Array, contentType: string): Body {
  const text = Buffer.from(bytes).toString('utf8')
  if (contentType === 'application/json') return JSON.parse(text) as JsonObject
  if (!contentType.startsWith('multipart/')) return { type: contentType, text }
  const parts = parseForm(bytes, contentType)
  assert.ok(!(parts instanceof Failure))
  return parts.map(written)
}

const context = (model: string, more: Partial<TargetContext> = {}): TargetContext => ({
  model,
  stream: false,
  settings: {},
  requestId: 'req1',
  nowMs: 1_767_225_605_432,
  ...more,
})

/** The request as the pipeline would send it. */
function encoded(codec: Codec<never>, call: Call, body: Uint8Array, target: TargetContext, hasChunks: boolean) {
  if (codec.encode === null) {
    const changes = { model: target.model, askForUsage: target.stream && hasChunks, tokenLimit: codec.tokenLimit }
    return read(call.splice(body, changes) ?? body, call.contentType || 'application/json')
  }
  const request = call.parse(body, target.model)
  assert.ok(request !== null)
  const before = structuredClone(request)
  const out: JsonObject | RawBody | Failure = codec.encode(request as never, { ...target, request })
  assert.deepEqual(structuredClone(request), before, 'the client’s request is left alone')
  return out instanceof RawBody ? read(out.bytes, out.contentType) : out
}

const sse = (events: readonly (JsonObject | string)[]): Buffer =>
  Buffer.from(events.map(event => (typeof event === 'string' ? `data: ${event}\n\n` : framed(event))).join(''))

function framed(event: JsonObject): string {
  const { event: name, ...data } = event
  return `${typeof name === 'string' ? `event: ${name}\n` : ''}data: ${JSON.stringify(data)}\n\n`
}

interface Read {
  chunks: JsonObject[]
  usage: Usage | null
  failure: string | null
}

function decoded(codec: Codec<never>, model: string, pieces: readonly Uint8Array[]): Read {
  const decoder = codec.events!(context(model, { stream: true }))
  const out: Read = { chunks: [], usage: null, failure: null }
  let isDone = false
  const take = (event: StreamEvent): void => {
    if (isDone || out.failure !== null) return
    const result = decoder.decode(event)
    if (result.kind === 'failure') out.failure = result.failure.details.cause ?? ''
    else if (result.kind === 'done') isDone = true
    else {
      out.chunks.push(...result.chunks)
      out.usage = result.usage ?? out.usage
    }
  }
  const parser = new SseParser({ maxBytes: 1 << 20 }, take)
  for (const piece of pieces) assert.equal(parser.push(piece), null)
  return out
}

/** The value with one of its nodes replaced by something odd, for every node in turn. */
function* spoilt(value: Json): Generator<Json> {
  for (const odd of [null, true, -1, '', 'x', [], [null], {}]) yield odd
  if (Array.isArray(value))
    for (let i = 0; i < value.length; i++) for (const item of spoilt(value[i])) yield value.toSpliced(i, 1, item)
  else if (isObject(value))
    for (const key of Object.keys(value)) for (const item of spoilt(value[key] ?? null)) yield { ...value, [key]: item }
}

const inTable = new Set(tableProviders)

/** Its voices are tested with its other surfaces. */
const speaksGemini: ReadonlySet<string> = new Set(['gemini', 'vertex-ai'])
/** Also in formats that are not OpenAI's. */
const walkedHere: ReadonlySet<string> = new Set(['imageEdits', 'speech', 'transcriptions', 'translations'])

for (const provider of providers)
  for (const surface of surfaces) {
    const codec: Codec<never> | undefined = provider.codecs[surface.id]
    // The chat has walks of its own, and so have the rows of the table and JSON in formats that are not OpenAI's.
    if (codec === undefined || surface.id === 'chat' || inTable.has(provider)) continue
    if (codec.relay === null && (!walkedHere.has(surface.id) || speaksGemini.has(provider.id))) continue
    walk(provider, surface, codec)
  }

function walk(provider: Provider, surface: Surface, codec: Codec<never>): void {
  const { id } = provider
  const of = `${id}, ${surface.id}`
  const defaults: Record<string, string> = {}
  for (const [name, setting] of Object.entries(provider.settings)) defaults[name] = setting.default ?? ''

  test(`${of}: requests go out as recorded`, () => {
    const cases = fixture<RequestCase[]>(id, surface.id, 'requests')
    for (const { name, settings: given, target, onUnsupportedParam, client, upstream, failure } of cases) {
      const settings = { ...defaults, ...given }
      const { bytes, contentType } = sent(client)
      const call = surface.read(bytes, { contentType })
      assert.ok(!(call instanceof Failure), `${name}: ${call instanceof Failure ? call.message : ''}`)
      assert.equal(call.stream, target.stream ?? false, name)
      const targetContext = context(target.model, { settings, stream: call.stream, onUnsupportedParam })
      const out = encoded(codec, call, bytes, targetContext, surface.streams === 'chunks')
      const asked = codec.encode === null ? null : call.parse(bytes, target.model)
      if (failure !== undefined) {
        assert.ok(out instanceof Failure, name)
        assert.deepEqual({ kind: out.kind, ...out.details }, failure, name)
        continue
      }
      assert.ok(!(out instanceof Failure), `${name}: ${out instanceof Failure ? out.message : ''}`)
      assert.deepEqual(JSON.parse(JSON.stringify(out)), upstream.body, name)
      const root = codec.root?.(targetContext) ?? provider.origin(settings)
      const request = asked === null ? {} : { request: asked }
      assert.equal(root + codec.path({ ...targetContext, ...request }), upstream.url, name)
      assert.deepEqual(provider.auth(settings), upstream.auth, name)
      assert.deepEqual({ ...codec.headers, ...provider.headers?.(settings) }, upstream.headers, name)
      if (target.model !== '') assert.ok(codec.serves?.(target.model) ?? true, `${name}: ${target.model} is served`)
      else assert.notEqual(codec.defaultModel, undefined, name)
    }
  })

  test(`${of}: answers come in as recorded`, () => {
    for (const { name, model, asked, upstream, client, bytes, usage, failure, again } of fixture<ResponseCase[]>(
      id,
      surface.id,
      'responses',
    )) {
      const request = asked && requestOf(asked)
      const answer = codec.decode(structuredClone(upstream), context(model, { request }))
      if (answer instanceof Again) {
        assert.deepEqual(JSON.parse(JSON.stringify(answer.trip)), again, name)
        continue
      }
      assert.equal(again, undefined, name)
      if (failure !== undefined) {
        assert.ok(answer instanceof Failure, name)
        const { kind, details } = answer
        assert.deepEqual(
          { upstreamStatus: undefined, kind, ...details },
          { upstreamStatus: undefined, ...failure },
          name,
        )
        continue
      }
      assert.ok(!(answer instanceof Failure), `${name}: ${answer instanceof Failure ? answer.details.cause : ''}`)
      assert.deepEqual(answer.usage, { ...noUsage, ...usage }, name)
      if (answer.body instanceof RawBody) {
        assert.deepEqual(
          { type: answer.body.contentType, text: Buffer.from(answer.body.bytes).toString() },
          bytes,
          name,
        )
        continue
      }
      assert.deepEqual(answer.body, client, name)
      if (codec.relay !== 'verbatim') continue
      assert.deepEqual(client, upstream, `${name}: what is relayed unread must need no change`)
      const tapped = tapUsage(Buffer.from(JSON.stringify(upstream)))
      // Tokens stand at the end of the answer; what is counted otherwise is for codecs to see.
      if (tapped !== null) assert.deepEqual({ ...tapped, images: answer.usage.images }, answer.usage, name)
    }
  })

  test(`${of}: every failure is read as recorded`, () => {
    for (const { name, status, body, error } of fixture<FailureCase[]>(id, surface.id, 'failures'))
      assert.deepEqual(codec.failure(status, body), error, name)
  })

  test(`${of}: no request and no body can make the codec throw`, () => {
    for (const { target, client } of fixture<RequestCase[]>(id, surface.id, 'requests')) {
      const odd: Body[] = Array.isArray(client)
        ? client.flatMap((part, i) => [client.toSpliced(i, 1), client.toSpliced(i, 1, { ...part, text: '' }), [part]])
        : [...spoilt(client)].filter(isObject)
      for (const body of odd) {
        const { bytes, contentType } = sent(body)
        const call = surface.read(bytes, { contentType })
        if (call instanceof Failure) continue
        encoded(codec, call, bytes, context(target.model, { stream: call.stream }), surface.streams === 'chunks')
      }
    }
    for (const { model, asked, upstream } of fixture<ResponseCase[]>(id, surface.id, 'responses')) {
      const request = asked && requestOf(asked)
      for (const body of spoilt(upstream)) if (isObject(body)) codec.decode(body, context(model, { request }))
      for (const odd of asked === undefined || Array.isArray(asked) ? [] : spoilt(asked))
        if (isObject(odd)) codec.decode(structuredClone(upstream), context(model, { request: odd }))
    }
    for (const { status, body } of fixture<FailureCase[]>(id, surface.id, 'failures'))
      for (const odd of spoilt(body))
        if (isObject(odd)) assert.equal(typeof codec.failure(status, odd).message, 'string')
  })

  if (surface.streams === null || codec.events === undefined) return

  test(`${of}: streams come in as recorded, wherever they are split`, () => {
    for (const { name, model, upstream, client, usage, failure } of fixture<StreamCase[]>(id, surface.id, 'streams')) {
      const bytes = sse(upstream)
      const whole = decoded(codec, model, [bytes])
      const counted = usage && { ...noUsage, ...usage }
      assert.deepEqual(whole, { chunks: client, usage: counted, failure: failure ?? null }, name)
      for (let cut = 0; cut <= bytes.length; cut++)
        assert.deepEqual(decoded(codec, model, [bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `${name}, ${cut}`)
      for (const [i, event] of upstream.entries())
        for (const odd of typeof event === 'string' ? [] : spoilt(event))
          decoded(codec, model, [sse(upstream.toSpliced(i, 1, isObject(odd) ? odd : JSON.stringify(odd)))])
    }
  })
}
