import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Agent, type Dispatcher, request } from 'undici'
import type { Command, Fault, Figures, ThreadInfo } from './faults.ts'
import type { Lifetime } from './lifetime.ts'
import { type MockOpenAi, startMockOpenAi } from './mock-openai.ts'
import { eventually } from './raw-client.ts'

/**
 * A whole gateway as its users start it: `dist/main.js` in a process of its own, on a free port, with an upstream on
 * loopback. `FERRITE_DIST` names another build. Killed with the test; one that died without being asked fails it.
 */
export interface GatewayOptions {
  /** Laid over a config with one OpenAI target at the mock. Objects are merged, lists replaced. */
  readonly config?: Config
  readonly env?: Readonly<Record<string, string>>
  readonly engine?: 'uws' | 'node'
  readonly workers?: number
  readonly acceptors?: number
  /** URL of an upstream in place of a mock. */
  readonly upstream?: string
  /** In front of the command, such as `prlimit --nofile=256`. */
  readonly launcher?: readonly string[]
  readonly nodeOptions?: readonly string[]
  /** `ignore` and others in place of a pipe that is read; then the port has to be given. */
  readonly stdout?: 'pipe' | 'unread'
  readonly port?: number
}

export type Config = { readonly [key: string]: unknown }

export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** Parsed when read. */
  readonly json: Record<string, unknown>
  readonly error: { message: string; type: string; code: string; param?: string | null }
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

// From the build output, which mirrors the tree one level down.
const root = fileURLToPath(new URL('../../../', import.meta.url))
const dist = resolve(root, process.env.FERRITE_DIST ?? 'dist')
const preload = new URL('./fault-preload.js', import.meta.url)

export const masterKey = 'mk-canary-2f6e1d0c9b8a7654'
export const providerKey = 'sk-canary-0123456789abcdefABCDEF'

export const chatBody = (more: object = {}): string =>
  JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], ...more })

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** '' for none. */
  readonly key?: string
  readonly signal?: AbortSignal
}

export class Gateway {
  readonly child: ChildProcess
  /** Of a gateway without an upstream of its own: a mock that heard nothing. */
  readonly upstream: MockOpenAi
  readonly logs: LogLine[] = []
  readonly exited: Promise<Exit>
  readonly configFile: string
  port = 0
  stdout = ''
  stderr = ''
  exit: Exit | null = null
  readonly #agent = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 })
  readonly #base: Config
  readonly #answers = new Map<number, (result: unknown) => void>()
  #asked = 0
  #mayEnd = false

