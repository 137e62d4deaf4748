import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUnbounded, placeOf, staysBelowRoot } from '../../src/core/paths.ts'

test('clients of Groq and Azure ask for the same places by other paths', () => {
  const table: readonly [target: string, path: string, query: string, deployment: string, isAlias: boolean][] = [
    ['/v1/chat/completions?a=b', '/v1/chat/completions', '?a=b', '', false],
    ['/openai/v1/models', '/v1/models', '', '', true],
    ['/openai/v1/files?limit=1', '/v1/files', '?limit=1', '', true],
    ['/openai/files?api-version=2024-10-21', '/v1/files', '', '', true],
    ['/openai/responses?api-version=preview&after=x', '/v1/responses', '?after=x', '', true],
    ['/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21', '/v1/chat/completions', '', 'my-gpt', true],
    ['/openai/deployments/a%20b/embeddings', '/v1/embeddings', '', 'a b', true],
    ['/openai/deployments/meta/llama-3/chat/completions', '/v1/chat/completions', '', 'meta/llama-3', true],
    ['/openai/deployments/x/audio/transcriptions', '/v1/audio/transcriptions', '', 'x', true],
    ['/openai/deployments/x/nothing/here', '/openai/deployments/x/nothing/here', '', '', true],
    ['/openai/deployments//embeddings', '/openai/deployments//embeddings', '', '', true],
    ['/openai/deployments/%zz/embeddings', '/openai/deployments/%zz/embeddings', '', '', true],
    ['/openaix/v1/models', '/openaix/v1/models', '', '', false],
  ]
  for (const [target, path, query, deployment, isAlias] of table)
    assert.deepEqual(placeOf(target), { path, query, deployment, isAlias }, target)
})

test('a path that any reader could take out of its root is told from one that none can', () => {
  const escapes = [
    '/v1/../admin',
    '/v1/./x',
    '/v1/files/..',
    '/v1/x/%2e%2e/y',
    '/v1/x/%2E./y',
    '/v1/x/.%2e',
    '/v1/%252e%252e/x',
    '/v1/%25252e%25252e/x',
    `/v1/${'%25'.repeat(1)}${'25'.repeat(6)}2e/x`,
    '/v1/..%2fx',
    '/v1/x%2f..%2f..%2fadmin',
    '/v1/x%5c..%5cadmin',
    '/v1/..\\x',
    '/v1/..;a=b/x',
    '/v1/..%3bx/y',
    '/v1/%2e%2e%3b/x',
    '/v1/.. /x',
    '/v1/..%20/x',
    '/v1/%',
    '/v1/%2',
    '/v1/%zz',
    '/v1/a%00b',
    '/v1/a%0d%0ahost:x',
    '/v1/a%250d%250a',
    // Overlong UTF-8 for a dot, and halves of characters.
    '/v1/%c0%ae%c0%ae/x',
    '/v1/%e0%80%ae/x',
    '/v1/%ff',
    '/v1/%ed%a0%80',
    // Encoded so often that nobody meant it.
    `/v1/%${'25'.repeat(12)}41`,
  ]
  for (const path of escapes) assert.equal(staysBelowRoot(path), false, path)
  const honest = [
    '/v1/files',
    '/v1/files/file-abc.def/content',
    '/v1/files/...',
    '/v1/files/..a',
    '/v1/a..b/c',
    '/v1/models/gemini-2.5-pro:generateContent',
    '/v1/models/ft%3Agpt-4o%3Aorg%2Fx',
    '/v1/x%20y',
    '/v1/100%25',
    '/v1/100%25zz',
    '/v1/%E2%82%AC',
    '/v1//x',
    '/v1/a;b=..',
    '/v1/a%5Cb',
  ]
  for (const path of honest) assert.equal(staysBelowRoot(path), true, path)
})

test('files, uploads, batches and responses may be of any size, and nothing else', () => {
  for (const target of [
    '/v1/files',
    '/v1/files?x',
    '/v1/files/a/content',
    '/v1/batches',
    '/v1/responses',
    '/v1/responses/r/cancel',
    '/v1/uploads/u/parts',
    '/openai/v1/files',
    '/openai/files?api-version=1',
  ])
    assert.equal(isUnbounded(target), true, target)
  for (const target of ['/v1/filesystem', '/v1/chat/completions', '/v1/x/files', '/v1/audio/transcriptions', '/files'])
    assert.equal(isUnbounded(target), false, target)
})
