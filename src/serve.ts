import { randomBytes } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import { demo, providers } from '../providers/index.ts'
import { banner } from './cli/banner.ts'
import { maxSeries } from './config/allocation.ts'
import { type Environment, readEnvironment } from './config/env.ts'
import { formatProblems } from './config/problems.ts'
import { availableCores } from './control/available-cores.ts'
import { fatal } from './control/fatal.ts'
import { ModelCatalog } from './control/model-catalog.ts'
import { health, readiness } from './control/probes.ts'
import { Reloader } from './control/reload.ts'
import { controlAccept } from './control/routes.ts'
import { isRefused, readSettings, type Settings, type SettingsSource } from './control/settings.ts'
import { Supervisor } from './control/supervisor.ts'
import type { Accept } from './core/incoming.ts'
import type { DiscoveredModel } from './core/provider.ts'
import { createRedactor } from './core/redact.ts'
import { version } from './core/version.ts'
import { claimPort } from './downstream/claim-port.ts'
import { headLimitVariable, uwsAvailable } from './downstream/create-engine.ts'
import { connectionCap, readFileLimit } from './downstream/peer-limits.ts'
import type { AcceptorLimits } from './link/acceptor-side.ts'
import { ConsumerLink } from './link/consumer-side.ts'
import { Doorbell } from './shared/doorbell.ts'
import { startHeartbeat } from './shared/heartbeat.ts'
import { roster } from './shared/layout.ts'
import { createMetricMemory, threadMetrics, zeroGauges } from './shared/metric-rows.ts'
import { TargetState, targetStateBytes } from './shared/target-state.ts'
import { tokenBucketBytes } from './shared/token-buckets.ts'
import { surfaces } from './surfaces/index.ts'
import { createLog, type MainLog } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { decodeRecord } from './telemetry/record-codec.ts'

/** The composition root: reads the config, starts the threads, hands each its parts. Returns the exit code. */
export interface ServeOptions {
  /** The bundles of the other threads. */
  readonly entries: ThreadEntries
  /** In place of GATEWAY_CONFIG. */
  readonly configFile?: string
  /** A thread for the config that runs already. */
  readonly loader?: Worker | null
  /** In place of PORT. */
  readonly port?: number
}

const bucketSlots = 1 << 17
/** Targets beyond are served as well, but nothing is known of them. */
const targetRows = 4096
/** Rows beyond the threads that are wanted, for those that are on their way out. */
const spareRows = 24
const flushMs = 500

export interface ThreadEntries {
  readonly acceptor: URL
  readonly worker: URL
  readonly configLoader: URL
  /** Bytes, not a bundle: the models that come with the gateway. */
  readonly catalog: URL
}

export async function serve(options: ServeOptions): Promise<number> {
  const startedAtMs = Date.now()
  const environment = readEnvironment()
  if (!environment.ok) return refuse(formatProblems('environment', environment.problems))
  const withMasterKey = chooseMasterKey(environment.env)
  if (typeof withMasterKey === 'string') return refuse(withMasterKey)
  const { env, generatedKey } = withMasterKey

  const catalog = new ModelCatalog(options.entries.catalog)
  const discovered: DiscoveredModels = { of: () => [] }
  const source: SettingsSource = {
    models: () => ({ catalog: catalog.memory, discovered: fingerprint => discovered.of(fingerprint) }),
    file: options.configFile ?? env.configFile,
    env: options.port === undefined ? env : { ...env, port: options.port },
    providers,
    fallbackProvider: demo,
    loader: options.entries.configLoader,
    cores: availableCores(),
    startedUnixMs: startedAtMs,
    recordRequests: env.logLevel === 'debug' || env.logLevel === 'info',
  }
  if (source.file === '') void options.loader?.terminate()
  const settings = await readSettings({ ...source, loader: options.loader ?? source.loader }, 1)
  if (isRefused(settings)) return refuse(settings.text)

  const gateway = new Gateway({ source, catalog, discovered, entries: options.entries, startedAtMs }, settings)
  return gateway.run([...environment.warnings, ...settings.warnings], generatedKey)
}

function refuse(text: string): number {
  process.stderr.write(`ferrite: cannot start\n${text}\n`)
  return 1
}

/** Without one the gateway makes one for this run; production wants one that is known. */
function chooseMasterKey(env: Environment): { env: Environment; generatedKey: string } | string {
  if (env.masterKey !== '' || env.allowUnauthenticated) return { env, generatedKey: '' }
  if (env.production) return 'environment: MASTER_KEY: must be set when GATEWAY_ENV=production'
  const generatedKey = `fgw_${randomBytes(16).toString('hex')}`
  return { env: { ...env, masterKey: generatedKey }, generatedKey }
}

