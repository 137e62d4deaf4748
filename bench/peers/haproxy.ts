import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../measure/launch.ts'
import { onPath, versionOf } from '../measure/machine.ts'
import type { Peer } from './peer.ts'
import { startPeer } from './start-peer.ts'

export const haproxy: Peer = {
  name: 'haproxy',
  prepare: async () => (onPath('haproxy') ? null : 'haproxy is not on the PATH'),
  supports: scenario => scenario.needs === undefined,
  async start(context) {
    const { upstreamPort, directory } = context
    const port = await freePort()
    const file = join(directory, 'haproxy.cfg')
    writeFileSync(file, haproxyConfig(port, upstreamPort))
    return startPeer(context, {
      command: ['haproxy', '-f', file, '-db'],
      port,
      version: versionOf('haproxy', '-v').split(' ').slice(0, 3).join(' '),
    })
  },
}

export function haproxyConfig(port: number, upstreamPort: number): string {
  return `global
  nbthread 1
  maxconn 8000
  tune.bufsize 32768
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 10s
  timeout client 600s
  timeout server 600s
frontend clients
  bind 127.0.0.1:${port} backlog 8192
  default_backend mock
backend mock
  option http-no-delay
  server mock 127.0.0.1:${upstreamPort} pool-max-conn 8000 pool-purge-delay 60s
`
}
