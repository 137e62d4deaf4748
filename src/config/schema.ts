import * as z from 'zod'
import type { Provider } from '../core/provider.ts'
import { defaults } from './defaults.ts'
import { durationPattern, longestDurationMs, parseDuration } from './duration.ts'
import { settingKey } from './setting-key.ts'

/**
 * The whole config file as data. Nothing here changes a value: what was written is what is stored and served, with its
 * `${NAME}` references, and `compile.ts` fills in the defaults. Rules that need more than one field are in `rules.ts`.
 * Descriptions feed the JSON Schema and are kept in step with config.example.yaml.
 */
export type Config = z.input<ReturnType<typeof createConfigSchema>>
export type TargetConfig = Config['targets'][number]
export type UpstreamTlsConfig = NonNullable<TargetConfig['tls']>

/** What the schema must know of a provider; plain data. */
export type ProviderSettings = Pick<Provider, 'id' | 'aliases' | 'settings'>

/** An optional field; `fallback` is what leaving it out means. */
const field = <T extends z.ZodType>(type: T, description: string, fallback?: unknown) =>
  type.optional().meta(fallback === undefined ? { description } : { description, default: fallback })

const needed = <T extends z.ZodType>(type: T, description: string) => type.meta({ description })

/** How a variable is written in a config file. */
const reference = '$' + '{NAME}'

const oneOf = <const V extends readonly string[]>(values: V) => z.enum(values)
const text = () => z.string().min(1)
const whole = (from: number, to: number) => z.int().min(from).max(to)
const atLeast = (from: number) => z.int().min(from)
const port = () => whole(0, 65_535)
const strings = () => z.record(z.string(), z.string())
const anything = () => z.record(z.string(), z.unknown())

const durationHelp = 'must be a duration such as "500ms", "30s" or "1m30s"'

function duration({ zero }: { zero: boolean }) {
  return z
    .string({ error: issue => (issue.input === undefined ? undefined : durationHelp) })
    .check(ctx => {
      const ms = parseDuration(ctx.value)
      const message =
        ms === null
          ? durationHelp
          : ms === 0 && !zero
            ? 'must be longer than zero'
            : ms > longestDurationMs
              ? 'must be at most 596h'
              : null
      if (message !== null) ctx.issues.push({ code: 'custom', message, input: ctx.value })
    })
    .meta({ pattern: durationPattern.source })
}
const time = () => duration({ zero: false })
const timeOrZero = () => duration({ zero: true })

const strategyModes = [
  'single',
  'fallback',
  'loadbalance',
  'conditional',
  'least-latency',
  'cost-optimized',
  'content-based',
  'ab-test',
] as const

const unknownMode = ({ input }: { input?: unknown }) =>
  `unknown strategy mode${typeof input === 'string' ? ` "${input.slice(0, 60)}"` : ''}; it must be one of ${strategyModes.join(', ')}`

const strategy = z.strictObject({
  mode: field(
    z.enum(strategyModes, { error: unknownMode }),
    'How a target is chosen. An empty text means single.',
    'single',
  ),
  conditions: field(
    z.array(
      z.strictObject({
        key: needed(oneOf(['model', 'model_prefix']), 'What is compared with `value`: the model, or its beginning.'),
        value: needed(text(), 'The model or prefix to match.'),
        target_key: needed(text(), 'The target that takes matching requests.'),
      }),
    ),
    'Rules of the mode `conditional`; the first that matches wins.',
  ),
  content_conditions: field(
    z.array(
      z.strictObject({
        type: needed(
          oneOf(['prompt_contains', 'prompt_not_contains', 'prompt_regex']),
          'How `value` is looked for in the user messages.',
        ),
        value: needed(text(), 'The text or regular expression.'),
        target_key: needed(text(), 'The target that takes matching requests.'),
      }),
    ),
    'Rules of the mode `content-based`; the first that matches wins.',
  ),
  ab_variants: field(
    z.array(
      z.strictObject({
        target_key: needed(text(), 'The target of this variant.'),
        weight: needed(z.number().min(0), 'Its share, relative to the sum of all weights.'),
        label: field(z.string(), 'The name of the variant in traces.'),
      }),
    ),
    'Variants of the mode `ab-test`.',
  ),
  unpriced_strategy: field(
    oneOf(['fallback', 'skip', 'allow']),
    'What `cost-optimized` does with targets whose price is not known.',
    'fallback',
  ),
})

