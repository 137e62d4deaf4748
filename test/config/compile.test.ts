import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { azureOpenai } from '../../providers/azure-openai.ts'
import { databricks } from '../../providers/databricks.ts'
import { vertexAi } from '../../providers/vertex-ai.ts'
import { defineProvider } from '../../src/core/provider.ts'
import { createRedactor } from '../../src/core/redact.ts'
import type { TargetData } from '../../src/core/snapshot.ts'
import { openKeyTable } from '../../src/shared/key-table.ts'
import { clientCertificate, elsewhereCertificate, testCa } from '../support/tls-fixtures.ts'
import { type CompileOptions, compile, compiled, demo, lines, openai, ref, withTarget } from './support.ts'

const key = 'sk-0123456789abcdef0123'
const withKey: CompileOptions = { variables: { OPENAI_API_KEY: key } }

const targets = (text: string | null, options: CompileOptions = withKey): readonly TargetData[] =>
  compiled(text, options).snapshot.targets

const problems = (text: string | null, options: CompileOptions = withKey): string[] => {
  const result = compile(text, options)
  return result.ok ? assert.fail('compiled') : result.problems.map(({ path, message }) => `${path}: ${message}`)
}

test('without a config every provider the environment knows is a target, in the order of the registry', () => {
  const { snapshot } = compiled(null, { variables: { MISTRAL_API_KEY: 'm-0123456789abcdef', OPENAI_API_KEY: key } })
  assert.equal(snapshot.strategy.mode, 'fallback')
  assert.deepEqual(
    snapshot.targets.map(({ key: name, provider, row, anyModel }) => [name, provider, row, anyModel]),
    [
      ['openai', 'openai', 0, false],
      ['mistral', 'mistral', 1, false],
    ],
  )
  assert.deepEqual(snapshot.targets[0].settings, {
    apiKey: key,
    baseUrl: 'https://api.openai.com/v1',
    organization: '',
  })
})

test('with nothing configured the fallback provider answers, and that is said', () => {
  const { snapshot, warnings } = compiled(null, { variables: {} })
  assert.deepEqual(
    snapshot.targets.map(target => target.key),
    ['demo'],
  )
  assert.match(lines(warnings).join(), /no provider is configured; "demo" answers/)
})

test('a setting that is not a credential does not register a provider', () => {
  assert.equal(targets(null, { variables: { OPENAI_ORGANIZATION: 'acme', MISTRAL_REGION: 'us' } })[0].key, 'demo')
  assert.equal(targets(null, { variables: { OPENAI_API_KEY: '  ' } })[0].key, 'demo')
})

const cloud = defineProvider({
  id: 'cloud',
  settings: {
    apiKey: { env: 'CLOUD_KEY', secret: true, required: false },
    region: { env: 'CLOUD_REGION', aliases: ['CLOUD_DEFAULT_REGION', 'OLD_REGION'] },
    profile: { env: 'CLOUD_PROFILE' },
  },
  needsOneOf: ['apiKey', 'region'],
  origin: () => 'https://cloud.test',
  auth: ({ apiKey }) => ({ scheme: 'bearer', token: apiKey }),
  codecs: openai.codecs,
})

test('of credentials that exclude each other any one registers the provider', () => {
  const keys = (variables: Record<string, string>) =>
    targets(null, { variables, providers: [cloud, demo] }).map(({ key }) => key)
  for (const name of ['CLOUD_KEY', 'CLOUD_REGION', 'CLOUD_DEFAULT_REGION'])
    assert.deepEqual(keys({ [name]: 'x' }), ['cloud'], name)
  assert.deepEqual(keys({ CLOUD_PROFILE: 'x' }), ['demo'])
  const options = { variables: {}, providers: [cloud, demo] }
  assert.deepEqual(targets('targets: [{virtual_key: cloud, region: x}]', options)[0].settings.region, 'x')
  assert.deepEqual(problems('targets: [{virtual_key: cloud}]', options), [
    'targets[0]: "cloud" needs one of api_key, region or the variable CLOUD_KEY, CLOUD_REGION',
  ])
})

