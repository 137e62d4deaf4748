import { freePort, untilAnswered } from '../measure/launch.ts'
import { jsonHeaders, type Peer } from './peer.ts'
import { startPeer } from './start-peer.ts'

export interface CustomPeer {
  readonly name: string
  /** Empty: it runs already. */
  readonly command: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * `name=command,url,headers`, e.g. `mine=./gw --port {port} --upstream {upstream},http://127.0.0.1:{port}/v1/chat/completions,Authorization: Bearer x; X-Two: y`.
 * The url starts at the last `,http`; headers are separated by `;`.
 */
export function parseCustomPeer(text: string): CustomPeer {
  const equals = text.indexOf('=')
  const urlAt = Math.max(text.lastIndexOf(',http://'), text.lastIndexOf(',https://'))
  // What is wrong may hold a key: it is not repeated.
  if (equals < 1 || urlAt < equals)
    throw new Error(`--peer ${text.slice(0, Math.max(0, equals))}: it must be name=command,url,headers`)
  const rest = text.slice(urlAt + 1)
  const comma = rest.indexOf(',')
  const headers: Record<string, string> = {}
  for (const line of comma === -1 ? [] : rest.slice(comma + 1).split(';')) {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`--peer ${text.slice(0, equals)}: a header is "Name: value", and one has no colon`)
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
  }
  return {
    name: text.slice(0, equals),
    command: text.slice(equals + 1, urlAt),
    url: comma === -1 ? rest : rest.slice(0, comma),
    headers,
  }
}

/** A command line as it may be kept: the headers of peers hold keys. */
export function withoutHeaders(words: readonly string[]): string {
  return words.map(word => word.replace(/^((?:--peer=)?[^=,]+=.*,https?:\/\/[^,?]*)[,?].*$/s, '$1,…')).join(' ')
}

/** `${NAME}` in a header stands for an environment variable, so that no key is on the command line. */
function fromEnvironment(text: string): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = process.env[name]
    if (value === undefined || value === '') throw new Error(`${name} is not set, which a header of --peer asks for`)
    return value
  })
}

export function custom(peer: CustomPeer): Peer {
  return {
    name: peer.name,
    prepare: async () => null,
    supports: scenario => scenario.needs === undefined,
    async start(context) {
      const { upstreamPort, probe } = context
      const port = await freePort()
      const fill = (text: string) =>
        text.replaceAll('{port}', String(port)).replaceAll('{upstream}', `http://127.0.0.1:${upstreamPort}`)
      const url = new URL(fill(peer.url))
      const headers = Object.fromEntries(
        Object.entries(peer.headers).map(([name, value]) => [name, fromEnvironment(fill(value))]),
      )
      if (peer.command === '') {
        const all = { ...jsonHeaders, ...headers }
        await untilAnswered(null, { url: url.href, headers: all, body: probe }, 15_000)
        return { url: url.href, headers: all, running: null, version: 'already running', startMs: null }
      }
      const started = await startPeer(context, {
        command: ['sh', '-c', `exec ${fill(peer.command)}`],
        port: Number(url.port || 80),
        path: url.pathname + url.search,
        headers,
        version: peer.command.split(' ')[0],
        timeoutMs: 60_000,
      })
      return { ...started, url: url.href }
    },
  }
}
