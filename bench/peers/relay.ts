import { fileURLToPath } from 'node:url'
import { freePort } from '../measure/launch.ts'
import type { Peer } from './peer.ts'
import { startPeer } from './start-peer.ts'

const script = fileURLToPath(new URL('../load/relay.js', import.meta.url))

/** Our own least-possible proxy on Node: the baseline where nginx is not installed. */
export const relay: Peer = relayWith('relay', [])

export function relayWith(name: string, nodeOptions: readonly string[], workingFolder?: string): Peer {
  return {
    name,
    prepare: async () => null,
    supports: scenario => scenario.needs === undefined,
    async start(context) {
      const port = await freePort()
      const command = [process.execPath, ...nodeOptions, script, String(port), String(context.upstreamPort)]
      return startPeer(context, { command, cwd: workingFolder, port, version: `node ${process.version}`, ipc: true })
    },
  }
}
