import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../measure/launch.ts'
import { commitOf } from '../measure/machine.ts'
import { requestBody, type Scenario } from '../scenarios.ts'
import type { Peer, PeerContext } from './peer.ts'
import { startPeer } from './start-peer.ts'

export interface GatewayOptions {
  readonly name: string
  /** A checkout with `dist/` built. */
  readonly root: string
  readonly engine?: string
  readonly workers?: number
  readonly acceptors?: number
  /** Only where others translate: what the same request costs as a relay. */
  readonly isRelaying?: boolean
  /** More words between `node` and the program: a profiler, a preload. */
  readonly nodeOptions?: readonly string[]
  /** Where a profiler leaves its files, if not in `root`. */
  readonly workingFolder?: string
}

/** What the gateway is called where it relays beside itself. */
export const relayingName = 'ferrite-relay'

/** Each request's key is looked up among this many, as in a real deployment. */
const KEYS = 10_000

/** Ferrite doing its whole job: keys checked, requests parsed, usage counted, metrics on, request log line off. */
export function gateway(options: GatewayOptions): Peer {
  const main = join(options.root, 'dist/main.js')
  return {
    name: options.name,
    prepare: async () => staleness(options.root, main),
    supports: ({ needs }) => options.isRelaying !== true || needs === 'translation',
    async start(context) {
      const port = await freePort()
      const key = `fgw_${randomBytes(24).toString('hex')}`
      const keysFile = join(context.directory, 'keys.jsonl')
      writeFileSync(keysFile, keysFileText(key))
      const configFile = join(context.directory, 'gateway.yaml')
      writeFileSync(configFile, gatewayConfig(options, context, keysFile, await freePort()))
      return startPeer(context, {
        command: [process.execPath, ...(options.nodeOptions ?? []), main],
        cwd: options.workingFolder ?? options.root,
        env: {
          PORT: String(port),
          MASTER_KEY: randomBytes(24).toString('hex'),
          OPENAI_BASE_URL: `http://127.0.0.1:${context.upstreamPort}/v1`,
          OPENAI_API_KEY: 'bench-upstream-key',
          RATE_LIMIT_RPS: '0',
          // As nginx is told to: nothing that a client does is logged, so nobody reads clients' addresses.
          LOG_LEVEL: 'error',
          GATEWAY_CONFIG: configFile,
        },
        port,
        headers: { Authorization: `Bearer ${key}` },
        version: commitOf(options.root),
      })
    },
  }
}

/**
 * What is measured has to be what the result names. Null: the bundle is there, and newer than every source it was made of.
 */
function staleness(root: string, bundle: string): string | null {
  if (!existsSync(bundle)) return `${bundle} is missing: run npm run build there`
  const built = statSync(bundle).mtimeMs
  const changed = ['src', 'workers', 'providers'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map(name => join(folder, name))
      .filter(name => name.endsWith('.ts') && statSync(join(root, name)).mtimeMs > built),
  )
  return changed.length === 0 ? null : `dist/ is older than ${changed[0]}: run npm run build there`
}

export function gatewayConfig(
  options: Pick<GatewayOptions, 'engine' | 'workers' | 'acceptors' | 'isRelaying'>,
  context: Pick<PeerContext, 'upstreamPort' | 'scenario'>,
  keysFile: string,
  deadPort: number,
): string {
  const { needs } = context.scenario
  const fallback = needs === 'fallback'
  const provider = needs === 'translation' && options.isRelaying !== true ? 'anthropic' : 'openai'
  const target = (name: string, port: number) =>
    `  - provider: ${provider}\n    name: ${name}\n    base_url: http://127.0.0.1:${port}/v1\n    api_key: bench-upstream-key\n`
  const runtime = [
    options.workers === undefined ? '' : `  workers: ${options.workers}\n`,
    options.acceptors === undefined ? '' : `  acceptors: ${options.acceptors}\n`,
  ].join('')
  return [
    `strategy:\n  mode: ${fallback ? 'fallback' : 'single'}\n`,
    `targets:\n${fallback ? target('down', deadPort) : ''}${target('mock', context.upstreamPort)}`,
    `auth:\n  keys_file: ${JSON.stringify(keysFile)}\n`,
    options.engine === undefined ? '' : `server:\n  engine: ${options.engine}\n`,
    runtime === '' ? '' : `runtime:\n${runtime}`,
  ].join('')
}

/** The key in the middle of the others. Scopes play no part in inference; the lesser one will do. */
export function keysFileText(key: string): string {
  const lines: string[] = []
  for (let index = 0; index < KEYS; index++) {
    const secret = index === KEYS >> 1 ? key : `fgw_${index.toString(16).padStart(48, '0')}`
    const sha256 = createHash('sha256').update(secret).digest('hex')
    lines.push(JSON.stringify({ id: `bench-${index}`, sha256, name: `Bench ${index}`, scopes: ['read_only'] }))
  }
  return `${lines.join('\n')}\n`
}

/** A request of the scenario's kind but small, to see that the gateway has started. */
export function probeBody(scenario: Scenario): string {
  return requestBody({ ...scenario, promptBytes: 0 })
}