test('a cloud’s own variables stand in for a key, and alone they register nothing', () => {
  const azure = { AZURE_OPENAI_ENDPOINT: 'https://r.openai.azure.com', AZURE_OPENAI_DEPLOYMENT: 'd' }
  const keys = (variables: Record<string, string>) =>
    targets(null, { variables, providers: [azureOpenai, databricks, vertexAi, demo] }).map(({ key }) => key)
  assert.deepEqual(keys(azure), ['demo'])
  for (const [name, value] of [
    ['AZURE_OPENAI_API_KEY', 'k'],
    ['AZURE_TENANT_ID', 't'],
    ['AZURE_OPENAI_AUTH', 'entra'],
  ])
    assert.deepEqual(keys({ ...azure, [name]: value }), ['azure-openai'], name)
  const pod = { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_FEDERATED_TOKEN_FILE: '/var/run/token' }
  assert.deepEqual(keys(pod), ['demo'])
  assert.deepEqual(keys({ DATABRICKS_HOST: 'https://dbc.test' }), ['demo'])
  const principal = { DATABRICKS_CLIENT_ID: 'c', DATABRICKS_CLIENT_SECRET: 's' }
  assert.deepEqual(keys({ DATABRICKS_HOST: 'https://dbc.test', ...principal }), ['databricks'])
  assert.deepEqual(keys({ GOOGLE_APPLICATION_CREDENTIALS: '/etc/google.json' }), ['demo'])
  assert.deepEqual(keys({ VERTEX_AI_PROJECT_ID: 'p' }), ['demo'])
  assert.deepEqual(keys({ VERTEX_AI_PROJECT_ID: 'p', VERTEX_AI_REGION: 'eu' }), ['vertex-ai'])
})

test('targets of one provider may be in different regions and projects, with credentials of their own', () => {
  const text = `
targets:
  - {name: eu, provider: vertex-ai, project_id: p1, region: europe-west4, service_account_json: "${ref('EU')}"}
  - {name: us, provider: vertex-ai, project_id: p2, region: us, api_key: "${ref('US')}"}
  - {name: proxy, provider: vertex-ai, project_id: p3, region: global, base_url: "http://10.0.0.1:8080"}
`
  const variables = { EU: '{"type": "service_account"}', US: 'AIza-us', VERTEX_AI_REGION: 'us-central1' }
  const found = targets(text, { variables, providers: [vertexAi, demo] })
  assert.deepEqual(
    found.map(({ key, settings }) => [key, vertexAi.origin(settings), vertexAi.auth(settings)]),
    [
      [
        'eu',
        'https://europe-west4-aiplatform.googleapis.com/v1/projects/p1/locations/europe-west4',
        { scheme: 'google', credentials: variables.EU },
      ],
      [
        'us',
        'https://aiplatform.us.rep.googleapis.com/v1/projects/p2/locations/us',
        { scheme: 'header', name: 'x-goog-api-key', value: 'AIza-us' },
      ],
      ['proxy', 'http://10.0.0.1:8080/v1/projects/p3/locations/global', { scheme: 'google', credentials: '' }],
    ],
  )
  assert.deepEqual(
    problems(text.replace('region: us,', 'region: "us/../x",'), { variables, providers: [vertexAi, demo] }),
    ['targets[1].region: region must be a location such as us-central1 or global'],
  )
})

test('a setting has the value of the first of its variables that is not empty', () => {
  const region = (variables: Record<string, string>) =>
    targets(null, { variables: { CLOUD_KEY: 'k', ...variables }, providers: [cloud, demo] })[0].settings.region
  assert.equal(region({ CLOUD_REGION: 'a', CLOUD_DEFAULT_REGION: 'b', OLD_REGION: 'c' }), 'a')
  assert.equal(region({ CLOUD_REGION: ' ', CLOUD_DEFAULT_REGION: 'b', OLD_REGION: 'c' }), 'b')
  assert.equal(region({ OLD_REGION: 'c' }), 'c')
})

test('an own base URL needs no key and takes any model, in the environment and in a config', () => {
  const [fromEnvironment] = targets(null, { variables: { OPENAI_BASE_URL: 'http://localhost:9' } })
  assert.deepEqual(
    [fromEnvironment.key, fromEnvironment.anyModel, fromEnvironment.settings.apiKey],
    ['openai', true, ''],
  )
  const [fromConfig] = targets('targets: [{virtual_key: openai, base_url: http://localhost:9}]', { variables: {} })
  assert.deepEqual(
    [fromConfig.key, fromConfig.anyModel, fromConfig.settings.baseUrl],
    ['openai', true, 'http://localhost:9'],
  )
  const [official] = targets('targets: [{virtual_key: openai, base_url: https://api.openai.com/v1/}]')
  assert.equal(official.anyModel, false)
})