const upstreamTls = z.strictObject({
  ca_file: field(text(), 'PEM file with certificates to trust in addition to the system’s.'),
  cert_file: field(text(), 'PEM file with the client certificate.'),
  key_file: field(text(), 'PEM file with the key of the client certificate.'),
  server_name: field(text(), 'The name the upstream’s certificate must carry, when it is not the host of the URL.'),
  insecure_skip_verify: field(
    z.boolean(),
    'Accept any certificate. Only for tests: whoever is in between reads the keys.',
    false,
  ),
})

const modelId = () =>
  z.string().check(ctx => {
    const message =
      ctx.value === ''
        ? 'must not be empty'
        : ctx.value !== ctx.value.trim()
          ? 'must not begin or end with a space'
          : /[*?]/.test(ctx.value)
            ? 'must be a model id; * and ? are not patterns here'
            : null
    if (message !== null) ctx.issues.push({ code: 'custom', message, input: ctx.value })
  })

const targetName = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$/, {
    error: 'must be 1 to 64 letters, digits, or . _ : / - and begin with a letter or digit',
  })

const target = {
  virtual_key: field(targetName(), 'The provider’s id. It also names the target, unless `name` does.'),
  provider: field(text(), 'The provider’s id, when `virtual_key` is only a name or left out.'),
  name: field(
    targetName(),
    'What metrics, logs and X-Gateway-Provider call this target. Needed when a provider is used twice.',
  ),
  weight: field(z.number().min(0), 'Share in the mode `loadbalance`; 0 keeps the target for failover only.', 0),
  models: field(z.array(modelId()), 'Model ids this target serves, in addition to those its provider is known for.'),
  retry: field(
    z.strictObject({
      attempts: field(atLeast(0), 'How often this target is asked in all, the first time included.', 1),
      on_status_codes: field(
        z.array(whole(100, 599)),
        'Upstream statuses worth another attempt. Empty: 408, 429 and from 500 up.',
      ),
      initial_backoff_ms: field(
        atLeast(0),
        'Longest wait before the second attempt, in ms; doubles with each further one. 0 means 100.',
        100,
      ),
    }),
    'Asking the same target again before the next one gets its turn.',
  ),
  circuit_breaker: field(
    z.strictObject({
      failure_threshold: field(atLeast(0), 'Failures in a row that open it.', 5),
      success_threshold: field(atLeast(0), 'Successes that close it again.', 1),
      max_half_threshold: field(atLeast(0), 'How many requests may probe a half-open breaker at once.', 1),
      timeout: field(time(), 'How long it stays open.', '30s'),
    }),
    'Leaves the target out for a while after failures in a row.',
  ),
  concurrency: field(
    z.strictObject({
      max_concurrency: needed(whole(1, 10_000), 'Most requests this target carries at once.'),
      queue_size: field(whole(0, 10_000), 'Most requests that wait for their turn. 0 means 1000.', 1000),
    }),
    'Bounds the requests under way to this target.',
  ),
  max_connections: field(
    whole(1, 65_535),
    'Most connections to this target from each worker. Default: upstream.max_connections.',
  ),
  tls: field(upstreamTls, 'TLS towards this target; each field replaces the one of upstream.tls.'),
  http2: field(z.boolean(), 'Speak HTTP/2 where the upstream offers it. Default: upstream.http2.'),
  proxy: field(
    z.string(),
    'HTTP proxy for this target; "" for none. Default: upstream.proxy, then the proxy variables.',
  ),
}

