import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { masterKey as nativeKey } from '../support/gateway.ts'
import { signature as claudeSignature } from '../support/mock-anthropic.ts'
import { signature as bedrockSignature } from '../support/mock-bedrock.ts'
import { thoughtSignature } from '../support/mock-gemini.ts'
import { startMockOpenAi } from '../support/mock-openai.ts'
import { answerAllSurfaces, soundBytes, vector } from '../support/mock-surfaces.ts'
import { models, startNative } from './native.ts'
import { gateway, masterKey, startUpstream } from './upstream.ts'

const run = promisify(execFile)
/** Made once; not inside .build, which every build empties. */
const environment = resolve('.build-python')
const python = join(environment, 'bin', 'python')
const wanted = 'openai==3.54.0'

/** '' when the SDK is there, else why not. */
function prepare(): string {
  const check = `import openai; assert "openai==" + openai.__version__ == "${wanted}"`
  const works = () => existsSync(python) && spawnSync(python, ['-c', check]).status === 0
  if (works()) return ''
  const made = spawnSync('python3', ['-m', 'venv', '--clear', environment], { encoding: 'utf8' })
  if (made.error !== undefined) return 'python3 is not installed'
  if (made.status !== 0) return `python3 -m venv failed: ${made.stdout}${made.stderr}`.trim()
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '1', wanted]
  const installed = spawnSync(python, pip, { encoding: 'utf8', timeout: 180_000 })
  return works() ? '' : `${wanted} could not be installed: ${installed.stderr.trim().split('\n').at(-1) ?? ''}`
}

let missing = ''
before(() => {
  missing = prepare()
})

test('the Python SDK gets answers, streams, usage and models, and raises its own exceptions', async t => {
  if (missing !== '') return t.skip(missing)
  const upstream = await startUpstream(t)
  const { url } = await gateway(t, upstream.url)
  const { stdout } = await run(python, [resolve('test/clients/openai_client.py'), `${url}/v1`, masterKey], {
    timeout: 60_000,
  })
  const { models, ...results } = JSON.parse(stdout) as { models: string[] }
  assert.ok(models.includes('gpt-4o-mini'))
  assert.deepEqual(results, {
    whole: ['Hello, world!', 7],
    streamed: ['Hello, world!', null],
    'streamed with usage': ['Hello, world!', 7],
    model: 'gpt-4o-mini',
    'wrong key': ['AuthenticationError', 401, 'invalid_api_key'],
    '400': ['BadRequestError', 400, 'invalid_request'],
    '401': ['InternalServerError', 502, 'upstream_auth_error'],
    '404': ['NotFoundError', 404, 'model_not_found'],
    '429': ['RateLimitError', 429, 'rate_limit_exceeded'],
    '500': ['InternalServerError', 502, 'upstream_error'],
    broken: ['APIError', null, 'stream_error'],
  })
})

test('the Python SDK gets vectors, pictures, words, sound, verdicts and completions', async t => {
  if (missing !== '') return t.skip(missing)
  const upstream = await startMockOpenAi(t, answerAllSurfaces)
  const { url } = await gateway(t, `${upstream.url}/v1`)
  const sound = soundBytes.toString('base64')
  const { stdout } = await run(python, [resolve('test/clients/openai_surfaces.py'), `${url}/v1`, masterKey, sound], {
    timeout: 60_000,
  })
  const words = 'Hello there'
  assert.deepEqual(JSON.parse(stdout), {
    vectors: [...vector, 0],
    floats: [...vector, 0],
    picture: 'iVBORw0KGgo=',
    edit: 'https://img.example/kite.png',
    variation: 'https://img.example/kite.png',
    refused: [400, 'unsupported_parameter', 'response_format'],
    heard: {
      json: words,
      text: `${words}\n`,
      srt: `1\n00:00:00,000 --> 00:00:01,500\n${words}\n\n`,
      vtt: `WEBVTT\n\n00:00.000 --> 00:01.500\n${words}\n\n`,
      verbose_json: words,
    },
    streamed: ['transcript.text.delta', 'transcript.text.delta', 'transcript.text.done'],
    translated: words,
    said: sound,
    flagged: true,
    completed: [
      ['one', ' two'],
      ['a!', 'b!'],
    ],
  })
})

test('what is translated passes the Python SDK’s strict validation, and what signs a thought finds its way back', async t => {
  if (missing !== '') return t.skip(missing)
  const { url, upstreams } = await startNative(t)
  const { openai: _, ...translated } = models
  const args = [resolve('test/clients/openai_strict.py'), `${url}/v1`, nativeKey, ...Object.values(translated)]
  const { stdout } = await run(python, args, { timeout: 60_000 })
  const results = JSON.parse(stdout) as Record<string, readonly [readonly [unknown, string], unknown]>
  const calls = [['get_weather', '{"city":"Oslo"}']]
  for (const [id, model] of Object.entries(translated)) {
    const [[called, told], streamed] = results[model]
    assert.deepEqual(called, calls, id)
    assert.match(told, /sunny/, id)
    assert.deepEqual(streamed, [calls, 'tool_calls', true], id)
  }
  const signatures = { anthropic: claudeSignature, gemini: thoughtSignature, bedrock: bedrockSignature }
  for (const [id, signature] of Object.entries(signatures)) {
    const [, told] = upstreams[id as keyof typeof signatures].requests
    assert.ok(told.body.includes(signature), `${id}: ${told.body}`)
  }
})
