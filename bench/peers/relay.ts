import { fileURLToPath } from 'node:url'
import { freePort } from '../measure/launch.ts'
import type { Peer } from './peer.ts'
import { startPeer } from './start-peer.ts'

const script = fileURLToPath(new URL('../load/relay.js', import.meta.url))

/** Our own least-possible proxy on Node: the baseline where nginx is not installed. */
export const relay: Peer = {
  name: 'relay',
  prepare: async () => null,
  supports: scenario => scenario.needs === undefined,
  async start(context) {
    const { upstreamPort } = context
    const port = await freePort()
    const command = [process.execPath, script, String(port), String(upstreamPort)]
    return startPeer(context, { command, port, version: `node ${process.version}`, ipc: true })
  },
}