  constructor(child: ChildProcess, upstream: MockOpenAi, configFile: string, base: Config, isRead: boolean) {
    this.child = child
    this.upstream = upstream
    this.configFile = configFile
    this.#base = base
    let rest = ''
    if (!isRead) child.stdout?.pause()
    else
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        this.stdout += text
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) if (line.startsWith('{')) this.logs.push(JSON.parse(line) as LogLine)
      })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    child.on('message', (message: { id: number; result: unknown }) => {
      this.#answers.get(message.id)?.(message.result)
      this.#answers.delete(message.id)
    })
    // A pipe that nobody reads never closes.
    this.exited = once(child, isRead ? 'close' : 'exit').then(([code, signal]) => {
      this.exit = { code, signal } as Exit
      return this.exit
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  // Requests.

  async fetch(path: string, options: RequestOptions = {}): Promise<Answer> {
    const { statusCode, headers, body } = await this.open(path, options)
    return answerOf(statusCode, headers, await body.text())
  }

  /** The head of the answer, its body still to be read. */
  open(
    path: string,
    { method = 'GET', headers = {}, body, key = masterKey, signal }: RequestOptions = {},
  ): Promise<Dispatcher.ResponseData> {
    return request(this.url + path, {
      dispatcher: this.#agent,
      method: method as Dispatcher.HttpMethod,
      headers: { ...(key === '' ? {} : { authorization: `Bearer ${key}` }), ...headers },
      body: body ?? null,
      signal,
    })
  }

  chat(more: object = {}, options: RequestOptions = {}): Promise<Answer> {
    return this.fetch('/v1/chat/completions', chatRequest(chatBody(more), options))
  }

  /** Resolves with the head of the stream. */
  async stream(more: object = {}, options: RequestOptions = {}): Promise<Stream> {
    const response = await this.open('/v1/chat/completions', chatRequest(chatBody({ stream: true, ...more }), options))
    return new Stream(response)
  }

  async metrics(): Promise<string> {
    return (await this.fetch('/metrics')).text
  }

  /** The sum of a metric's samples that carry all of these labels. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    return (await this.metrics())
      .split('\n')
      .filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter(line => wanted.every(label => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  // The process.

  /** Waits until a log line is there, also one from before. */
  async logged(condition: (line: LogLine) => boolean, what: string, timeoutMs?: number): Promise<LogLine> {
    await eventually(() => this.logs.some(condition), `a log line: ${what}`, timeoutMs)
    return this.logs.find(condition)!
  }

  kill(signal: NodeJS.Signals): void {
    this.mayEnd()
    this.child.kill(signal)
  }

  /** From here on its end is what the test is about. */
  mayEnd(): void {
    this.#mayEnd = true
  }

  async stop(): Promise<Exit> {
    this.kill('SIGTERM')
    return this.exited
  }

  /** Resident memory in bytes. */
  get residentBytes(): number {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }

  // Its config.

  /** Replaces the file by rename, as editors and config maps do. */
  writeConfig(config: Config, text = JSON.stringify(merge(this.#base, config))): void {
    writeFileSync(`${this.configFile}.new`, text)
    renameSync(`${this.configFile}.new`, this.configFile)
  }

  /** Writes a config, asks for it with SIGHUP, and resolves when it is in force. */
  async reload(config: Config): Promise<void> {
    const before = await this.configVersion()
    this.writeConfig(config)
    this.child.kill('SIGHUP')
    let version = before
    const look = setInterval(
      () =>
        void this.configVersion().then(
          now => (version = now),
          () => {},
        ),
      20,
    )
    await eventually(() => version > before, 'the new config to be in force').finally(() => clearInterval(look))
    // Main has it; its threads were told.
    await this.#ask({ kind: 'settle' })
  }

  async configVersion(): Promise<number> {
    const { json } = await this.fetch('/health')
    return (json.config as { version: number }).version
  }

  // Its threads.

  threads(role?: ThreadInfo['role']): Promise<ThreadInfo[]> {
    return this.#ask<ThreadInfo[]>({ kind: 'threads' }).then(all =>
      all.filter(thread => role === undefined || thread.role === role),
    )
  }

  inject(row: number, fault: Fault): Promise<void> {
    return this.#ask({ kind: 'fault', row, fault })
  }

  injectInMain(fault: Fault): Promise<void> {
    return this.#ask({ kind: 'fault-in-main', fault })
  }

  terminate(row: number): Promise<void> {
    return this.#ask({ kind: 'terminate', row })
  }

  /** What each thread of this role that starts from now on does before its own code. */
  atStart(role: ThreadInfo['role'], fault: Fault | null): Promise<void> {
    return this.#ask({ kind: 'at-start', role, fault })
  }

  /** By thread, after a collection in each; needs `--expose-gc`, which is always given. */
  figures(): Promise<Record<string, Figures>> {
    return this.#ask({ kind: 'figures' })
  }

  #ask<T>(command: Command): Promise<T> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#answers.set(id, result => resolve(result as T))
      this.child.send({ id, command }, error => error && reject(error))
    })
  }

  async clean(): Promise<void> {
    const died = this.exit
    if (died === null) this.child.kill('SIGKILL')
    await this.exited
    await this.#agent.destroy()
    if (died !== null && !this.#mayEnd)
      throw new Error(`the gateway ended unasked: ${JSON.stringify(died)}\n${this.stderr}${this.stdout.slice(-4000)}`)
  }
}

const chatRequest = (body: string, options: RequestOptions): RequestOptions => ({
  method: 'POST',
  body,
  ...options,
  headers: { 'content-type': 'application/json', ...options.headers },
})

const answerOf = (status: number, headers: Answer['headers'], text: string): Answer => ({
  status,
  headers,
  text,
  get json() {
    return JSON.parse(text) as Record<string, unknown>
  },
  get error() {
    return (JSON.parse(text) as { error: Answer['error'] }).error
  },
})

/** A stream of server-sent events as it comes. */
export class Stream {
  readonly status: number
  readonly headers: Answer['headers']
  text = ''
  /** Null while it runs; `cut`: its framing broke off. */
  outcome: 'ended' | 'cut' | null = null
  /** Resolves when it is over, one way or another. */
  readonly over: Promise<'ended' | 'cut'>
  readonly #body: Dispatcher.ResponseData['body']

  constructor({ statusCode, headers, body }: Dispatcher.ResponseData) {
    this.status = statusCode
    this.headers = headers
    this.#body = body
    this.over = this.#read()
  }

  async #read(): Promise<'ended' | 'cut'> {
    const decoder = new TextDecoder()
    try {
      for await (const bytes of this.#body) this.text += decoder.decode(bytes as Uint8Array, { stream: true })
      this.outcome = 'ended'
    } catch {
      this.outcome = 'cut'
    }
    return this.outcome
  }

