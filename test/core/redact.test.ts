import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { createRedactor, environmentSecrets, isSecretName, redactHeaders } from '../../src/core/redact.ts'

const redact = createRedactor({ secrets: [] })
const alnum = (length: number) => 'Ab3dEf6hIj9lMn2p'.repeat(8).slice(0, length)
const hex = (length: number) => '0123456789abcdef'.repeat(8).slice(0, length)
const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc+/=\n-----END RSA PRIVATE KEY-----'

/** [what, text, what is left of it] */
const shapes: [string, string, string][] = [
  ['an e-mail address', 'to jane.doe+x@mail.example.com, please', 'to [REDACTED_EMAIL], please'],
  [
    'a bearer token',
    'sent "Authorization: Bearer abc.DEF~1/2="',
    'sent "Authorization: Bearer [REDACTED_BEARER_TOKEN]"',
  ],
  ['a bearer token in lower case', 'bearer x9', 'Bearer [REDACTED_BEARER_TOKEN]'],
  ['a bearer token in a URL', 'Bearer%20abc', 'Bearer [REDACTED_BEARER_TOKEN]'],
  ['a bearer token that begins with a plain word', 'Bearer token-12345', 'Bearer [REDACTED_BEARER_TOKEN]'],
  ['a JWT', `jwt eyJhbGciOi.eyJzdWIi.c2ln-_x!`, 'jwt [REDACTED_JWT]!'],
  ['a JWT without signature', 'eyJhbGciOi.eyJzdWIi.', '[REDACTED_JWT]'],
  ['an encrypted token of five parts', 'eyJhbGciOi..aXY.Y2lwaGVy.dGFn end', '[REDACTED_JWT] end'],
  ['an AWS access key', 'key AKIAIOSFODNN7EXAMPLE.', 'key [REDACTED_AWS_KEY].'],
  ['a temporary AWS access key', 'ASIAIOSFODNN7EXAMPLE', '[REDACTED_AWS_KEY]'],
  ['an Anthropic key', `x sk-ant-api03-${alnum(24)}-_z x`, 'x [REDACTED_ANTHROPIC_KEY] x'],
  ['an OpenAI project key', `sk-proj-${alnum(20)}_-a`, '[REDACTED_OPENAI_KEY]'],
  ['an OpenAI service key', `sk-svcacct-${alnum(20)}`, '[REDACTED_OPENAI_KEY]'],
  ['an OpenAI admin key', `sk-admin-${alnum(20)}`, '[REDACTED_OPENAI_KEY]'],
  ['an OpenAI key', `Incorrect API key: sk-${alnum(48)}.`, 'Incorrect API key: [REDACTED_OPENAI_KEY].'],
  ['a key in the style of OpenAI with a name in it', `sk-or-v1-${hex(64)}`, '[REDACTED_OPENAI_KEY]'],
  ['a Qwen key', `sk-ws-a.b-c.${alnum(15)}`, '[REDACTED_QWEN_KEY]'],
  ['a Perplexity key', `pplx-${alnum(20)}`, '[REDACTED_PERPLEXITY_KEY]'],
  ['a gateway key', `fgw_${hex(32)}`, '[REDACTED_GW_KEY]'],
  ['a session token', `fgws_${hex(64)}`, '[REDACTED_GW_KEY]'],
  ['a Groq key', `gsk_${alnum(20)}`, '[REDACTED_GROQ_KEY]'],
  ['a Google key', `AIza${alnum(35)}`, '[REDACTED_GOOGLE_KEY]'],
  ['a key with another prefix', `xai-${alnum(40)} hf_${alnum(30)}`, '[REDACTED_PROVIDER_KEY] [REDACTED_PROVIDER_KEY]'],
  ['a credential in a query', 'GET /v1?a=1&api_key=s3cr&b=2', 'GET /v1?a=1&api_key=[REDACTED]&b=2'],
  ['a key as the first parameter', 'https://h/v1?key=abc#frag', 'https://h/v1?key=[REDACTED]#frag'],
  ['a signed URL', 'https://h/o?X-Amz-Signature=ab12&x=y', 'https://h/o?X-Amz-Signature=[REDACTED]&x=y'],
  ['a query inside JSON of Go', String.raw`"/p?a=1\u0026token=abc"`, String.raw`"/p?a=1\u0026token=[REDACTED]"`],
  ['a password in a URL', 'dial redis://user:p-w@localhost:6379/0', 'dial redis://user:[REDACTED]@localhost:6379/0'],
  ['a password with an @ in it', 'postgres://u:p@ss@db.example.com/x', 'postgres://u:[REDACTED]@db.example.com/x'],
  ['a password without a user', 'redis://:hunter2@cache/0', 'redis://:[REDACTED]@cache/0'],
  ['a private key', `before ${pem} after`, 'before [REDACTED_PRIVATE_KEY] after'],
  ['a private key with escaped newlines', pem.replaceAll('\n', '\\n'), '[REDACTED_PRIVATE_KEY]'],
  ['a private key that is cut off', `x ${pem.slice(0, 50)}`, 'x [REDACTED_PRIVATE_KEY]'],
  ['an assignment', `password = "${alnum(24)}"`, 'password = "[REDACTED_CREDENTIAL]"'],
  ['an assignment in JSON', `{"client_secret":"${alnum(100)}"}`, '{"client_secret":"[REDACTED_CREDENTIAL]"}'],
  ['an assignment in quoted JSON', `{\\"api_key\\":\\"${alnum(32)}\\"}`, '{\\"api_key\\":\\"[REDACTED_CREDENTIAL]\\"}'],
]