test('a faulty provider in the environment is left out with a warning when there is another, else refused', () => {
  const bad = { OPENAI_BASE_URL: 'not a url' }
  const { snapshot, warnings } = compiled(null, { variables: { ...bad, MISTRAL_API_KEY: 'm-0123456789abcdef' } })
  assert.deepEqual(
    snapshot.targets.map(target => target.key),
    ['mistral'],
  )
  assert.match(lines(warnings).join(), /openai\.base_url: must be an absolute/)
  assert.deepEqual(problems(null, { variables: bad }), ['openai.base_url: must be an absolute http or https URL'])
})

test('a target’s own settings win over variables, those over defaults', () => {
  const [target] = targets('targets: [{virtual_key: openai, api_key: mine, organization: ""}]', {
    variables: { OPENAI_API_KEY: key, OPENAI_BASE_URL: 'https://eu.test/v1', OPENAI_ORGANIZATION: 'acme' },
  })
  assert.deepEqual(target.settings, { apiKey: 'mine', baseUrl: 'https://eu.test/v1', organization: '' })
})

test('references are resolved, and one that is not set is a problem at its path', () => {
  const text = `targets: [{virtual_key: openai, api_key: "${ref('A')}${ref('B')}"}]`
  assert.equal(targets(text, { variables: { A: 'x', B: 'y' } })[0].settings.apiKey, 'xy')
  assert.deepEqual(problems(text, { variables: { A: 'x' } }), ['targets[0].api_key: the variable B is not set'])
})

test('a provider used twice needs names, and the name is the key', () => {
  const two =
    'targets: [{virtual_key: openai}, {virtual_key: second, provider: openai}, {name: third, virtual_key: openai}]'
  assert.deepEqual(
    targets(two).map(target => target.key),
    ['openai', 'second', 'third'],
  )
})

test('a config that never met the loader is checked for providers and names all the same', () => {
  const config = { targets: [{ virtual_key: 'opnai' }, { virtual_key: 'openai' }, { virtual_key: 'openai' }] }
  const result = compile(null, { ...withKey, ...({ config } as object) })
  assert.ok(!result.ok)
  assert.deepEqual(
    result.problems.map(({ path, message }) => `${path}: ${message}`),
    [
      'targets[0]: unknown provider "opnai"; known are openai, openai-compatible, mistral, demo',
      'targets[2]: targets[1] is already called "openai"',
    ],
  )
  assert.equal(result.problems[0].hint, 'did you mean "openai"?')
})

test('a target without credentials is left out with a warning', () => {
  const { snapshot, warnings } = compiled(
    'strategy: {mode: fallback}\ntargets: [{virtual_key: mistral}, {virtual_key: openai}]',
    withKey,
  )
  assert.deepEqual(
    snapshot.targets.map(target => target.key),
    ['openai'],
  )
  assert.deepEqual(lines(warnings), [
    ': targets[0]: "mistral" is left out: it needs api_key or the variable MISTRAL_API_KEY',
  ])
})

test('the first target of the mode single is never replaced by the next', () => {
  assert.deepEqual(problems('targets: [{virtual_key: mistral}, {virtual_key: openai}]'), [
    'targets[0]: "mistral" needs api_key or the variable MISTRAL_API_KEY',
  ])
})

test('no target with credentials is a problem that names what each one needs', () => {
  assert.deepEqual(
    problems('strategy: {mode: fallback}\ntargets: [{virtual_key: mistral}, {virtual_key: openai-compatible}]', {
      variables: {},
    }),
    [
      'targets: no target has the credentials it needs',
      'targets[0]: "mistral" is left out: it needs api_key or the variable MISTRAL_API_KEY',
      'targets[1]: "openai-compatible" is left out: it needs base_url',
    ],
  )
})

test('a base URL must be absolute http without query', () => {
  for (const bad of [
    'localhost:8000',
    'ftp://x',
    'http://x?a=b',
    'http://x#y',
    '//x',
    'http:// x',
    'http://forbidden',
  ]) {
    const [said] = problems(`targets: [{virtual_key: openai-compatible, base_url: "${bad}"}]`)
    assert.match(said ?? '', /^targets\[0\]\.base_url: /, bad)
  }
})

