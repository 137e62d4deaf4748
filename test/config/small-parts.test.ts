import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultThreads } from '../../src/config/defaults.ts'
import { parseDuration } from '../../src/config/duration.ts'
import { interpolate, interpolateDeep } from '../../src/config/interpolate.ts'
import { formatProblems, locateProblems, problem } from '../../src/config/problems.ts'
import { parseProxyUrl, proxyFor } from '../../src/config/proxy.ts'
import { suggest } from '../../src/config/suggest.ts'
import { ref } from './support.ts'

test('durations are those of Go, without signs', () => {
  const known: Record<string, number> = {
    '0': 0,
    '0s': 0,
    '500ms': 500,
    '30s': 30_000,
    '1m30s': 90_000,
    '1.5h': 5_400_000,
    '.5s': 500,
    '1.s': 1000,
    '2h45m': 9_900_000,
    '1ns': 1,
    '1500us': 2,
    '2000µs': 2,
    '2000μs': 2,
  }
  for (const [text, ms] of Object.entries(known)) assert.equal(parseDuration(text), ms, text)
  for (const bad of ['', '5', '1', 's', '1 s', '1d', '-1s', '+1s', '1m 30s', '1e3s', '1s1', '٣s', `${'9'.repeat(80)}s`])
    assert.equal(parseDuration(bad), null, bad)
})

test('threads for 1, 2, 4 and 64 cores', () => {
  assert.deepEqual([1, 2, 4, 64].map(defaultThreads), [
    { acceptors: 1, workers: 1 },
    { acceptors: 1, workers: 1 },
    { acceptors: 1, workers: 3 },
    { acceptors: 16, workers: 48 },
  ])
})

test('only the braced form is a reference', () => {
  const variables = { A: '1', EMPTY: '', B: ref('A') }
  const cases: Record<string, string> = {
    [ref('A')]: '1',
    [`x${ref('A')}y${ref('A')}`]: 'x1y1',
    [ref('EMPTY')]: '',
    $A: '$A',
    'cost $5 and $$': 'cost $5 and $$',
    [`$${ref('A')}`]: '$1',
    [ref('')]: ref(''),
    [ref('A-B')]: ref('A-B'),
    [ref('1A')]: ref('1A'),
    // What a variable holds is data.
    [ref('B')]: ref('A'),
  }
  for (const [text, resolved] of Object.entries(cases)) assert.equal(interpolate(text, variables).text, resolved, text)
})

test('a variable that is not set is named, and inherited properties are not variables', () => {
  assert.deepEqual(interpolate(`${ref('NOPE')}${ref('constructor')}`, {}).missing, ['NOPE', 'constructor'])
})

test('references are resolved in all texts of a tree, keys excepted', () => {
  const missing: string[] = []
  const tree = { [ref('A')]: [ref('A'), { deep: `-${ref('A')}-`, n: 5 }, null, ref('NO')] }
  const resolved = interpolateDeep(tree, { A: 'x' }, (path, { missing: names }) => {
    for (const name of names) missing.push(`${path.join('.')} ${name}`)
  })
  assert.deepEqual(resolved, { [ref('A')]: ['x', { deep: '-x-', n: 5 }, null, ref('NO')] })
  assert.deepEqual(missing, [`${ref('A')}.3 NO`])
})

test('a misspelt word finds what was meant, and nothing that wasn’t', () => {
  const keys = ['base_url', 'retry', 'max_connections', 'weight']
  const meant: Record<string, string | undefined> = {
    baseUrl: 'base_url',
    'base-url': 'base_url',
    rerty: 'retry',
    Retry: 'retry',
    max_conections: 'max_connections',
    wieght: 'weight',
    colour: undefined,
    x: undefined,
  }
  for (const [word, key] of Object.entries(meant)) assert.equal(suggest(word, keys), key, word)
  assert.equal(suggest('x'.repeat(100_000), keys), undefined)
})

test('a problem gets the place of its path, or of the nearest parent', () => {
  const positions = { '': [1, 1], 'targets[0]': [2, 5], 'targets[0].tls': [4, 9] } as const
  const places = ['targets[0].tls.ca_file', 'targets[0].name', 'targets[1]', 'x["a.b[0]"].c'].map(path => {
    const [{ line, column }] = locateProblems([problem(path, 'x')], positions)
    return [line, column]
  })
  assert.deepEqual(places, [
    [4, 9],
    [2, 5],
    [1, 1],
    [1, 1],
  ])
})

test('a hundred problems are shown, the rest is counted', () => {
  const many = Array.from({ length: 150 }, () => problem('a', 'b'))
  assert.equal(formatProblems('f', many).split('\n').length, 101)
  assert.match(formatProblems('f', many), /… and 50 more$/)
})

test('NO_PROXY is understood as other clients understand it', () => {
  const through = (url: string, no: string) =>
    proxyFor(new URL(url), { http: 'http://p:1', https: 'http://p:2', all: '', no: no.split(',').filter(Boolean) })
  assert.equal(through('https://api.openai.com/v1', ''), 'http://p:2')
  assert.equal(through('http://api.openai.com/v1', ''), 'http://p:1')
  for (const direct of ['http://localhost:8000', 'http://127.0.0.1', 'http://[::1]:80', 'https://a.localhost'])
    assert.equal(through(direct, ''), '', direct)
  for (const rule of [
    '*',
    'openai.com',
    '.openai.com',
    '*.openai.com',
    'api.openai.com',
    'API.openai.com',
    'api.openai.com:443',
  ]) {
    assert.equal(through('https://api.openai.com/v1', rule), '', rule)
  }
  for (const rule of ['penai.com', 'api.openai.com:8443', 'com.openai', '10.0.0.0/8'])
    assert.notEqual(through('https://api.openai.com/v1', rule), '', rule)
  assert.equal(through('http://10.1.2.3:8000', '10.0.0.0/8'), '')
  assert.notEqual(through('http://11.1.2.3:8000', '10.0.0.0/8'), '')
  assert.equal(through('http://[fd00::1]', 'fd00::/8'), '')
  assert.notEqual(through('http://10.1.2.3', '10.0.0.0/99'), '')
  assert.equal(proxyFor(new URL('http://x.test'), { http: '', https: '', all: 'http://all:3', no: [] }), 'http://all:3')
})

test('a proxy is an http or https URL, the scheme may be left out', () => {
  assert.equal(parseProxyUrl('proxy:3128'), 'http://proxy:3128')
  assert.equal(parseProxyUrl('http://u:p@proxy:3128/'), 'http://u:p@proxy:3128')
  for (const bad of ['socks5://p:1', 'http://', 'http://p/path', 'http://p?x', 'ftp://p', ''])
    assert.equal(parseProxyUrl(bad), null, bad)
})