for (const [what, text, rest] of shapes) {
  test(`${what} is replaced, and nothing around it`, () => {
    assert.equal(redact(text), rest)
    assert.equal(redact(rest), rest, 'redacting twice changes nothing more')
  })
}

for (const text of [
  '',
  '/v1/chat/completions',
  'gpt-4o-mini-2024-07-18',
  'missing bearer token in the Authorization header',
  'the upstream provider did not respond in time',
  'max_tokens: 4096, total_tokens=12',
  'task-management and disk-encryption-at-rest',
  'http://localhost:8080/v1/models?limit=20',
  'https://api.example.com/users/@me',
  'eyJ is how every JWT begins',
  'token: short',
]) {
  test(`${JSON.stringify(text)} stays as it is`, () => assert.equal(redact(text), text))
}

test('a configured value is replaced by the name it came from, or by a general marker', () => {
  const redact = createRedactor({
    secrets: [
      { name: 'MY_API_KEY', value: 'plain-value-1234' },
      { name: '', value: 'another$value^(x)' },
    ],
  })
  assert.equal(redact('a plain-value-1234 b another$value^(x)'), 'a [REDACTED:MY_API_KEY] b [REDACTED_SECRET]')
})

test('a value is found percent-encoded and inside quoted JSON', () => {
  const value = 'va"lue/with space'.replace(' ', '+')
  const redact = createRedactor({ secrets: [{ name: 'K', value }] })
  assert.equal(redact(`?x=${encodeURIComponent(value)}`), '?x=[REDACTED:K]')
  assert.equal(redact(JSON.stringify({ value })), '{"value":"[REDACTED:K]"}')
})

test('the longer of two values wins where one contains the other', () => {
  const redact = createRedactor({
    secrets: [
      { name: 'SHORT', value: 'abcdefghijkl' },
      { name: 'LONG', value: 'abcdefghijklmnop' },
    ],
  })
  assert.equal(redact('abcdefghijklmnop abcdefghijkl'), '[REDACTED:LONG] [REDACTED:SHORT]')
})

test('of a DSN only the password is hidden, and the password alone is hidden too', () => {
  const value = 'mysql://app:p%40ss-word-1234@db:3306/app'
  const redact = createRedactor({ secrets: [{ name: 'DSN', value }] })
  assert.equal(redact(`dial ${value}`), 'dial mysql://app:[REDACTED]@db:3306/app')
  assert.equal(redact('bad password p@ss-word-1234'), 'bad password [REDACTED:DSN]')
})

