import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createRedactor } from '../../src/core/redact.ts'
import { createLog, type LogOptions, type MainLog, requestLevel, requestLine } from '../../src/telemetry/log.ts'
import { sampleRecord } from './support/records.ts'

const key = `sk-${'a1B2'.repeat(10)}`

/** What a log writes to a file. */
async function logged(t: TestContext, use: (log: MainLog) => void, options: Partial<LogOptions> = {}): Promise<string> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'log-'))
  t.after(() => fs.rmSync(directory, { recursive: true }))
  const fd = fs.openSync(join(directory, 'log'), 'w')
  const redact = createRedactor({ secrets: [{ name: 'MY_KEY', value: 'plain-value-1234' }] })
  const log = await createLog({ level: 'info', format: 'json', redact, fd, ...options })
  use(log)
  assert.equal(await log.flush(5_000), true)
  fs.closeSync(fd)
  return fs.readFileSync(join(directory, 'log'), 'utf8')
}

test('a line is JSON with level, time, fields and message, and nothing of the host', async t => {
  const text = await logged(t, log => log.info('listening', { port: 8080 }))
  const { time, ...line } = JSON.parse(text)
  assert.deepEqual(line, { level: 'info', port: 8080, msg: 'listening' })
  assert.equal(new Date(time).toISOString(), time)
})

test('lines below the level are not written', async t => {
  const text = await logged(
    t,
    log => {
      log.debug('no')
      log.info('no')
      log.warn('yes')
      log.error('yes')
      assert.deepEqual([log.isEnabled('info'), log.isEnabled('warn')], [false, true])
    },
    { level: 'warn' },
  )
  assert.equal(text.match(/yes/g)?.length, 2)
  assert.ok(!text.includes('no"'))
})

test('credentials leave no trace in a line, wherever they are', async t => {
  const error = new Error(`refused ${key}`, { cause: new Error('plain-value-1234') })
  error.stack = `Error: refused ${key}\n    at x`
  const text = await logged(t, log => {
    log.error(`failed with ${key}`, {
      flat: key,
      nested: { list: [key, { deep: 'plain-value-1234' }], [key]: 1 },
      map: new Map([[key, key]]),
      set: new Set([key]),
      url: new URL(`https://u:${key}@h.example.com/?key=${key}`),
      bytes: Buffer.from(key),
      error,
    })
    log.entry({ level: 'warn', msg: 'from a worker', fields: { cause: `Bearer ${key}` } })
    log.request(sampleRecord({ path: `/v1/${key}`, model: key, cause: key }))
  })
  assert.ok(!text.includes(key) && !text.includes('plain-value-1234'))
  const line = JSON.parse(text.split('\n')[0])
  assert.equal(line.flat, '[REDACTED_OPENAI_KEY]')
  assert.equal(line.nested.list[1].deep, '[REDACTED:MY_KEY]')
  assert.equal(line.error.cause.message, '[REDACTED:MY_KEY]')
  assert.equal(line.bytes, `[${key.length} bytes]`)
})

test('what JSON cannot hold does not break a line', async t => {
  const cycle: Record<string, unknown> = { n: 10n, f() {}, none: undefined, bad: new Date(Number.NaN), nan: Number.NaN }
  cycle.self = cycle
  const text = await logged(t, log => log.info('odd', { cycle, wide: Array.from({ length: 1_000 }, (_, i) => i) }))
  const line = JSON.parse(text)
  assert.equal(line.cycle.n, '10')
  assert.equal(line.wide.length, 100)
})

test('text is for people: a line each, the stack of an error, and no control sequence for their terminal', async t => {
  const text = await logged(
    t,
    log => {
      log.info('ready', { port: 8080 })
      log.warn('odd \u001b[31mmessage', { path: '/\u001b]0;title\u0007\nfake' })
      log.error('failed', { error: new Error('\u001b]0;title\u0007') })
    },
    { format: 'text' },
  )
  const lines = text.trimEnd().split('\n')
  assert.match(lines[1], /WARN: odd .*fake/)
  assert.match(lines[2], /ERROR: failed/)
  assert.match(text, /\n +at /)
  assert.match(lines[0], /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ready \{"port":8080\}$/)
  assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f]/.test(text))
})

test('auto writes JSON where there is no terminal', async t => {
  JSON.parse(await logged(t, log => log.info('x'), { format: 'auto' }))
})

test('the access line has the facts of the exchange and only those that apply', async t => {
  const [line] = [await logged(t, log => log.request(sampleRecord({ stream: true, tokensCacheRead: 7 })))].map(text =>
    JSON.parse(text),
  )
  delete line.time
  assert.deepEqual(line, {
    level: 'info',
    method: 'POST',
    path: '/v1/chat/completions',
    status: 200,
    bytes: 9120,
    duration_ms: 812.513,
    remote: '203.0.113.195',
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    key_id: 'key_1',
    model: 'gpt-4o',
    target: 'primary',
    provider: 'openai',
    stream: true,
    attempts: 1,
    upstream_ms: 811.25,
    upstream_status: 200,
    ttft_ms: 231.4,
    tokens_in: 57,
    tokens_out: 212,
    tokens_cache_read: 7,
    msg: 'http request',
  })
  assert.deepEqual(
    requestLine(
      sampleRecord({
        status: 401,
        failure: 'invalid_api_key',
        keyId: '',
        model: '',
        target: '',
        provider: '',
        attempts: 0,
        upstreamMs: 0,
        upstreamStatus: 0,
        firstByteMs: -1,
        tokensIn: 0,
        tokensOut: 0,
        responseBytes: 120,
        durationMs: 0.25,
      }),
    ),
    {
      method: 'POST',
      path: '/v1/chat/completions',
      status: 401,
      bytes: 120,
      duration_ms: 0.25,
      remote: '203.0.113.195',
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
      failure: 'invalid_api_key',
    },
  )
})

test("the access line's level follows the class of the status", () => {
  assert.deepEqual([200, 304, 400, 429, 499, 500, 504].map(requestLevel), [
    'info',
    'info',
    'warn',
    'warn',
    'warn',
    'error',
    'error',
  ])
})

test('a log that has nothing to say does not load its library; what made it load comes out, in order', async () => {
  const script = `
    import { createRequire } from 'node:module'
    const { createLog } = await import(${JSON.stringify(new URL('../../src/telemetry/log.js', import.meta.url).href)})
    const isLoaded = () => Object.keys(createRequire(${JSON.stringify(import.meta.url)}).cache).some(path => /[/]pino[/]/.test(path))
    const log = await createLog({ level: 'error', format: 'json', redact: text => text, fd: 1 })
    log.info('not written')
    await log.flush(1000)
    const before = isLoaded()
    for (let i = 0; i < 3; i++) log.error('line', { i, before })
    await log.flush(5000)
    log.error('last', { loaded: isLoaded() })
    await log.flush(5000)`
  const { execFileSync } = await import('node:child_process')
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const seen = text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    seen.map(({ time, ...line }) => line),
    [
      { level: 'error', i: 0, before: false, msg: 'line' },
      { level: 'error', i: 1, before: false, msg: 'line' },
      { level: 'error', i: 2, before: false, msg: 'line' },
      { level: 'error', loaded: true, msg: 'last' },
    ],
  )
  assert.equal(typeof seen[0].time, 'string')
})
