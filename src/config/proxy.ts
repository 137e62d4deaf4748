import { BlockList, isIP } from 'node:net'

/** The proxy variables as they are customary: a URL each, and where not to use them. */
export interface ProxyVariables {
  readonly http: string
  readonly https: string
  readonly all: string
  /** Hosts, `.domains`, addresses and networks that are called directly; `*` for all. */
  readonly no: readonly string[]
}

/** `proxy:3128` means `http://proxy:3128`. null when it isn't an HTTP proxy. */
export function parseProxyUrl(text: string): string | null {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(full)) return null
  const url = new URL(full)
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') return null
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '') return null
  return url.href.replace(/\/$/, '')
}

/** The proxy for an origin, '' for none. Loopback is always called directly, as other HTTP clients do. */
export function proxyFor(origin: URL, variables: ProxyVariables): string {
  const proxy = (origin.protocol === 'https:' ? variables.https : variables.http) || variables.all
  if (proxy === '' || isLoopback(host(origin)) || variables.no.some(rule => matches(origin, rule))) return ''
  return proxy
}

const host = (url: URL): string =>
  url.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()

const isLoopback = (name: string): boolean =>
  name === 'localhost' || name.endsWith('.localhost') || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))

function matches(origin: URL, rule: string): boolean {
  if (rule === '*') return true
  const name = host(origin)
  const [network, bits] = rule.split('/')
  const family = isIP(network)
  if (bits !== undefined) {
    if (family === 0 || isIP(name) !== family || !(Number(bits) <= (family === 6 ? 128 : 32))) return false
    const block = new BlockList()
    block.addSubnet(network, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
    return block.check(name, family === 6 ? 'ipv6' : 'ipv4')
  }
  const withPort = family === 6 ? null : /^\[?(.*?)\]?:([0-9]+)$/.exec(rule)
  const port = origin.port || (origin.protocol === 'https:' ? '443' : '80')
  if (withPort !== null && withPort[2] !== port) return false
  const domain = (withPort?.[1] ?? rule).toLowerCase().replace(/^\*(?=\.)/, '')
  return domain.startsWith('.')
    ? name.endsWith(domain) || name === domain.slice(1)
    : name === domain || name.endsWith(`.${domain}`)
}
