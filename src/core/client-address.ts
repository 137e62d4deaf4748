import { BlockList, isIP } from 'node:net'

/**
 * The client's address behind trusted proxies: walk `X-Forwarded-For` from the right to the first address that is not
 * a trusted proxy, else `X-Real-IP`, else the peer. Forwarding headers of anybody else are ignored.
 */
export type ClientAddress = (peer: string, forwardedFor: () => string, realIp: () => string) => string

export function clientAddress(trustedProxies: readonly string[]): ClientAddress {
  if (trustedProxies.length === 0) return peer => peer
  const trusted = new BlockList()
  for (const cidr of trustedProxies) {
    const [address = '', bits] = cidr.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    trusted.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  const isTrusted = (address: string): boolean => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  // Peers repeat: a proxy's connections all come from one address.
  const known = new Map<string, boolean>()

  return (peer, forwardedFor, realIp) => {
    let peerTrusted = known.get(peer)
    if (peerTrusted === undefined) {
      peerTrusted = isIP(peer) !== 0 && isTrusted(peer)
      if (known.size >= 1024) known.clear()
      known.set(peer, peerTrusted)
    }
    if (!peerTrusted) return peer
    const chain = forwardedFor()
    if (chain !== '') {
      const hops = chain.split(',')
      for (let i = hops.length - 1; i >= 0; i--) {
        const hop = hops[i]!.trim()
        if (isIP(hop) === 0) break
        if (!isTrusted(hop)) return hop
      }
    }
    const real = realIp().trim()
    return isIP(real) !== 0 ? real : peer
  }
}
