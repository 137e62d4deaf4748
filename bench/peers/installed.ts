import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../measure/launch.ts'
import { onPath } from '../measure/machine.ts'
import type { Peer } from './peer.ts'
import { startPeer } from './start-peer.ts'

// Gateways others wrote, installed into a folder of their own when they are asked for by name, configured as their
// projects recommend for production with everything optional off.

export const otherGateways: readonly string[] = ['portkey', 'litellm']

const PORTKEY = { '@portkey-ai/gateway': '1.15.2', hono: '4.9.7', '@hono/node-server': '1.13.5' }

export function portkey(folder: string): Peer {
  const home = join(folder, 'portkey')
  const server = join(home, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  return {
    name: 'portkey',
    async prepare() {
      if (existsSync(server)) return null
      mkdirSync(home, { recursive: true })
      writeFileSync(
        join(home, 'package.json'),
        JSON.stringify({ private: true, dependencies: PORTKEY, overrides: PORTKEY }),
      )
      return install('npm', ['install', '--no-audit', '--no-fund', '--omit=dev'], home, server)
    },
    supports: scenario => scenario.needs === undefined,
    async start(context) {
      const { upstreamPort } = context
      const port = await freePort()
      return startPeer(context, {
        command: [process.execPath, server, '--headless', `--port=${port}`],
        env: { NODE_ENV: 'production' },
        port,
        headers: {
          Authorization: 'Bearer bench-upstream-key',
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
        },
        version: `@portkey-ai/gateway ${PORTKEY['@portkey-ai/gateway']}`,
        timeoutMs: 60_000,
      })
    },
  }
}

export function litellm(folder: string): Peer {
  const home = join(folder, 'litellm')
  const program = join(home, 'bin/litellm')
  return {
    name: 'litellm',
    async prepare() {
      if (existsSync(program)) return null
      if (!onPath('python3')) return 'python3 is not on the PATH'
      const venv = install('python3', ['-m', 'venv', home], '.', join(home, 'bin/pip'))
      return venv ?? install(join(home, 'bin/pip'), ['install', '--quiet', 'litellm[proxy]'], home, program)
    },
    supports: scenario => scenario.needs === undefined,
    async start(context) {
      const { upstreamPort, directory } = context
      const port = await freePort()
      const config = join(directory, 'litellm.yaml')
      // It doesn't start without one.
      const masterKey = `sk-${randomBytes(24).toString('hex')}`
      writeFileSync(
        config,
        `model_list:
  - model_name: "*"
    litellm_params:
      model: openai/*
      api_base: http://127.0.0.1:${upstreamPort}/v1
      api_key: bench-upstream-key
litellm_settings:
  telemetry: false
  request_timeout: 600
`,
      )
      return startPeer(context, {
        command: [program, '--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '2'],
        env: { LITELLM_MODE: 'PRODUCTION', LITELLM_LOG: 'ERROR', LITELLM_MASTER_KEY: masterKey },
        port,
        headers: { Authorization: `Bearer ${masterKey}` },
        version: spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim() || 'litellm',
        timeoutMs: 120_000,
      })
    },
  }
}

/** Null when what was wanted is there afterwards, else what went wrong. */
function install(program: string, args: readonly string[], cwd: string, wanted: string): string | null {
  process.stderr.write(`installing: ${program} ${args.join(' ')} (in ${cwd})\n`)
  const result = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (existsSync(wanted)) return null
  return `${program} ${args.join(' ')} failed: ${`${result.stderr ?? result.error?.message ?? ''}`.slice(-600)}`
}
