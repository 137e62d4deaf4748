import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadInThread } from '../../src/config/load-in-thread.ts'
import { bootLoader } from '../../src/config/loader-thread.ts'
import { contentHash } from '../../src/config/watch.ts'
import { openKeyTable } from '../../src/shared/key-table.ts'
import { lines, providers } from './support.ts'

const worker = new URL('../../workers/config-loader.js', import.meta.url)

function file(t: TestContext, content: string): string {
  const path = mkdtempSync(join(tmpdir(), 'ferrite-load-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  writeFileSync(join(path, 'c.yaml'), content)
  return join(path, 'c.yaml')
}

test('a file is read and checked in the thread, with the hash of what was checked', async t => {
  const text = 'targets: [{virtual_key: openai}]\n'
  const { result, hash } = await loadInThread({ worker, file: file(t, text), providers })
  assert.ok(result.ok)
  assert.deepEqual(result.config, { targets: [{ virtual_key: 'openai' }] })
  assert.deepEqual(result.positions['targets[0]'], [1, 11])
  assert.equal(hash, contentHash(text))
})

test('the keys file of a config comes as a table, found beside the config', async t => {
  const path = file(t, 'auth: {keys_file: keys.jsonl}\ntargets: [{virtual_key: openai}]\n')
  const keysFile = join(dirname(path), 'keys.jsonl')
  const text = `${JSON.stringify({ id: 'ci', sha256: createHash('sha256').update('the key').digest('hex'), scopes: ['admin'] })}\n`
  writeFileSync(keysFile, text)
  const { result, keys } = await loadInThread({ worker, file: path, providers })
  assert.ok(result.ok)
  assert.ok(keys?.ok)
  assert.equal(keys.hash, contentHash(text))
  const find = openKeyTable(keys.table)
  const digest = (token: string) => createHash('sha256').update(token).digest('binary')
  assert.deepEqual(find(digest('the key')), { id: 'ci', name: '', scopes: ['admin'], expiresAtMs: 0 })
  assert.equal(find(digest('another key')), null)

  writeFileSync(keysFile, `${text}{"id": "x"}\n`)
  const { keys: refused } = await loadInThread({ worker, file: path, providers })
  assert.ok(refused?.ok === false)
  assert.deepEqual(lines(refused.problems), [': auth.keys_file: keys.jsonl:2:1 sha256: is required'])
  rmSync(keysFile)
  const { keys: missing } = await loadInThread({ worker, file: path, providers })
  assert.ok(missing?.ok === false)
  assert.match(missing.problems[0].message, /ENOENT.*; "Keys of clients" in docs\/configuration.md/)
})

test('a config without a keys file, or with mistakes, has no table', async t => {
  for (const text of [
    'targets: [{virtual_key: openai}]',
    'auth: {keys_file: keys.jsonl}\ntargets: [{virtual_key: opnai}]',
  ]) {
    const { keys } = await loadInThread({ worker, file: file(t, text), providers })
    assert.equal(keys, null)
  }
})

test('a content that is handed over needs no file', async () => {
  const content = Buffer.from('{"targets":[{"virtual_key":"opnai"}]}')
  const { result, hash } = await loadInThread({ worker, file: 'posted.json', content, providers })
  assert.ok(!result.ok)
  assert.match(lines(result.problems)[0], /:1:28 targets\[0\]\.virtual_key: unknown provider "opnai"/)
  assert.equal(hash, contentHash(content))
})

test('a file that is missing or far too large is a problem, not a crash', async t => {
  const missing = await loadInThread({ worker, file: '/nowhere/c.yaml', providers })
  assert.ok(!missing.result.ok)
  assert.match(missing.result.problems[0].message, /cannot be read: ENOENT/)
  const large = await loadInThread({ worker, file: file(t, ' '.repeat(10 * 1024 * 1024)), providers })
  assert.ok(!large.result.ok)
  assert.match(large.result.problems[0].message, /larger than 4 MiB/)
  const folder = await loadInThread({ worker, file: join(tmpdir(), '.'), providers })
  assert.ok(!folder.result.ok)
})

test('a thread that fails, says nothing or takes too long is a problem', async () => {
  const script = (source: string) => new URL(`data:text/javascript,${encodeURIComponent(source)}`)
  const run = (source: string, timeoutMs?: number) =>
    loadInThread({ worker: script(source), file: 'c.yaml', content: Buffer.from('x'), providers, timeoutMs })
  const cases: readonly (readonly [source: string, said: RegExp, timeoutMs?: number])[] = [
    ['throw new Error("no memory")', /could not be checked: no memory/],
    ['export {}', /ended without an answer/],
    ['setInterval(() => {}, 1000)', /took longer than 300 ms/, 300],
    ['for (;;);', /took longer than 300 ms/, 300],
  ]
  for (const [source, said, timeoutMs] of cases) {
    const { result } = await run(source, timeoutMs)
    assert.ok(!result.ok)
    assert.match(result.problems[0].message, said)
  }
})

test('compiling a config brings neither the schema library nor the YAML parser into the thread', async () => {
  const { execFileSync } = await import('node:child_process')
  const compiler = new URL('../../src/config/compile.js', import.meta.url)
  const hook =
    'data:text/javascript,' +
    encodeURIComponent(
      'export async function resolve(name, context, next) { if (/^(zod|yaml)/.test(name)) throw new Error("imported " + name); return next(name, context) }',
    )
  const source = `import { register } from 'node:module'; register(${JSON.stringify(hook)}); await import(${JSON.stringify(compiler.href)}); console.log('clean')`
  assert.equal(
    execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' }).trim(),
    'clean',
  )
})

test('a thread that was started before it is needed answers like any other, also when it is dead by then', async t => {
  const early = bootLoader(worker)
  await once(early, 'online')
  const { result } = await loadInThread({ worker: early, file: file(t, 'targets: [{virtual_key: openai}]'), providers })
  assert.ok(result.ok)

  const dead = bootLoader(new URL('data:text/javascript,export {}'))
  await once(dead, 'exit')
  const { result: none } = await loadInThread({ worker: dead, file: 'c.yaml', providers })
  assert.ok(!none.ok)
  assert.match(none.problems[0].message, /ended before it was asked/)
})
