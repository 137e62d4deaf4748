import { providers } from '../../providers/index.ts'
import type { HeaderBlock } from '../../src/core/header-block.ts'
import type { ForwardedHeader, Incoming, IncomingListener } from '../../src/core/incoming.ts'
import type { ExchangeRecord } from '../../src/core/record.ts'
import type { SnapshotData, TargetData } from '../../src/core/snapshot.ts'

import { Pipeline, type PipelineParts } from '../../src/pipeline/pipeline.ts'
import { UnsupportedNotes } from '../../src/pipeline/unsupported.ts'
import { createMetricMemory, readMetrics, threadMetrics } from '../../src/shared/metric-rows.ts'
import { TargetState, targetStateBytes } from '../../src/shared/target-state.ts'
import { tokenBucketBytes } from '../../src/shared/token-buckets.ts'
import { strategies } from '../../src/strategies/index.ts'
import { surfaces } from '../../src/surfaces/index.ts'
import type {
  Origin,
  ResponseHeaders,
  Upstream,
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
} from '../../src/upstream/upstream.ts'

/** One call the pipeline made, with the means to answer it. */
export class FakeCall implements UpstreamCall {
  readonly origin: string
  readonly method: string
  readonly path: string
  readonly body: Buffer
  readonly extraHeaders: string
  readonly handler: UpstreamHandler
  readonly uploadBytes: number | undefined
  uploaded = Buffer.alloc(0)
  hasEnded = false
  /** Answers `write` with false. */
  isFull = false
  pauses = 0
  resumes = 0
  cancels = 0

  constructor(origin: string, request: UpstreamRequest, handler: UpstreamHandler) {
    this.origin = origin
    this.method = request.head.method
    this.path = request.head.path
    this.body = Buffer.from(request.body ?? '')
    this.extraHeaders = request.extraHeaders
    this.handler = handler
    this.uploadBytes = request.uploadBytes
  }

  write(chunk: Uint8Array): boolean {
    this.uploaded = Buffer.concat([this.uploaded, chunk])
    return !this.isFull
  }
  end(): void {
    this.hasEnded = true
  }

  pause(): void {
    this.pauses++
  }
  resume(): void {
    this.resumes++
  }
  cancel(): void {
    this.cancels++
  }

  head(
    status: number,
    headers: Record<string, string> = { 'content-type': 'application/json' },
    whole: string | null = null,
  ): void {
    const got: ResponseHeaders = { get: name => headers[name] ?? '', contentLength: whole === null ? -1 : whole.length }
    this.handler.onHead(status, got, whole === null ? null : Buffer.from(whole))
  }

  /** A complete answer in one read. */
  answer(status: number, body: string, headers?: Record<string, string>): void {
    this.handler.onSent()
    this.head(status, headers, body)
    this.handler.onEnd()
  }

  beginStream(text: string): void {
    this.handler.onSent()
    this.head(200, { 'content-type': 'text/event-stream' })
    this.data(text)
  }

  data(text: string): void {
    this.handler.onData(Buffer.from(text))
  }
}

/** A request as a link would hand it over, and all that came back. */
export class FakeIncoming implements Incoming {
  readonly method: string
  readonly target: string
  readonly remote = '192.0.2.1'
  expectedBytes = 0
  readonly #headers: Readonly<Record<string, string>>
  listener!: IncomingListener
  status = 0
  headers = ''
  body = ''
  heads = 0
  ends: ('whole' | 'end' | 'abort')[] = []
  sents = 0
  /** Answers `write` with false. */
  isBehind = false

  constructor(method: string, target: string, headers: Readonly<Record<string, string>>) {
    this.method = method
    this.target = target
    this.#headers = headers
  }

  header(name: ForwardedHeader): string {
    return this.#headers[name] ?? ''
  }
  holds = 0
  bodyResumes = 0
  holdBody(): void {
    this.holds++
  }
  resumeBody(): void {
    this.bodyResumes++
  }
  whole(status: number, headers: HeaderBlock, body: Uint8Array | string): void {
    this.head(status, headers)
    this.body += typeof body === 'string' ? body : Buffer.from(body).toString()
    this.ends.push('whole')
  }
  head(status: number, headers: HeaderBlock): void {
    this.heads++
    this.status = status
    this.headers = headers.toBuffer().toString('latin1')
  }
  write(chunk: Uint8Array | string): boolean {
    this.body += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    return !this.isBehind
  }
  end(): void {
    this.ends.push('end')
  }
  abort(): void {
    this.ends.push('abort')
  }
  sent(): void {
    this.sents++
  }
}

