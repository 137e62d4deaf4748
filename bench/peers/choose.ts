import { custom, parseCustomPeer } from './custom.ts'
import { haproxy } from './haproxy.ts'
import { litellm, portkey } from './installed.ts'
import { nginx } from './nginx.ts'
import type { Peer } from './peer.ts'
import { relay } from './relay.ts'

/** What `--peer` takes by name, and how each is described. */
export const knownPeers: Readonly<Record<string, string>> = {
  nginx: 'plain proxy, one worker; from the PATH',
  haproxy: 'plain proxy, one thread; from the PATH',
  relay: 'our own least-possible proxy on Node',
  portkey: '@portkey-ai/gateway 1.15.2; installed on first use',
  litellm: 'LiteLLM proxy, two workers; installed on first use (needs python3)',
}

export function choosePeer(text: string, installFolder: string): Peer {
  if (text.includes('=')) return custom(parseCustomPeer(text))
  switch (text) {
    case 'nginx':
      return nginx
    case 'haproxy':
      return haproxy
    case 'relay':
      return relay
    case 'portkey':
      return portkey(installFolder)
    case 'litellm':
      return litellm(installFolder)
    default:
      throw new Error(`no peer "${text}"; there are ${Object.keys(knownPeers).join(', ')}, or name=command,url,headers`)
  }
}