test('a key with a line break is refused, and not repeated', () => {
  const said = problems(null, { variables: { OPENAI_API_KEY: 'sk-01234567\r\nx-evil: 1' } })
  assert.deepEqual(said, ['openai.api_key: contains a line break or another character that a header cannot carry'])
  // At its end it is what an editor or `echo` left there.
  assert.equal(targets(null, { variables: { OPENAI_API_KEY: `${key}\n` } })[0].settings.apiKey, key)
})

test('everything that must not leave is known to the redactor', () => {
  const variables = {
    OPENAI_API_KEY: key,
    MASTER_KEY: 'the-master-key-itself',
    SOME_VALUE: 'secret-from-elsewhere',
    HTTPS_PROXY: 'http://user:proxy-password@proxy:3128',
  }
  const text = `
server: {tls: {cert_file: c, key_file: k, passphrase: literal-passphrase}}
targets:
  - virtual_key: openai
    api_key: ${ref('SOME_VALUE')}
  - {name: b, virtual_key: openai, api_key: literal-key-in-config}
  - {name: c, virtual_key: openai, base_url: "https://user:url-password-x@host.test/v1"}
`
  const readFile = (file: string) => (file.endsWith('/c') ? clientCertificate.cert : clientCertificate.key)
  const redact = createRedactor({ secrets: compiled(text, { variables, readFile }).snapshot.secrets })
  for (const secret of [
    key,
    'the-master-key-itself',
    'secret-from-elsewhere',
    'literal-key-in-config',
    'literal-passphrase',
  ]) {
    assert.doesNotMatch(redact(`upstream said ${secret}!`), new RegExp(secret))
  }
  assert.match(redact(`said ${key}`), /\[REDACTED:OPENAI_API_KEY\]/)
  assert.match(redact('said secret-from-elsewhere'), /\[REDACTED:SOME_VALUE\]/)
  assert.doesNotMatch(redact('via http://user:proxy-password@proxy:3128'), /proxy-password/)
  assert.doesNotMatch(redact('to https://user:url-password-x@host.test/v1'), /url-password-x/)
})

test('an address that came from a variable stays readable in logs', () => {
  const text = `targets: [{virtual_key: openai, base_url: "${ref('WHERE')}"}]`
  const { secrets } = compiled(text, { variables: { WHERE: 'https://gateway.internal.test/v1' } }).snapshot
  assert.equal(
    createRedactor({ secrets })('GET https://gateway.internal.test/v1/models'),
    'GET https://gateway.internal.test/v1/models',
  )
})

test('the master key leaves as its hash only', () => {
  const { snapshot } = compiled(null, { variables: { MASTER_KEY: 'the-master-key-itself' } })
  assert.equal(snapshot.auth.masterKeySha256, createHash('sha256').update('the-master-key-itself').digest('hex'))
  assert.equal(compiled(null).snapshot.auth.masterKeySha256, '')
})

test('a config that says nothing has the documented defaults', () => {
  const { snapshot, server, runtime } = compiled('targets: [{virtual_key: openai}]', withKey)
  assert.deepEqual(server, {
    host: '0.0.0.0',
    port: 8080,
    engine: 'auto',
    maxHeadBytes: 65_536,
    headTimeoutMs: 10_000,
    bodyTimeoutMs: 30_000,
    keepAliveTimeoutMs: 60_000,
    writeStallTimeoutMs: 15_000,
    maxConnections: 0,
    shutdownGraceMs: 15_000,
    preStopDelayMs: 0,
    tls: null,
  })
  assert.deepEqual(runtime, { acceptors: 1, workers: 1, workerMemoryMb: 512, stuckAfterMs: 10_000, ringBudgetMb: 64 })
  assert.deepEqual(snapshot.upstream, {
    connectTimeoutMs: 10_000,
    firstByteTimeoutMs: 600_000,
    idleTimeoutMs: 120_000,
    totalTimeoutMs: 0,
    maxConnections: 1024,
    maxQueue: 1024,
    keepAliveMs: 90_000,
    maxConnectionAgeMs: 300_000,
    maxResponseBytes: 52_428_800,
    maxHeadBytes: 65_536,
    retryStale: true,
  })
  const { settings: _, ...target } = snapshot.targets[0]
  assert.deepEqual(target, {
    key: 'openai',
    provider: 'openai',
    models: [],
    anyModel: false,
    weight: 0,
    retry: { attempts: 1, onStatusCodes: [], initialBackoffMs: 100 },
    maxConnections: 1024,
    row: 0,
    tls: null,
    http2: false,
    proxy: '',
  })
  assert.deepEqual(
    [
      snapshot.strategy.mode,
      snapshot.maxRequestBytes,
      snapshot.requestTimeoutMs,
      snapshot.compatibility,
      snapshot.stream,
      snapshot.rateLimit,
    ],
    [
      'single',
      10_485_760,
      0,
      { onUnsupportedParam: 'warn', streamUsage: 'requested' },
      { heartbeatMs: 0 },
      { requestsPerSecond: 20, burst: 40 },
    ],
  )
})