  /** Everything up to here, by event. */
  get events(): string[] {
    return this.text
      .split('\n\n')
      .filter(event => event.startsWith('data: '))
      .map(event => event.slice(6))
  }

  get isDone(): boolean {
    return this.events.at(-1) === '[DONE]'
  }

  /** The error that the last event carries, if it does. */
  get error(): { type: string; code: string; message: string } | null {
    const last = this.events.at(-1)
    if (last === undefined || last === '[DONE]') return null
    return (JSON.parse(last) as { error?: { type: string; code: string; message: string } }).error ?? null
  }

  until(condition: (stream: this) => boolean, what: string): Promise<void> {
    return eventually(() => condition(this), what)
  }

  /** The client leaves. */
  leave(): void {
    this.#body.on('error', () => {})
    this.#body.destroy()
  }
}

export async function startGateway(t: Lifetime, options: GatewayOptions = {}): Promise<Gateway> {
  for (let tries = 0; ; tries++) {
    const { gateway, started } = await launchGateway(t, options)
    try {
      await started
      return gateway
    } catch (error) {
      // The free port it chose may go to another process before its acceptors listen.
      if (options.port !== undefined || tries === 3 || !gateway.stderr.includes('EADDRINUSE')) throw error
    }
  }
}

/** Like `startGateway`, for one that may not start: `started` rejects when the process ends before it is ready. */
export async function launchGateway(
  t: Lifetime,
  options: GatewayOptions = {},
): Promise<{ gateway: Gateway; started: Promise<void> }> {
  const upstream = await startMockOpenAi(t)
  const directory = mkdtempSync(join(tmpdir(), 'ferrite-test-'))
  const configFile = join(directory, 'config.json')
  const base = merge(
    {
      server: { host: '127.0.0.1', engine: options.engine ?? 'auto' },
      runtime: { acceptors: options.acceptors ?? 1, workers: options.workers ?? 1 },
      strategy: { mode: 'fallback' },
      targets: [{ virtual_key: 'openai', api_key: providerKey, base_url: `${options.upstream ?? upstream.url}/v1` }],
    },
    options.config ?? {},
  )
  writeFileSync(configFile, JSON.stringify(base))
  const [command, ...args] = [
    ...(options.launcher ?? []),
    process.execPath,
    '--expose-gc',
    '--import',
    preload.href,
    ...(options.nodeOptions ?? []),
    join(dist, 'main.js'),
  ]
  const child = spawn(command, args, {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env.PATH,
      PORT: String(options.port ?? 0),
      GATEWAY_CONFIG: configFile,
      MASTER_KEY: masterKey,
      RATE_LIMIT_RPS: '0',
      LOG_FORMAT: 'json',
      ...options.env,
    },
  })
  const gateway = new Gateway(child, upstream, configFile, base, options.stdout !== 'unread')
  t.after(async () => {
    await gateway.clean().finally(() => rmSync(directory, { recursive: true, force: true }))
  })
  return { gateway, started: ready(gateway, options) }
}

async function ready(gateway: Gateway, { port = 0, stdout }: GatewayOptions): Promise<void> {
  gateway.port = port
  const isReady =
    stdout === 'unread'
      ? () => gateway.stderr.includes('is listening on')
      : () => gateway.logs.some(line => line.msg === 'ready')
  await eventually(() => isReady() || gateway.exit !== null, 'the gateway to be ready', 30_000)
  if (gateway.exit !== null) {
    gateway.mayEnd()
    throw new Error(`the gateway did not start: ${JSON.stringify(gateway.exit)}\n${gateway.stderr}${gateway.stdout}`)
  }
  if (port === 0)
    gateway.port = Number(
      /is listening on https?:\/\/[^:]+:(\d+)/.exec(gateway.stderr)?.[1] ??
        gateway.logs.find(({ msg }) => msg === 'ready')?.port,
    )
}

const isPlain = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function merge(base: Config, over: Config): Config {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key]
    merged[key] = isPlain(before) && isPlain(value) ? merge(before, value) : value
  }
  return merged
}

/** The engines and thread layouts that one suite runs on. */
export const variants = [
  { name: 'uws', engine: 'uws', workers: 1 },
  { name: 'node', engine: 'node', workers: 1 },
  { name: 'uws without workers', engine: 'uws', workers: 0 },
] as const satisfies readonly (Pick<GatewayOptions, 'engine' | 'workers'> & { name: string })[]

export type Variant = (typeof variants)[number]

/** Waits for a condition that has to be asked for; rejects after ten seconds. */
export async function comesTrue(condition: () => Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