/** Asked at each compile of the config; replaced when upstreams are asked at all. */
interface DiscoveredModels {
  of: (fingerprint: string) => readonly DiscoveredModel[]
}

interface GatewayParts {
  readonly source: SettingsSource
  readonly catalog: ModelCatalog
  readonly discovered: DiscoveredModels
  readonly entries: ThreadEntries
  readonly startedAtMs: number
}

class Gateway {
  readonly #source: SettingsSource
  readonly #catalog: ModelCatalog
  readonly #discovered: DiscoveredModels
  readonly #entries: ThreadEntries
  readonly #startedAtMs: number
  readonly #settings: Settings
  readonly #memory
  readonly #words: Int32Array
  #log!: MainLog
  #supervisor!: Supervisor
  #reloader!: Reloader
  #engine: 'uws' | 'node' = 'node'
  #redact: (text: string) => string
  #accept: Accept | null = null
  #acceptFor: Settings | null = null
  #draining = false
  readonly #targetState: TargetState
  #rows: readonly number[] = []

  constructor({ source, catalog, discovered, entries, startedAtMs }: GatewayParts, settings: Settings) {
    this.#entries = entries
    this.#source = source
    this.#catalog = catalog
    this.#discovered = discovered
    this.#settings = settings
    this.#startedAtMs = startedAtMs
    this.#redact = createRedactor({ secrets: settings.snapshot.secrets })
    const { acceptors, workers } = settings.runtime
    this.#memory = {
      roster: new SharedArrayBuffer(roster.bytes),
      metrics: createMetricMemory({ threads: 1 + acceptors + workers + spareRows, series: maxSeries }),
      buckets: new SharedArrayBuffer(tokenBucketBytes(bucketSlots)),
      targets: new SharedArrayBuffer(targetStateBytes(targetRows)),
    }
    this.#words = new Int32Array(this.#memory.roster)
    this.#targetState = new TargetState(this.#memory.targets)
    this.#rows = settings.snapshot.targets.map(({ row }) => row)
  }

  async run(warnings: Settings['warnings'], generatedKey: string): Promise<number> {
    const { env } = this.#source
    const { server, runtime, snapshot } = this.#settings
    this.#log = await createLog({ level: env.logLevel, format: env.logFormat, redact: text => this.#redact(text) })
    for (const { path, message, hint } of warnings) this.#log.warn('config', { path, warning: message, hint })
    if (this.#catalog.problem !== '')
      this.#log.warn('there is no catalog of models; costs are unknown', { cause: this.#catalog.problem })

    process.env[headLimitVariable] = String(server.maxHeadBytes)
    const engine = this.#chooseEngine()
    if (engine.refused !== '') return refuse(`server.engine: ${engine.refused}`)
    this.#engine = engine.name
    const canShare = engine.name === 'uws' || canSharePorts
    const acceptors = canShare ? runtime.acceptors : 1
    if (acceptors < runtime.acceptors)
      this.#log.info('one acceptor: this engine cannot share a port on this version of Node')

    let port: number
    try {
      port = await claimPort(server.host, server.port)
    } catch (error) {
      return refuse(listenProblem(error as NodeJS.ErrnoException, server.host, server.port))
    }

    const control = new ConsumerLink(0, this.#words, incoming => this.#controlAccept(incoming))
    const bell = new Doorbell(this.#words, 0, acceptor => control.serve(acceptor))
    bell.open()
    const heartbeat = startHeartbeat(this.#words, 0, () => control.inFlight)
    const files = readFileLimit()
    const upstreamShare = Math.min(files / 2, Math.max(64, runtime.workers * 256))
    const cap = server.maxConnections > 0 ? server.maxConnections : connectionCap(files, upstreamShare)

    this.#supervisor = new Supervisor(
      {
        ...runtime,
        acceptors,
        entries: this.#entries,
        memory: this.#memory,
        engine: engine.name,
        listen: {
          host: server.host,
          port,
          // Also with one acceptor: its successor listens before it has closed.
          sharedPort: canShare,
          maxHeadBytes: server.maxHeadBytes,
          maxConnections: Math.max(1, Math.floor(cap / acceptors)),
          headTimeoutMs: server.headTimeoutMs,
          keepAliveTimeoutMs: server.keepAliveTimeoutMs,
          tls: server.tls,
        },
        logLevel: env.logLevel,
        userAgent: `ferrite/${version}`,
        log: this.#log,
        control: {
          addAcceptor: (thread, message) => control.addAcceptor(thread, message.buffer, message.layout),
          removeAcceptor: thread => control.removeAcceptor(thread),
        },
        onRecord: (bytes, offset, length) => {
          const record = decodeRecord(bytes, offset, length)
          if (record !== null) this.#log.request(record)
        },
        onThreadGone: thread => zeroGauges(this.#memory.metrics, thread),
      },
      snapshot,
      limitsOf(this.#settings, env.logLevel),
    )
    this.#reloader = new Reloader(
      {
        source: this.#source,
        log: this.#log,
        apply: settings => this.#apply(settings),
        onTlsChange: () => {
          this.#supervisor
            .rollAcceptors()
            .catch((error: unknown) => this.#log.error('acceptors were not replaced', { error: String(error) }))
        },
      },
      this.#settings,
    )
    this.#metrics = createMetrics({
      memory: this.#memory.metrics,
      catalogLoads: () => [...this.#catalog.loads.values()],
      seriesLabels: () => this.#seriesLabels(),
      processInfo: () => this.#processInfo(),
      targets: () =>
        this.#reloader.current.snapshot.targets.map(({ key, row }) => ({
          provider: key,
          ...this.#targetState.row(row).read(),
        })),
    })

    const stopped = this.#untilStopped()
    try {
      await this.#supervisor.start()
    } catch (error) {
      await this.#supervisor.close()
      return refuse(error instanceof Error ? error.message : String(error))
    }
    process.stderr.write(this.#banner(port, acceptors, engine.note, generatedKey))
    this.#log.info('ready', {
      version,
      port,
      engine: engine.name,
      acceptors,
      workers: runtime.workers,
      strategy: snapshot.strategy.mode,
      targets: snapshot.targets.map(({ key }) => key),
      start_ms: Date.now() - this.#startedAtMs,
    })

    await this.#followModels()
    await stopped
    const clean = await this.#shutdown()
    heartbeat.stop()
    bell.close()
    this.#reloader.close()
    await this.#log.flush(flushMs)
    // A normal exit with an acceptor still open would abort.
    return clean ? 0 : fatal('an acceptor did not close')
  }

  /** After the start, which waits for nobody else. */
  async #followModels(): Promise<void> {
    const { env } = this.#source
    if (env.modelCatalog.url === '' && env.modelDiscoveryMs === 0) return
    const { followModels } = await import('./control/follow-models.ts')
    const discovery = followModels({
      env,
      providers,
      userAgent: `ferrite/${version}`,
      log: this.#log,
      catalog: this.#catalog,
      current: () => this.#reloader.current,
      onNews: reason => void this.#reloader.reload(reason),
    })
    if (discovery !== null) this.#discovered.of = fingerprint => discovery.of(fingerprint)
  }

  // Config.

  #apply(settings: Settings): void {
    const known = new Set(this.#rows)
    this.#rows = settings.snapshot.targets.map(({ row }) => row)
    // What was known of a row's last target is nothing that its next one did.
    for (const row of this.#rows) if (!known.has(row)) this.#targetState.clear(row)
    this.#redact = createRedactor({ secrets: settings.snapshot.secrets })
    this.#supervisor.reload(settings.snapshot, limitsOf(settings, this.#source.env.logLevel))
  }

  #chooseEngine(): { name: 'uws' | 'node'; note: string; refused: string } {
    const wanted = this.#settings.server.engine
    if (wanted === 'node') return { name: 'node', note: '', refused: '' }
    const { available, reason } = uwsAvailable()
    if (available) return { name: 'uws', note: '', refused: '' }
    if (wanted === 'uws') return { name: 'node', note: '', refused: `uws is not available: ${reason}` }
    return { name: 'node', note: reason ?? '', refused: '' }
  }

  // Control routes.

  #controlAccept(incoming: Parameters<Accept>[0]): ReturnType<Accept> {
    const { current } = this.#reloader
    if (this.#accept === null || this.#acceptFor !== current) {
      this.#acceptFor = current
      this.#accept = controlAccept(current.snapshot, {
        routes: [
          { path: '/health', access: 'none', handle: () => health(this.#state()) },
          { path: '/readyz', access: 'none', handle: () => readiness(this.#state()) },
          { path: '/metrics', access: 'read', handle: () => this.#scrape() },
        ],
        metrics: threadMetrics(this.#memory.metrics, 0),
        buckets: this.#memory.buckets,
        onError: (error, path) => this.#log.error('control route failed', { path, error: String(error) }),
      })
    }
    return this.#accept(incoming)
  }

  #state() {
    const { current, state } = this.#reloader
    return {
      snapshot: current.snapshot,
      version,
      engine: this.#engine,
      startedAtMs: this.#startedAtMs,
      draining: this.#draining,
      crashLooping: this.#supervisor.isCrashLooping,
      workers: this.#supervisor.workersByState(),
      acceptors: this.#supervisor.threads().filter(({ name, state }) => name.startsWith('acceptor') && state === 'live')
        .length,
      config: state,
      modelsOf: (id: string) => providers.find(provider => provider.id === id)?.models ?? [],
    }
  }

  #metrics: ReturnType<typeof createMetrics> | null = null

  async #scrape() {
    const { contentType, body } = await this.#metrics!.render()
    return { status: 200, contentType, body }
  }

  #seriesLabels() {
    const labels: { provider: string; model: string }[] = []
    for (const [key, row] of Object.entries(this.#reloader.current.snapshot.series)) {
      const at = key.indexOf('\0')
      labels[row] = { provider: key.slice(0, at), model: key.slice(at + 1) }
    }
    return labels
  }

  #processInfo() {
    const threads = this.#supervisor.threads()
    return {
      version,
      engine: this.#engine,
      workers: this.#supervisor.workersByState(),
      workerRestarts: this.#supervisor.restarts,
      logRecordsDropped: this.#log.dropped,
      threads: threads.map(({ name, heapMb, externalMb, lagMs }) => ({
        name,
        heapUsedBytes: heapMb << 20,
        arrayBuffersBytes: externalMb << 20,
        eventLoopLagMs: lagMs,
      })),
    }
  }

  #banner(port: number, acceptors: number, engineNote: string, generatedKey: string): string {
    const { snapshot, runtime, server } = this.#settings
    const host = ['0.0.0.0', '::', ''].includes(server.host)
      ? 'localhost'
      : server.host.includes(':')
        ? `[${server.host}]`
        : server.host
    const chatting = new Map(providers.flatMap(({ id, codecs, models = [] }) => (codecs.chat ? [[id, models]] : [])))
    const first = snapshot.targets.find(({ provider }) => chatting.has(provider))
    const model = first && (first.models[0] ?? chatting.get(first.provider)?.[0] ?? 'gpt-4o-mini')
    return banner({
      version,
      url: `${server.tls === null ? 'http' : 'https'}://${host}:${port}`,
      engine: this.#engine,
      engineNote,
      acceptors,
      workers: runtime.workers,
      strategy: snapshot.strategy.mode,
      targets: snapshot.targets.map(({ key }) => key),
      isDemo: snapshot.targets[0]!.provider === demo.id,
      config: this.#source.file,
      generatedKey,
      open: snapshot.auth.allowUnauthenticated,
      model: model ?? '',
    })
  }

  // The end.

  #untilStopped(): Promise<void> {
    return new Promise(resolve => {
      const onSignal = (signal: NodeJS.Signals): void => {
        if (this.#draining) fatal(`second signal (${signal}): not waiting any longer`)
        this.#draining = true
        this.#log.info('shutting down', { signal })
        resolve()
      }
      process.on('SIGTERM', onSignal)
      process.on('SIGINT', onSignal)
      process.on('SIGHUP', () => void this.#reloader.reload('SIGHUP'))
      process.on('uncaughtException', error =>
        fatal(`main: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
      )
    })
  }

  async #shutdown(): Promise<boolean> {
    const { preStopDelayMs, shutdownGraceMs } = this.#reloader.current.server
    if (preStopDelayMs > 0) await new Promise(resolve => setTimeout(resolve, preStopDelayMs))
    await this.#supervisor.drain(shutdownGraceMs)
    const clean = await this.#supervisor.close()
    this.#log.info('stopped', { uptime_s: Math.round((Date.now() - this.#startedAtMs) / 1000) })
    return clean
  }
}

/** `reusePort` came with 22.12 and 23.1. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const canSharePorts = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)

/** The surfaces that have a limit of their own. */
const uploadBytes = Object.fromEntries(
  surfaces.flatMap(({ path, maxBodyBytes }) => (maxBodyBytes === undefined ? [] : [[path, maxBodyBytes] as const])),
)

const limitsOf = ({ server, snapshot }: Settings, logLevel: Environment['logLevel']): AcceptorLimits => ({
  maxRequestBytes: snapshot.maxRequestBytes,
  uploadBytes,
  bodyTimeoutMs: server.bodyTimeoutMs,
  writeStallTimeoutMs: server.writeStallTimeoutMs,
  wantsRemote: snapshot.rateLimit.requestsPerSecond > 0 || logLevel !== 'error',
})

function listenProblem(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `server.port: port ${port}`
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where} is in use; stop what listens there, or set PORT to another`
    case 'EACCES':
      return `${where} needs more rights than this user has; use one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `server.host: ${host} is not an address of this machine`
    default:
      return `${where}: ${error.message}`
  }
}