/** Keys of a target that don't depend on its provider. */
export const fixedTargetKeys: ReadonlySet<string> = new Set(Object.keys(target))

function settingFields(providers: readonly ProviderSettings[]): Record<string, z.ZodType> {
  const users = new Map<string, string[]>()
  const help = new Map<string, string>()
  const secret = new Set<string>()
  for (const { id, settings } of providers) {
    for (const [name, setting] of Object.entries(settings)) {
      const key = settingKey(name)
      users.set(key, [...(users.get(key) ?? []), id])
      if (setting.secret === true) secret.add(key)
      if (setting.help !== undefined && !help.has(key)) help.set(key, setting.help)
    }
  }
  return Object.fromEntries(
    [...users].map(([key, ids]) => {
      const kind = secret.has(key) ? `Credential, best written as ${reference}` : 'Setting'
      const explained = help.get(key)
      return [
        key,
        field(z.string(), `${kind}; for ${ids.join(', ')}${explained === undefined ? '' : `: ${explained}`}.`),
      ]
    }),
  )
}

export function createConfigSchema(providers: readonly ProviderSettings[]) {
  // Which of the settings a target may have depends on its provider: rules.ts looks at that.
  const settings = settingFields(providers) as Record<never, never>
  return z.strictObject({
    apiVersion: field(z.string(), 'Version of this format.', 'v1'),
    server: field(
      z.strictObject({
        host: field(text(), 'Address to listen on.', defaults.server.host),
        port: field(port(), 'Port to listen on; the variable PORT wins. 0 takes a free one.', defaults.server.port),
        engine: field(
          oneOf(['auto', 'uws', 'node']),
          'What carries HTTP: uWebSockets.js or Node’s sockets. auto takes uws where it is installed.',
          defaults.server.engine,
        ),
        max_head_bytes: field(
          whole(4096, 1_048_576),
          'Longest request line and headers, in bytes; above it: 431.',
          defaults.server.max_head_bytes,
        ),
        head_timeout: field(
          time(),
          'How long a client may take to send the head of a request.',
          defaults.server.head_timeout,
        ),
        body_timeout: field(time(), 'Longest silence while a request body arrives.', defaults.server.body_timeout),
        keep_alive_timeout: field(
          time(),
          'How long an idle client connection is kept.',
          defaults.server.keep_alive_timeout,
        ),
        write_stall_timeout: field(
          time(),
          'How long a client may read nothing before its connection is cut.',
          defaults.server.write_stall_timeout,
        ),
        max_connections: field(
          atLeast(0),
          'Most client connections. 0: from the limit of open files.',
          defaults.server.max_connections,
        ),
        shutdown_grace: field(
          timeOrZero(),
          'How long requests under way may take to end after SIGTERM.',
          defaults.server.shutdown_grace,
        ),
        pre_stop_delay: field(
          timeOrZero(),
          'How long to answer as before, but not ready, between SIGTERM and the end of accepting.',
          defaults.server.pre_stop_delay,
        ),
        tls: field(
          z.strictObject({
            cert_file: needed(text(), 'PEM file with the certificate chain.'),
            key_file: needed(text(), 'PEM file with the private key.'),
            ca_file: field(text(), 'PEM file with certificates to trust when clients show one.'),
            passphrase: field(z.string(), `Passphrase of the key, best written as ${reference}.`),
            min_version: field(
              oneOf(['TLSv1.2', 'TLSv1.3']),
              'Oldest TLS version accepted.',
              defaults.server.tls.min_version,
            ),
          }),
          'Serve HTTPS. The files are watched.',
        ),
      }),
      'The listening side.',
    ),
    runtime: field(
      z.strictObject({
        acceptors: field(
          whole(1, 256),
          'Threads that carry client connections. Default: a quarter of the cores (of a container, its CPU limit), at least 1.',
        ),
        workers: field(
          whole(0, 256),
          'Threads that process requests. 0: inside the acceptors. Default: the other cores, at least 1.',
        ),
        worker_memory_mb: field(
          whole(64, 65_536),
          'A worker that uses more memory than this is drained and replaced. Request bodies that come in pieces may take half of it; more are answered with 503.',
          defaults.runtime.worker_memory_mb,
        ),
        stuck_after: field(
          time(),
          'A worker silent for this long is ended and replaced.',
          defaults.runtime.stuck_after,
        ),
        ring_budget_mb: field(
          whole(1, 4096),
          'Memory of all rings between acceptors and workers.',
          defaults.runtime.ring_budget_mb,
        ),
      }),
      'Threads and their memory.',
    ),
    strategy: field(strategy, 'Which target gets a request.'),
    targets: z
      .array(z.strictObject({ ...target, ...settings }), {
        error: issue => (issue.input == null ? 'at least one target is required' : undefined),
      })
      .min(1, { error: 'at least one target is required' })
      .meta({ description: 'The upstreams, in order of preference.' }),
    aliases: field(strings(), 'Other names for models: the name clients use, then the model it stands for.'),
    auth: field(
      z.strictObject({
        keys_file: field(
          text(),
          'JSON lines of client keys: id, sha256 (hex of the key), name, scopes, expires_at. The file is watched.',
        ),
      }),
      'Who may use the gateway, besides the holder of MASTER_KEY.',
    ),
    max_request_bytes: field(
      z.int(),
      'Longest request body, in bytes; above it: 413. Uploads may have more: sound 26 MiB (a file of 25 MiB and its form), pictures 100 MiB. 0 or less means the default.',
      defaults.max_request_bytes,
    ),
    request_timeout: field(time(), 'Longest a request may take in all. Default: no limit.'),
    upstream: field(
      z.strictObject({
        connect_timeout: field(
          time(),
          'Longest wait for a connection, TLS included.',
          defaults.upstream.connect_timeout,
        ),
        first_byte_timeout: field(
          time(),
          'Longest wait for the head of an answer.',
          defaults.upstream.first_byte_timeout,
        ),
        idle_timeout: field(time(), 'Longest silence inside an answer.', defaults.upstream.idle_timeout),
        total_timeout: field(
          timeOrZero(),
          'Longest a call may take in all; 0s for no limit.',
          defaults.upstream.total_timeout,
        ),
        max_connections: field(
          whole(1, 65_535),
          'Most connections per upstream host and worker.',
          defaults.upstream.max_connections,
        ),
        max_queue: field(
          whole(0, 1_000_000),
          'Most requests waiting for a connection, per upstream host and worker.',
          defaults.upstream.max_queue,
        ),
        keep_alive: field(time(), 'How long an idle upstream connection is kept.', defaults.upstream.keep_alive),
        max_connection_age: field(
          time(),
          'An older connection takes no new request, so that DNS changes are noticed.',
          defaults.upstream.max_connection_age,
        ),
        max_response_bytes: field(
          atLeast(1024),
          'Longest answer that is not a stream, in bytes.',
          defaults.upstream.max_response_bytes,
        ),
        max_head_bytes: field(
          whole(4096, 1_048_576),
          'Longest head of an answer, in bytes.',
          defaults.upstream.max_head_bytes,
        ),
        retry_stale: field(
          z.boolean(),
          'Send a request once more when a reused connection turns out to be closed before any byte came back.',
          defaults.upstream.retry_stale,
        ),
        tls: field(upstreamTls, 'TLS towards upstreams.'),
        http2: field(z.boolean(), 'Speak HTTP/2 where an upstream offers it.', defaults.upstream.http2),
        proxy: field(
          z.string(),
          'HTTP proxy for all upstreams, in place of HTTPS_PROXY, HTTP_PROXY and NO_PROXY; "" for none.',
        ),
      }),
      'The calling side.',
    ),
    stream: field(
      z.strictObject({
        heartbeat: field(
          timeOrZero(),
          'Send a comment line when a stream has been silent for this long; 0s for never.',
          defaults.stream.heartbeat,
        ),
      }),
      'Streamed answers.',
    ),
    compatibility: field(
      z.strictObject({
        on_unsupported_param: field(
          oneOf(['warn', 'drop', 'reject']),
          'A parameter the provider is known not to take: leave it out and name it in the log, leave it out, or answer 400.',
          defaults.compatibility.on_unsupported_param,
        ),
        stream_usage: field(
          oneOf(['requested', 'always']),
          'Whether the usage event of a stream reaches only clients that asked for it, or all.',
          defaults.compatibility.stream_usage,
        ),
      }),
      'What to do where providers differ.',
    ),
    plugins: field(
      z.array(
        z.strictObject({
          name: needed(text(), 'Which plugin.'),
          type: field(z.string(), 'Its kind, for the reader; the plugin knows its own.'),
          stage: field(oneOf(['before_request', 'after_request', 'on_error']), 'When it runs.'),
          enabled: field(z.boolean(), 'Entries that are not enabled are skipped.', false),
          config: field(anything(), `Its options; texts may contain ${reference}.`),
        }),
      ),
      'Checks and changes around each request, in order of execution.',
    ),
    mcp_servers: field(
      z.array(
        z.strictObject({
          name: needed(text(), 'A name of its own for the server.'),
          url: field(text(), 'Address of a Streamable HTTP server; excludes `command`.'),
          headers: field(strings(), `Further headers; values may contain ${reference}.`),
          command: field(text(), 'Program of a stdio server; excludes `url`.'),
          args: field(z.array(z.string()), 'Arguments of the program.'),
          env: field(strings(), `Variables of the program; values may contain ${reference}.`),
          allowed_tools: field(z.array(text()), 'Names of the tools models may call. Default: all.'),
          max_call_depth: field(atLeast(0), 'Most rounds of tool calls in one request.', 5),
          timeout_seconds: field(atLeast(0), 'Longest a tool call may take, in seconds.', 30),
          required: field(z.boolean(), 'The gateway is not ready without this server.', false),
        }),
      ),
      'Tool servers (Model Context Protocol).',
    ),
    observability: field(
      z.strictObject({
        tracing: field(
          z.strictObject({
            enabled: field(z.boolean(), 'Left out: on when an endpoint is known. false: off, whatever else is set.'),
            endpoint: field(text(), 'OTLP endpoint.'),
            protocol: field(oneOf(['grpc', 'http/protobuf']), 'OTLP protocol.', 'grpc'),
            service_name: field(text(), 'Name of this service in traces.', 'ferrogw'),
            sample_ratio: field(z.number().min(0).max(1), 'Share of the requests that are traced, 0 to 1.', 1),
            privacy_level: field(
              oneOf(['none', 'metadata', 'full']),
              'How much an error may say in a span.',
              'metadata',
            ),
            shutdown_grace: field(timeOrZero(), 'Longest wait for the last export.', '10s'),
            headers: field(strings(), `Headers of the export; values may contain ${reference}.`),
          }),
          'OpenTelemetry traces.',
        ),
        exporters: field(
          z.array(
            z.strictObject({
              name: needed(text(), 'Which exporter.'),
              enabled: field(z.boolean(), 'Entries that are not enabled are skipped.', false),
              config: field(anything(), `Its options; texts may contain ${reference}.`),
            }),
          ),
          'Where lifecycle events go.',
        ),
      }),
      'Traces and events.',
    ),
    batch_target: field(text(), 'The target that takes files and batches.'),
    responses_target: field(
      text(),
      'The target that takes the Responses API where no model decides, and keeps its answers.',
    ),
  })
}
