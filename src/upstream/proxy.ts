import { BlockList, isIP } from 'node:net'

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy an upstream is reached through, by the convention of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; '' for
 * none. The lower-case spelling wins. Loopback addresses are always direct.
 */
export function proxyFor(url: string, env: Environment): string {
  const { protocol, hostname, port } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') return ''
  const proxy = protocol === 'https:' ? read(env, 'https_proxy') : readHttpProxy(env)
  if (proxy === '') return ''
  const host = bare(hostname)
  if (isLoopback(host)) return ''
  const effectivePort = port || (protocol === 'https:' ? '443' : '80')
  for (const rule of read(env, 'no_proxy').split(/[\s,]+/)) {
    if (rule !== '' && matches(rule.toLowerCase(), host, effectivePort)) return ''
  }
  return proxy.includes('://') ? proxy : `http://${proxy}`
}

function read(env: Environment, name: string): string {
  return (env[name] ?? env[name.toUpperCase()] ?? '').trim()
}

/** In a CGI process `HTTP_PROXY` is the client's `Proxy` header (https://httpoxy.org). */
function readHttpProxy(env: Environment): string {
  return env['REQUEST_METHOD'] === undefined ? read(env, 'http_proxy') : (env['http_proxy'] ?? '').trim()
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase()

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && loopback.check(host, family(host)))
}

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** One rule: `*`, an address, a CIDR, a domain (with all below it), `.domain` (only below it); each may end in `:port`. */
function matches(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true
  const { pattern, rulePort } = splitPort(rule)
  if (rulePort !== '' && rulePort !== port) return false
  if (pattern.includes('/')) return isInSubnet(pattern, host)
  if (isIP(pattern) !== 0 || isIP(host) !== 0) return isSameAddress(pattern, host)
  const domain = pattern.replace(/^\*(?=\.)/, '').replace(/\.$/, '')
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

function splitPort(rule: string): { pattern: string; rulePort: string } {
  if (isIP(rule) === 6) return { pattern: rule, rulePort: '' }
  const match = /^(.*?)(?::(\d+))?$/.exec(rule)
  return { pattern: bare(match?.[1] ?? rule), rulePort: match?.[2] ?? '' }
}

function isSameAddress(pattern: string, host: string): boolean {
  if (isIP(pattern) === 0 || isIP(host) === 0) return false
  const list = new BlockList()
  list.addAddress(pattern, family(pattern))
  return list.check(host, family(host))
}

function isInSubnet(pattern: string, host: string): boolean {
  const [network, prefix] = pattern.split('/')
  const bits = Number(prefix)
  if (isIP(network) === 0 || isIP(host) === 0 || !/^\d{1,3}$/.test(prefix)) return false
  if (bits > (isIP(network) === 6 ? 128 : 32)) return false
  const list = new BlockList()
  list.addSubnet(network, bits, family(network))
  return list.check(host, family(host))
}
