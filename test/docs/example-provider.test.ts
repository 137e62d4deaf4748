import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { build } from 'esbuild'
import { noUsage } from '../../src/core/chat.ts'
import { Failure } from '../../src/core/failures.ts'
import type { JsonObject, Provider, TargetContext } from '../../src/core/provider.ts'

/** The provider that docs/providers.md adds, and its fixtures there, in their order. */
const [, page = ''] = readFileSync('docs/providers.md', 'utf8').split('## Adding one')
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text)
const [requests, responses, streams, reasons, failures, vectors] = blocks('json').map(text => JSON.parse(text))

const source = { contents: blocks('ts')[0], resolveDir: 'providers', loader: 'ts' as const }
const { outputFiles } = await build({ stdin: source, bundle: true, format: 'esm', platform: 'node', write: false })
const module = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString('base64')}`)
const provider: Provider = module.acme
const chat = provider.codecs.chat!

const context = (more: Partial<TargetContext> = {}): TargetContext => ({
  model: 'acme-large',
  stream: false,
  settings: {},
  requestId: 'r1',
  nowMs: 0,
  ...more,
})

/** The bundle has classes of its own: a failure is known by what it is made of. */
const isFailure = (value: object): value is Failure => value instanceof Failure || 'kind' in value

test('the example of the page sends what its fixtures say', () => {
  for (const { target, client, upstream, failure, onUnsupportedParam } of requests) {
    const encoded: object = chat.encode!(client, context({ ...target, onUnsupportedParam }))
    if (failure === undefined) assert.deepEqual(encoded, upstream.body)
    else {
      assert.ok(isFailure(encoded))
      assert.deepEqual({ kind: encoded.kind, ...encoded.details }, failure)
    }
  }
})

test('the example of the page reads what its fixtures say', () => {
  const read = (codec: Pick<typeof chat, 'decode'>, { upstream, client, usage, failure, model, asked }: JsonObject) => {
    const answer: object = codec.decode(
      upstream as JsonObject,
      context({ model: String(model), request: asked as JsonObject }),
    )
    if (failure === undefined) assert.deepEqual(answer, { body: client, usage: { ...noUsage, ...(usage as object) } })
    else {
      assert.ok(isFailure(answer))
      assert.deepEqual({ kind: answer.kind, ...answer.details }, failure)
    }
  }
  for (const fixture of responses) read(chat, fixture)
  for (const fixture of vectors) read(provider.codecs.embeddings as typeof chat, fixture)
  for (const { status, body, error } of failures) assert.deepEqual(chat.failure(status, body), error)
  for (const [native, expected] of Object.entries(reasons)) {
    const answer = chat.decode({ choices: [{ message: { content: 'x' }, finish_reason: native }] }, context())
    assert.ok('body' in answer)
    const [choice] = answer.body.choices as JsonObject[]
    assert.equal(choice?.finish_reason, expected)
  }
})

test('the streams of the example come in as its fixtures say', () => {
  for (const { upstream, client, failure } of streams) {
    const decoder = chat.events(context({ stream: true }))
    const chunks: JsonObject[] = []
    let cause: string | undefined
    for (const event of upstream) {
      if (typeof event === 'string' && event.startsWith(':')) continue
      const decoded = decoder.decode({ event: '', data: typeof event === 'string' ? event : JSON.stringify(event) })
      if (decoded.kind === 'chunks') chunks.push(...decoded.chunks)
      if (decoded.kind === 'failure') cause = decoded.failure.details.cause
    }
    assert.deepEqual(chunks, client)
    assert.equal(cause, failure)
  }
})
