import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { providers } from '../../providers/index.ts'
import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'
import {
  Again,
  type Codec,
  type Codecs,
  RawBody,
  type RoundTrip,
  type TargetContext,
  type Usage,
} from '../../src/core/provider.ts'

/** What every provider with a wire format of its own must satisfy where nothing streams: the registry × its fixtures. */

const surfaces = ['embeddings', 'images', 'rerank'] as const satisfies (keyof Codecs)[]

interface RequestCase {
  name: string
  settings?: Record<string, string>
  target: { model: string; onUnsupportedParam?: TargetContext['onUnsupportedParam'] }
  client: JsonObject
  upstream?: { url: string; headers: JsonObject; body: JsonObject }
  failure?: { kind: string; param: string; message: string }
}
interface ResponseCase {
  name: string
  model: string
  /** What the client asked. */
  request: JsonObject
  /** The answer, or in turn those to each round trip. `bytes`, in base64, stand for one that is not JSON. */
  upstream: JsonObject | JsonObject[]
  /** The round trips after the first. */
  again?: RoundTrip[]
  client?: JsonObject
  /** Classes that are not named are 0. */
  usage?: Partial<Usage>
  failure?: { kind: string; cause: string }
}
interface FailureCase {
  name: string
  status: number
  body: JsonObject | null
  error: JsonObject
}

function fixture<T>(provider: string, surface: string, name: string): T {
  // From the build output, which mirrors the tree one level down.
  const url = new URL(`../../../test/fixtures/${provider}/${surface}/${name}.json`, import.meta.url)
  assert.ok(existsSync(url), `${provider} has a codec for ${surface} and no fixtures of ${name}`)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

const context = (model: string, request: JsonObject): TargetContext => ({
  model,
  request,
  stream: false,
  settings: {},
  requestId: '0123456789abcdef0123456789abcdef',
  nowMs: 1_767_225_605_432,
})

/** The value with one of its nodes replaced by something odd, for every node in turn. */
function* spoilt(value: Json): Generator<Json> {
  for (const odd of [null, true, -1, '', 'x', [], [null], {}]) yield odd
  if (Array.isArray(value)) {
    for (let i = 0; i < Math.min(value.length, 5); i++)
      for (const item of spoilt(value[i])) yield value.toSpliced(i, 1, item)
  } else if (isObject(value))
    for (const key of Object.keys(value)) for (const item of spoilt(value[key] ?? null)) yield { ...value, [key]: item }
}

const answersOf = ({ upstream }: ResponseCase): JsonObject[] => (Array.isArray(upstream) ? upstream : [upstream])

type Settled = Exclude<ReturnType<Codec['decode']>, Again>

/** Answers to one round trip after the other, until there is nothing more to ask. */
function settle(codec: Codec, recorded: ResponseCase): { read: Settled; trips: RoundTrip[] } {
  const target = context(recorded.model, recorded.request)
  const trips: RoundTrip[] = []
  let decode: RoundTrip['decode'] = codec.decode
  let decodeBytes: RoundTrip['decodeBytes'] = codec.decodeBytes
  for (const answer of answersOf(recorded)) {
    const read: ReturnType<Codec['decode']> =
      typeof answer.bytes === 'string' && typeof answer.contentType === 'string'
        ? decodeBytes!(new RawBody(answer.contentType, Buffer.from(answer.bytes, 'base64')), target)
        : decode!(structuredClone(answer), target)
    if (!(read instanceof Again)) return { read, trips }
    const { decode: then, decodeBytes: thenBytes, events: _, ...trip }: RoundTrip = read.trip
    decode = then ?? codec.decode
    decodeBytes = thenBytes ?? codec.decodeBytes
    trips.push(trip)
  }
  return { read: { body: {}, usage: noUsage }, trips }
}

for (const provider of providers)
  for (const surface of surfaces) {
    const codec = provider.codecs[surface]
    if (codec === undefined || codec.relay !== null) continue
    const { id } = provider
    assert.ok(codec.encode !== null)
    const spokenTo = (model: string): Codec => codec.forModel?.(model) ?? codec

    test(`${id} ${surface}: requests go out as recorded, and what can't is refused by name`, () => {
      for (const { name, settings = {}, target, client, upstream, failure } of fixture<RequestCase[]>(
        id,
        surface,
        'requests',
      )) {
        const targetContext = { ...context(target.model, client), settings, ...target }
        const before = structuredClone(client)
        const spoken = spokenTo(target.model)
        const encoded = spoken.encode!(client, targetContext)
        assert.deepEqual(client, before, `${name}: the client’s request is left alone`)
        if (failure !== undefined) {
          assert.ok(encoded instanceof Failure, name)
          assert.deepEqual({ kind: encoded.kind, ...encoded.details }, failure, name)
          continue
        }
        assert.ok(!(encoded instanceof Failure), `${name}: ${encoded instanceof Failure && encoded.message}`)
        assert.deepEqual(JSON.parse(JSON.stringify(encoded)), upstream?.body, name)
        const root: string = spoken.root?.(targetContext) ?? provider.origin(settings)
        assert.equal(root + spoken.path(targetContext), upstream?.url, name)
        assert.deepEqual({ ...spoken.headers, ...spoken.headersFor?.(targetContext) }, upstream?.headers, name)
      }
    })

    test(`${id} ${surface}: answers come in as recorded`, () => {
      for (const recorded of fixture<ResponseCase[]>(id, surface, 'responses')) {
        const { name, client, usage, failure, again = [] } = recorded
        const { read, trips } = settle(spokenTo(recorded.model), recorded)
        assert.deepEqual(JSON.parse(JSON.stringify(trips)), again, name)
        if (failure !== undefined) {
          assert.ok(read instanceof Failure, name)
          assert.deepEqual({ kind: read.kind, ...read.details }, failure, name)
        } else if (client !== undefined) assert.deepEqual(read, { body: client, usage: { ...noUsage, ...usage } }, name)
      }
    })

    test(`${id} ${surface}: every failure is read as recorded`, () => {
      for (const { name, status, body, error } of fixture<FailureCase[]>(id, surface, 'failures'))
        assert.deepEqual(codec.failure(status, body), error, name)
    })

    test(`${id} ${surface}: no request and no body can make the codec throw`, () => {
      for (const { target, client } of fixture<RequestCase[]>(id, surface, 'requests'))
        for (const request of spoilt(client)) {
          if (!isObject(request)) continue
          const encoded = spokenTo(target.model).encode!(request, { ...context(target.model, request), ...target })
          assert.ok(encoded instanceof Failure || isObject(encoded))
        }
      for (const recorded of fixture<ResponseCase[]>(id, surface, 'responses')) {
        const [answer] = answersOf(recorded)
        for (const first of spoilt(answer))
          if (isObject(first)) spokenTo(recorded.model).decode(first, context(recorded.model, recorded.request))
        for (const request of spoilt(recorded.request))
          if (isObject(request)) spokenTo(recorded.model).decode(answer, context(recorded.model, request))
      }
    })
  }
