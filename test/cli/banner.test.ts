import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { type BannerFacts, banner } from '../../src/cli/banner.ts'

const facts: BannerFacts = {
  version: '1.2.3',
  url: 'http://localhost:8080',
  engine: 'uws',
  engineNote: '',
  acceptors: 1,
  workers: 3,
  strategy: 'fallback',
  targets: ['openai', 'local'],
  isDemo: false,
  config: '/etc/ferrite/config.yaml',
  generatedKey: '',
  open: false,
  model: 'gpt-4o-mini',
}
const plain = (changes: Partial<BannerFacts> = {}): string => banner({ ...facts, ...changes }, (_color, text) => text)

test('the banner names address, engine, threads, config and targets', () => {
  const text = plain()
  assert.match(text, /Ferrite 1\.2\.3 is listening on http:\/\/localhost:8080/)
  assert.match(text, /engine +uws\n/)
  assert.match(text, /threads +1 acceptor, 3 workers\n/)
  assert.match(text, /config +\/etc\/ferrite\/config\.yaml\n/)
  assert.match(text, /targets +openai, local \(fallback\)\n/)
})

test('a key that was given is not printed, one that was made is', () => {
  assert.match(plain(), /Bearer \$MASTER_KEY/)
  const made = plain({ generatedKey: 'fgw_0123' })
  assert.match(made, /^ +fgw_0123$/m)
  assert.match(made, /Bearer fgw_0123"/)
})

test('an open gateway says so, and its curl line needs no key', () => {
  const text = plain({ open: true })
  assert.match(text, /auth +off .*whoever reaches this port may use it/)
  assert.doesNotMatch(text, /Authorization/)
})

test('the demo says that it is one, and what to set', () => {
  assert.match(plain({ isDemo: true, targets: ['demo'] }), /demo answers\.\n.*OPENAI_API_KEY/)
})

test('no workers means the pipeline runs in the acceptors', () => {
  assert.match(plain({ acceptors: 2, workers: 0 }), /threads +2 acceptors, with the pipeline inside/)
})

test('the curl line is one a shell takes: the body arrives as JSON', () => {
  const [, command] = plain({ generatedKey: 'fgw_1' }).split('Try it:\n')
  const script = `curl() { printf '%s\\n' "$@"; }\n${command}`
  const words = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trimEnd().split('\n')
  assert.equal(words[0], 'http://localhost:8080/v1/chat/completions')
  assert.ok(words.includes('Authorization: Bearer fgw_1'))
  assert.deepEqual(JSON.parse(words.at(-1) ?? ''), {
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: 'Hello!' }],
  })
})

test('where nothing chats, no chat is suggested', () => {
  const text = plain({ model: '', targets: ['jina'] })
  assert.match(text, /targets +jina/)
  assert.ok(!text.includes('curl'))
  assert.ok(text.endsWith('(fallback)\n\n'))
})