export const targetData = (key: string, more: Partial<TargetData> = {}): TargetData => ({
  key,
  provider: 'openai',
  settings: { apiKey: `sk-${key}`, baseUrl: `http://${key}.test/v1`, organization: '', project: '' },
  models: [],
  anyModel: true,
  weight: 0,
  retry: { attempts: 1, onStatusCodes: [], initialBackoffMs: 100 },
  maxConnections: 10,
  row: 0,
  tls: null,
  http2: false,
  proxy: '',
  ...more,
})

export const snapshotData = (more: Partial<SnapshotData> = {}): SnapshotData => ({
  version: 1,
  strategy: { mode: 'fallback' },
  targets: [targetData('one')],
  aliases: {},
  batchTarget: '',
  responsesTarget: '',
  maxRequestBytes: 1 << 20,
  requestTimeoutMs: 0,
  compatibility: { onUnsupportedParam: 'warn', streamUsage: 'requested' },
  stream: { heartbeatMs: 0 },
  auth: { allowUnauthenticated: true, masterKeySha256: '', keys: null },
  cors: { origins: [] },
  rateLimit: { requestsPerSecond: 0, burst: 1 },
  trustedProxies: [],
  upstream: {
    connectTimeoutMs: 1000,
    firstByteTimeoutMs: 1000,
    idleTimeoutMs: 1000,
    totalTimeoutMs: 0,
    maxConnections: 10,
    maxQueue: 10,
    keepAliveMs: 1000,
    maxConnectionAgeMs: 1000,
    maxResponseBytes: 1 << 20,
    maxHeadBytes: 65_536,
    retryStale: true,
  },
  series: { 'none\0unknown': 0, 'one\0unknown': 1, 'two\0unknown': 2 },
  secrets: [],
  recordRequests: true,
  startedUnixMs: 1_700_000_000_000,
  ...more,
})

export const chatRequest = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], ...more })

/** A pipeline whose upstream does what the test says, at once if need be: from within `send`. */
export class PipelineUnderTest {
  readonly calls: FakeCall[] = []
  readonly records: ExchangeRecord[] = []
  readonly warnings: Record<string, string>[] = []
  /** Called from within `send`. */
  onSend: ((call: FakeCall) => void) | null = null
  readonly pipeline: Pipeline
  readonly #memory = createMetricMemory({ threads: 1, series: 4 })

  constructor(
    data: Partial<SnapshotData> = {},
    registries: Partial<Pick<PipelineParts, 'providers' | 'surfaces' | 'catalogOf' | 'heldBytesBudget'>> = {},
  ) {
    const origin = (url: string): Origin => ({
      url,
      prepare: (method, path) => ({ method, path }),
      send: (request, handler) => {
        const call = new FakeCall(url, request, handler)
        this.calls.push(call)
        this.onSend?.(call)
        return call
      },
      stats: () => ({ open: 0, idle: 0, queued: 0, opened: 0, reused: 0 }),
    })
    const upstream: Upstream = { origin: ({ url }) => origin(url), close: () => Promise.resolve() }
    this.pipeline = new Pipeline(
      {
        providers,
        strategies,
        surfaces,
        ...registries,
        upstream,
        userAgent: 'test',
        metrics: threadMetrics(this.#memory, 0),
        buckets: new SharedArrayBuffer(tokenBucketBytes(64)),
        targetState: new TargetState(new SharedArrayBuffer(targetStateBytes(8))),
        unsupported: new UnsupportedNotes((msg, fields) => void this.warnings.push({ msg, ...fields })),
        records: record => void this.records.push({ ...record }),
      },
      snapshotData(data),
    )
  }

  ask(body: string, headers: Readonly<Record<string, string>> = {}): FakeIncoming {
    return this.askAt('/v1/chat/completions', body, headers)
  }

  askAt(path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): FakeIncoming {
    const incoming = new FakeIncoming('POST', path, headers)
    incoming.listener = this.pipeline.accept(incoming)
    // As from a ring: good for this call only.
    const lent = Buffer.from(body)
    incoming.listener.onBody(lent, true)
    lent.fill(0x20)
    return incoming
  }

  get metrics() {
    return readMetrics(this.#memory)
  }
}