test('what the config says arrives, in milliseconds and bytes', () => {
  const { snapshot, server, runtime } = compiled(
    `
server: {host: "::1", port: 1234, engine: node, head_timeout: 1m30s, pre_stop_delay: 5s}
runtime: {acceptors: 2, workers: 0, worker_memory_mb: 256}
strategy: {mode: fallback}
targets:
  - virtual_key: openai
    models: [ft:x]
    weight: 2.5
    retry: {attempts: 3, on_status_codes: [429], initial_backoff_ms: 0}
    max_connections: 5
    http2: true
    proxy: http://p:1
upstream: {total_timeout: 1h, max_queue: 0, retry_stale: false}
max_request_bytes: -1
request_timeout: 2m
stream: {heartbeat: 15s}
compatibility: {on_unsupported_param: reject, stream_usage: always}
aliases: {fast: gpt-4o-mini}
`,
    withKey,
  )
  assert.deepEqual(
    [server.host, server.port, server.engine, server.headTimeoutMs, server.preStopDelayMs],
    ['::1', 1234, 'node', 90_000, 5000],
  )
  assert.deepEqual([runtime.acceptors, runtime.workers, runtime.workerMemoryMb], [2, 0, 256])
  assert.deepEqual(
    [snapshot.upstream.totalTimeoutMs, snapshot.upstream.maxQueue, snapshot.upstream.retryStale],
    [3_600_000, 0, false],
  )
  assert.deepEqual(
    [snapshot.maxRequestBytes, snapshot.requestTimeoutMs, snapshot.stream.heartbeatMs],
    [10_485_760, 120_000, 15_000],
  )
  assert.deepEqual(snapshot.compatibility, { onUnsupportedParam: 'reject', streamUsage: 'always' })
  assert.deepEqual(snapshot.aliases, { fast: 'gpt-4o-mini' })
  const [{ models, weight, retry, maxConnections, http2, proxy }] = snapshot.targets
  assert.deepEqual(
    { models, weight, retry, maxConnections, http2, proxy },
    {
      models: ['ft:x'],
      weight: 2.5,
      retry: { attempts: 3, onStatusCodes: [429], initialBackoffMs: 100 },
      maxConnections: 5,
      http2: true,
      proxy: 'http://p:1',
    },
  )
})

test('PORT wins over the config', () => {
  const text = 'server: {port: 1}\ntargets: [{virtual_key: openai}]'
  assert.equal(compiled(text, { variables: { ...withKey.variables, PORT: '0' } }).server.port, 0)
  assert.equal(compiled(text, withKey).server.port, 1)
})

test('a proxy comes from the target, else from upstream, else from the environment, and "" means none', () => {
  const variables = {
    OPENAI_API_KEY: key,
    HTTPS_PROXY: 'http://env:1',
    NO_PROXY: 'mistral.test',
    MISTRAL_API_KEY: 'm-0123456789abcdef',
  }
  const proxies = (text: string) => targets(text, { variables }).map(target => target.proxy)
  assert.deepEqual(proxies('targets: [{virtual_key: openai}, {virtual_key: mistral}, {virtual_key: demo}]'), [
    'http://env:1',
    '',
    '',
  ])
  assert.deepEqual(
    proxies('upstream: {proxy: p:2}\ntargets: [{virtual_key: openai}, {virtual_key: mistral, proxy: ""}]'),
    ['http://p:2', ''],
  )
  assert.deepEqual(proxies(`targets: [{virtual_key: openai, proxy: "http://${ref('MISTRAL_API_KEY')}@p:3"}]`), [
    'http://m-0123456789abcdef@p:3',
  ])
  assert.deepEqual(problems('targets: [{virtual_key: openai, proxy: "socks5://p"}]', { variables }), [
    'targets[0].proxy: must be the URL of an HTTP proxy, such as http://proxy:3128',
  ])
})

