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
  if (equals < 1 || urlAt < equals) throw new Error(`--peer wants name=command,url,headers, not "${text}"`)
  const rest = text.slice(urlAt + 1)
  const comma = rest.indexOf(',')
  const headers: Record<string, string> = {}
  for (const line of comma === -1 ? [] : rest.slice(comma + 1).split(';')) {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`a header is "Name: value", not "${line}"`)
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim()
  }
  return {
    name: text.slice(0, equals),
    command: text.slice(equals + 1, urlAt),
    url: comma === -1 ? rest : rest.slice(0, comma),
    headers,
  }
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
      const headers = Object.fromEntries(Object.entries(peer.headers).map(([name, value]) => [name, fill(value)]))
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
