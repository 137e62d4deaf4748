import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../src/config/env.ts'
import { environment, lines } from './support.ts'

const read = (variables: Record<string, string>, exists: (file: string) => boolean = () => false) =>
  readEnvironment(variables, { exists })

const warnings = (variables: Record<string, string>): string[] => {
  const result = read(variables)
  return result.ok ? lines(result.warnings) : assert.fail(lines(result.problems).join('\n'))
}

const problems = (variables: Record<string, string>): string[] => {
  const result = read(variables)
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path} ${message}`)
}

test('an empty environment has safe defaults', () => {
  const { variables, secrets, ...rest } = environment()
  assert.deepEqual(rest, {
    port: null,
    configFile: '',
    masterKey: '',
    logLevel: 'info',
    logFormat: 'auto',
    corsOrigins: [],
    rateLimit: { requestsPerSecond: 20, burst: 40 },
    allowUnauthenticated: false,
    production: false,
    trustedProxies: ['127.0.0.0/8', '::1/128'],
    enablePprof: false,
    proxy: { http: '', https: '', all: '', no: [] },
    modelCatalog: { url: '', timeoutMs: 10_000 },
    modelDiscoveryMs: 0,
  })
  assert.deepEqual([variables, secrets], [{}, []])
})

test('every variable is read', () => {
  const env = environment({
    PORT: '9000',
    GATEWAY_CONFIG: '/etc/x.yaml',
    MASTER_KEY: 'a-master-key-of-some-length',
    LOG_LEVEL: 'DEBUG',
    LOG_FORMAT: 'text',
    CORS_ORIGINS: 'https://a.example, http://localhost:3000,',
    RATE_LIMIT_RPS: '2.5',
    RATE_LIMIT_BURST: '7',
    ALLOW_UNAUTHENTICATED_PROXY: 'TRUE',
    TRUSTED_PROXIES: '10.0.0.0/8, fd00::/8,192.0.2.7',
    ENABLE_PPROF: 'yes',
    API_KEY_STORE_BACKEND: 'in-memory',
    HTTPS_PROXY: 'http://user:pw@proxy:3128',
    http_proxy: 'other:8080',
    NO_PROXY: 'localhost, .internal',
  })
  assert.equal(env.port, 9000)
  assert.equal(env.configFile, '/etc/x.yaml')
  assert.equal(env.masterKey, 'a-master-key-of-some-length')
  assert.equal(env.logLevel, 'debug')
  assert.equal(env.logFormat, 'text')
  assert.deepEqual(env.corsOrigins, ['https://a.example', 'http://localhost:3000'])
  assert.deepEqual(env.rateLimit, { requestsPerSecond: 2.5, burst: 7 })
  assert.equal(env.allowUnauthenticated, true)
  assert.deepEqual(env.trustedProxies, ['10.0.0.0/8', 'fd00::/8', '192.0.2.7/32'])
  assert.equal(env.enablePprof, true)
  assert.deepEqual(env.proxy, {
    http: 'http://other:8080',
    https: 'http://user:pw@proxy:3128',
    all: '',
    no: ['localhost', '.internal'],
  })
})

test('RATE_LIMIT_RPS=0 turns the limit off, and RPS alone leaves the burst at 40', () => {
  assert.deepEqual(environment({ RATE_LIMIT_RPS: '0' }).rateLimit, { requestsPerSecond: 0, burst: 40 })
  assert.deepEqual(environment({ RATE_LIMIT_RPS: '5' }).rateLimit, { requestsPerSecond: 5, burst: 40 })
})

test('a bad rate limit is a warning and the default, never no limit', () => {
  for (const bad of ['-1', 'many', '1e3', 'NaN', 'Infinity', '0x10', '5 rps']) {
    const env = environment({ RATE_LIMIT_RPS: bad, RATE_LIMIT_BURST: bad })
    assert.deepEqual(env.rateLimit, { requestsPerSecond: 20, burst: 40 }, bad)
    assert.equal(warnings({ RATE_LIMIT_RPS: bad }).length, 1, bad)
  }
  assert.equal(environment({ RATE_LIMIT_BURST: '0' }).rateLimit.burst, 40)
})

test('an unreadable network in TRUSTED_PROXIES refuses the start', () => {
  for (const bad of [
    '10.0.0.0/33',
    'proxy',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '1.2.3/8',
    'fe80::1%eth0/64',
    '10.0.0.0/-1',
  ]) {
    assert.equal(problems({ TRUSTED_PROXIES: `127.0.0.1/32,${bad}` }).length, 1, bad)
  }
})

test('a bad PORT refuses the start', () => {
  for (const bad of ['http', '65536', '-1', '80.5', '0x50', '99999999'])
    assert.equal(problems({ PORT: bad }).length, 1, bad)
  assert.equal(environment({ PORT: '0' }).port, 0)
  assert.equal(environment({ PORT: ' ' }).port, null)
})

test('in production everything that speaks against it is said together', () => {
  const bad = { GATEWAY_ENV: 'production', ALLOW_UNAUTHENTICATED_PROXY: 'true', CORS_ORIGINS: 'https://a.example,*' }
  assert.deepEqual(
    problems(bad).map(line => line.split(' ')[0]),
    ['ALLOW_UNAUTHENTICATED_PROXY', 'CORS_ORIGINS', 'MASTER_KEY'],
  )
  assert.deepEqual(problems({ ...bad, GATEWAY_ENV: 'staging' }), [])
})

test('in production a limit that is off, profiling and keys in memory are warned of', () => {
  const said = warnings({
    GATEWAY_ENV: 'production',
    MASTER_KEY: 'a-master-key-of-some-length',
    RATE_LIMIT_RPS: '0',
    ENABLE_PPROF: '1',
  })
  assert.deepEqual(
    said.map(line => line.split(' ')[1]),
    ['RATE_LIMIT_RPS:', 'ENABLE_PPROF:', 'API_KEY_STORE_BACKEND:'],
  )
})

test('a misspelt production is warned of, since it guards nothing', () => {
  for (const stage of ['prod', 'Prodution', 'producton'])
    assert.match(warnings({ GATEWAY_ENV: stage }).join(), /only "production"/)
  assert.deepEqual(warnings({ GATEWAY_ENV: 'staging' }), [])
  assert.equal(environment({ GATEWAY_ENV: 'Production', MASTER_KEY: 'a-master-key-of-some-length' }).production, true)
})

test('a store that does not exist yet is refused, not replaced by memory', () => {
  assert.deepEqual(problems({ API_KEY_STORE_BACKEND: 'sqlite', REQUEST_LOG_STORE_BACKEND: 'memory' }), [
    'API_KEY_STORE_BACKEND "sqlite" is not available yet',
    'REQUEST_LOG_STORE_BACKEND "memory" is not available yet',
  ])
})

test('a wildcard or an origin that can never match is warned of', () => {
  assert.match(warnings({ CORS_ORIGINS: '*' }).join(), /not a wildcard/)
  assert.match(warnings({ CORS_ORIGINS: 'https://a.example/' }).join(), /without a slash/)
  assert.match(warnings({ CORS_ORIGINS: 'a.example' }).join(), /can match no browser/)
})

test('a master key that no header can carry is refused, a short one warned of', () => {
  for (const bad of ['two words', 'line\n', 'schlüssel-schlüssel', 'tab\tkey'])
    assert.equal(problems({ MASTER_KEY: bad }).length, 1, bad)
  assert.match(warnings({ MASTER_KEY: 'short' }).join(), /shorter than 16/)
  assert.doesNotMatch(warnings({ MASTER_KEY: 'short' }).join(), /"short"/)
})

test('a config in a conventional place that is not referenced is warned of', () => {
  const there = (file: string) => file === '/etc/ferrite/config.yml'
  const unset = read({}, there)
  assert.ok(unset.ok)
  assert.match(lines(unset.warnings).join(), /\/etc\/ferrite\/config\.yml exists but is not read; set GATEWAY_CONFIG/)
  const set = read({ GATEWAY_CONFIG: '/x.yaml' }, there)
  assert.ok(set.ok)
  assert.deepEqual(set.warnings, [])
})

test('credentials are found by the name of their variable', () => {
  const { secrets } = environment({
    OPENAI_API_KEY: 'sk-0123456789abcdef',
    DB_DSN: 'postgres://u:password@h/db',
    MONKEY: 'banana-banana-banana',
    SHORT_KEY: 'short',
    TEXT_TOKEN: 'this is a sentence',
  })
  assert.deepEqual(secrets.map(({ name }) => name).sort(), ['DB_DSN', 'OPENAI_API_KEY'])
})

test('an unknown log level or flag is warned of, and the flag is off', () => {
  assert.match(
    warnings({ LOG_LEVEL: 'debgu' }).join(),
    /must be one of debug, info, warn, error; info is used; did you mean "debug"/,
  )
  assert.equal(environment({ ALLOW_UNAUTHENTICATED_PROXY: 'maybe' }).allowUnauthenticated, false)
  assert.equal(warnings({ ALLOW_UNAUTHENTICATED_PROXY: 'maybe' }).length, 1)
})

test('a proxy that is not an HTTP proxy is refused', () => {
  assert.equal(problems({ HTTPS_PROXY: 'socks5://proxy:1080' }).length, 1)
  assert.equal(problems({ ALL_PROXY: 'http://' }).length, 1)
})

test('a newer catalog is fetched only from a URL, and not with a timeout of nothing', () => {
  const url = 'https://example.com/catalog.json?v=1'
  const catalogOf = (variables: Record<string, string>) => environment(variables).modelCatalog
  assert.deepEqual(catalogOf({ FERRO_MODEL_CATALOG_URL: url }), { url, timeoutMs: 10_000 })
  assert.deepEqual(catalogOf({ FERRO_MODEL_CATALOG_URL: url, FERRO_MODEL_CATALOG_TIMEOUT: '1m' }), {
    url,
    timeoutMs: 60_000,
  })
  assert.equal(catalogOf({ FERRO_MODEL_CATALOG_URL: url, FERRO_MODEL_CATALOG_TIMEOUT: '0' }).url, '')
  assert.equal(catalogOf({ FERRO_MODEL_CATALOG_URL: 'file:///etc/passwd' }).url, '')
  assert.match(warnings({ FERRO_MODEL_CATALOG_URL: 'nowhere' }).join(), /FERRO_MODEL_CATALOG_URL.*URL/)
  assert.match(warnings({ FERRO_MODEL_CATALOG_TIMEOUT: '10' }).join(), /FERRO_MODEL_CATALOG_TIMEOUT.*duration/)
})

test('models are discovered every minute at most; less is a mistake, and ignored', () => {
  const every = (text: string) => environment({ FERRO_MODEL_DISCOVERY_INTERVAL: text }).modelDiscoveryMs
  assert.deepEqual(['6h', '1m', '60s', '0', ''].map(every), [21_600_000, 60_000, 60_000, 0, 0])
  for (const text of ['59s', '1', 'daily', '-1h', '9999999h']) {
    assert.equal(every(text), 0, text)
    assert.match(warnings({ FERRO_MODEL_DISCOVERY_INTERVAL: text }).join(), /FERRO_MODEL_DISCOVERY_INTERVAL.*1m up/)
  }
})