test('TLS files are read beside the config, the target’s fields winning, and listed for watching', () => {
  const files: Record<string, string> = {
    '/etc/f/ca.pem': testCa,
    '/etc/f/c.pem': clientCertificate.cert,
    '/abs/k.pem': clientCertificate.key,
  }
  const readFile = (file: string) => files[file] ?? assert.fail(file)
  const text = `
upstream: {tls: {ca_file: ca.pem, insecure_skip_verify: true}}
targets:
  - virtual_key: openai
    tls: {cert_file: c.pem, key_file: /abs/k.pem, server_name: llm.test, insecure_skip_verify: false}
  - {name: plain, virtual_key: openai}
`
  const result = compiled(text, { ...withKey, readFile, directory: '/etc/f' })
  assert.deepEqual(result.snapshot.targets[0].tls, {
    ca: [testCa],
    cert: clientCertificate.cert,
    key: clientCertificate.key,
    servername: 'llm.test',
  })
  assert.deepEqual(result.snapshot.targets[1].tls, { ca: [testCa], rejectUnauthorized: false })
  assert.deepEqual([...result.files.tls].sort(), Object.keys(files).sort())
  assert.match(lines(result.warnings).join(), /upstream\.tls\.insecure_skip_verify: any certificate is accepted/)
})

test('TLS files that are missing or do not fit are problems at their path, once', () => {
  const readFile = (file: string): string => {
    if (file.endsWith('gone.pem')) throw new Error('ENOENT: gone.pem')
    if (file.endsWith('cert.pem')) return clientCertificate.cert
    return file.endsWith('other.pem') ? elsewhereCertificate.key : 'hello'
  }
  const two = 'targets: [{virtual_key: openai}, {name: b, virtual_key: openai}]'
  const said = (upstreamTls: string) => problems(`upstream: {tls: ${upstreamTls}}\n${two}`, { ...withKey, readFile })
  assert.deepEqual(said('{ca_file: gone.pem}'), ['upstream.tls.ca_file: ENOENT: gone.pem'])
  assert.match(said('{ca_file: text.pem}').join(), /upstream\.tls\.ca_file: holds no PEM certificate/)
  assert.match(
    said('{cert_file: cert.pem, key_file: other.pem}').join(),
    /^upstream\.tls: the files do not fit: .*mismatch/,
  )
  assert.match(
    problems(`server: {tls: {cert_file: cert.pem, key_file: other.pem}}\n${two}`, { ...withKey, readFile }).join(),
    /^server\.tls: the files do not fit/,
  )
})

test('the keys file is part of the config: its keys arrive, its mistakes refuse it', () => {
  const line = JSON.stringify({ id: 'ci', sha256: 'ab'.repeat(32) })
  const text = withTarget('auth: {keys_file: keys.jsonl}')
  const options = (content: string): CompileOptions => ({ ...withKey, directory: '/etc/f', readFile: () => content })
  const { snapshot, files } = compiled(text, options(line))
  assert.equal(files.keys, '/etc/f/keys.jsonl')
  const find = openKeyTable(snapshot.auth.keys)
  assert.deepEqual(find('\xab'.repeat(32)), { id: 'ci', name: '', scopes: ['read_only'], expiresAtMs: 0 })
  assert.deepEqual(problems(text, options(`${line}\n${line}`)), [
    'auth.keys_file: keys.jsonl:2:2 id: line 1 has this id already',
    'auth.keys_file: keys.jsonl:2:12 sha256: line 1 has this sha256 already',
  ])
})

test('all problems of a config come together', () => {
  const text = `
server: {tls: {cert_file: gone.pem, key_file: gone.pem, passphrase: "${ref('P')}"}}
auth: {keys_file: gone.jsonl}
targets: [{virtual_key: openai, api_key: "${ref('A')}", base_url: "${ref('B')}"}]
`
  const readFile = (): string => {
    throw new Error('gone')
  }
  const said = problems(text, { ...withKey, readFile }).map(line => line.split(':')[0])
  assert.deepEqual(said.sort(), [
    'auth.keys_file',
    'server.tls.cert_file',
    'server.tls.key_file',
    'server.tls.passphrase',
    'targets[0].api_key',
    'targets[0].base_url',
    'targets[0].base_url',
  ])
})

test('the snapshot is plain data that crosses threads unchanged', () => {
  const { snapshot } = compiled(withTarget('aliases: {fast: gpt-4o}'), withKey)
  assert.deepEqual(structuredClone(snapshot), snapshot)
})