test('values that could be ordinary words are left alone', () => {
  const words = ['true', 'password', 'two words here', `\${OPENAI_API_KEY}`]
  const redact = createRedactor({ secrets: words.map(value => ({ name: 'X', value })) })
  assert.equal(redact(words.join(' ')), words.join(' '))
})

test('of an environment the values of secret names are taken, and only those that can be told apart', () => {
  const secrets = environmentSecrets({
    OPENAI_API_KEY: 'sk-0123456789',
    DATABASE_DSN: 'postgres://u:p@h/db',
    MONKEY: 'not-a-secret-at-all',
    AUTH_TOKEN: 'short',
    GREETING: 'hello-hello-hello',
    SOME_PASSWORD: undefined,
  })
  assert.deepEqual(
    secrets.map(secret => secret.name),
    ['OPENAI_API_KEY', 'DATABASE_DSN'],
  )
})

test('headers that carry credentials lose their value, the others only what looks like one', () => {
  const headers: [string, string][] = [
    ['Authorization', 'Basic dXNlcjpwYXNz'],
    ['x-api-key', 'k'],
    ['cookie', 'a=b'],
    ['set-cookie', 'a=b'],
    ['x-goog-api-key', 'k'],
    ['x-ratelimit-remaining-tokens', '10'],
    ['user-agent', 'curl me@example.com'],
  ]
  assert.deepEqual(
    redactHeaders(headers, redact).map(([, value]) => value),
    [...Array(5).fill('[REDACTED]'), '10', 'curl [REDACTED_EMAIL]'],
  )
  assert.ok(!isSecretName('monkey') && isSecretName('X-Auth-Token'))
})

test('long text is cut, and a credential across the cut does not survive in part', () => {
  const redact = createRedactor({ secrets: [{ name: 'S', value: alnum(60) }], maxChars: 4096 })
  for (let at = 4000; at <= 4096; at++) {
    const result = redact(`${'x'.repeat(at)} ${alnum(60)} sk-${alnum(60)} tail`.padEnd(5000, '.'))
    assert.ok(result.length < 4096)
    assert.match(result, /…\[cut, 5000 characters\]$/)
    assert.ok(!result.includes(alnum(12)), `cut at ${at}`)
  }
})

// A quadratic pattern would need minutes for a megabyte; the limit is there so that this test ends.
test('a megabyte made to provoke backtracking is redacted', { timeout: 60_000 }, () => {
  const script = `
    import { createRedactor } from ${JSON.stringify(new URL('../../src/core/redact.js', import.meta.url).href)}
    const redact = createRedactor({
      secrets: [{ name: 'A', value: 'a'.repeat(40) + 'b' }, { name: 'D', value: 'postgres://u:' + 'a'.repeat(40) + '@h/x' }],
      maxChars: Infinity,
    })
    const units = ['a', 'a.', 'a@', '@', 'a@a.', 'eyJ', 'eyJa.', 'eyJ.', 'sk-', 'sk-a', 'sk-a-', 'sk-ant-', 'Bearer ', 'bearer\\t', '://', '://a:',
      'x://a', 'a:a:', '?key', '?a-', '&key=', '?a_a-', 'token', 'token:', 'token: ', 'token\\\\', 'api_key="', '-----BEGIN ', '-----BEGIN PRIVATE KEY-----',
      'PRIVATE KEY-----', 'AKIA', 'AIza', 'fgw_', 'fgws_a', 'pplx-', 'gsk_', 'xai-', '%20', ' ', '\\n', '=', '\\\\u0026',
      'a'.repeat(64) + '@' + 'a.'.repeat(8) + '1', '://' + 'a'.repeat(256) + ':' + 'b'.repeat(512), '?' + 'a-'.repeat(16)]
    const hints = '@ :// Bearer eyJ sk- = token PRIVATE KEY '
    for (const unit of units) {
      const run = unit.repeat(Math.ceil(1_000_000 / unit.length))
      if (!/PRIVATE(_KEY\\]| KEY )$/.test(redact(hints + run + hints))) throw new Error(unit)
    }
    console.log('done')`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 55_000,
    encoding: 'utf8',
  })
  assert.equal(output, 'done\n')
})
