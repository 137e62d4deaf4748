import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../src/telemetry/worker-log.ts'
import { createUpstream } from '../../src/upstream/index.ts'
import type { Upstream } from '../../src/upstream/upstream.ts'
import type { Lifetime } from '../support/lifetime.ts'

export interface Server {
  readonly url: string
  readonly requests: { readonly path: string; readonly headers: IncomingMessage['headers'] }[]
  /** By path, query included: status and body, or the `Location` of a redirect. Others answer 404. */
  answers: Record<string, { status?: number; body?: string; location?: string }>
}

/** Answers what it was told to. */
export async function startServer(t: Lifetime, answers: Server['answers'] = {}): Promise<Server> {
  const requests: Server['requests'] = []
  const http = createServer((request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers })
    const { status = 200, body = '', location } = server.answers[request.url ?? ''] ?? { status: 404 }
    response.writeHead(location === undefined ? status : 302, location === undefined ? {} : { location })
    response.end(body)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => {
    http.closeAllConnections()
    http.close()
  })
  const server: Server = { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, requests, answers }
  return server
}

export function upstreamFor(t: Lifetime): Upstream {
  const upstream = createUpstream()
  t.after(() => upstream.close(0))
  return upstream
}

/** A log that is read: level, text and fields. */
export function logOf(): Log & { readonly lines: [level: string, msg: string, fields: object][] } {
  const lines: [string, string, object][] = []
  const write =
    (level: string) =>
    (msg: string, fields: object = {}): void =>
      void lines.push([level, msg, fields])
  return {
    lines,
    isEnabled: () => true,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
}
