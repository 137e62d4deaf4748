import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Lifetime } from './lifetime.ts'

/** A request as the mock upstream got it. */
export interface MockRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** Of its connection. */
  readonly socket: Socket
  /** The other side left before the answer was complete. */
  isAborted: boolean
}

/** Answers one request. */
export type MockAnswer = (request: MockRequest, response: ServerResponse) => void | Promise<void>

export interface MockOpenAi {
  readonly url: string
  readonly requests: MockRequest[]
  answer: MockAnswer
  /** Requests not yet answered. */
  readonly open: number
  readonly aborted: number
  readonly connections: number
}

export const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 }
const created = 1_700_000_000

export function completion(text: string, model = 'gpt-4o'): string {
  const message = { role: 'assistant', content: text, refusal: null }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }]
  return JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created, model, choices, usage })
}

const chunk = (choices: unknown[], more: object = {}): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created, model: 'gpt-4o', choices, ...more })}\n\n`

export const opening = chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
export const piece = (text: string): string => chunk([{ index: 0, delta: { content: text }, finish_reason: null }])
export const closing = chunk([{ index: 0, delta: {}, finish_reason: 'stop' }])
export const usageEvent = chunk([], { usage })
export const done = 'data: [DONE]\n\n'

export const requestOf = (request: MockRequest): Record<string, unknown> => JSON.parse(request.body.toString('utf8'))

export function json(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(body)
}

export const beginStream = (response: ServerResponse, headers: Record<string, string> = {}): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
}

/** What OpenAI would say: an answer, or a stream of three pieces, with usage where it was asked for. */
export const answerAsOpenAi: MockAnswer = (request, response) => {
  const asked = requestOf(request)
  if (asked.stream !== true) return json(response, 200, completion('Hello there', String(asked.model)))
  beginStream(response)
  const wantsUsage = (asked.stream_options as { include_usage?: boolean } | undefined)?.include_usage === true
  response.end(opening + piece('Hel') + piece('lo there') + closing + (wantsUsage ? usageEvent : '') + done)
}

/** An upstream on loopback that speaks OpenAI's chat API. Closed with the test. */
export async function startMockOpenAi(t: Lifetime, answer: MockAnswer = answerAsOpenAi): Promise<MockOpenAi> {
  const requests: MockRequest[] = []
  const sockets = new Set<Socket>()
  let open = 0
  let aborted = 0
  const server = createServer((incoming, response) => {
    const pieces: Buffer[] = []
    open++
    incoming.on('data', (bytes: Buffer) => pieces.push(bytes))
    let request: MockRequest | null = null
    response.on('close', () => {
      open--
      if (response.writableFinished) return
      aborted++
      if (request !== null) request.isAborted = true
    })
    incoming.on('end', () => {
      request = {
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(pieces),
        socket: incoming.socket,
        isAborted: false,
      }
      requests.push(request)
      void mock.answer(request, response)
    })
  })
  server.keepAliveTimeout = 60_000
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const mock: MockOpenAi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    get open() {
      return open
    },
    get aborted() {
      return aborted
    },
    get connections() {
      return sockets.size
    },
  }
  return mock
}

/** Requests that wait until the test lets go of them. */
export class Gate {
  readonly waiting: (() => void)[] = []
  #isOpen = false

  /** Resolves when the gate opens. */
  pass(): Promise<void> {
    return this.#isOpen ? Promise.resolve() : new Promise(resolve => this.waiting.push(resolve))
  }

  open(): void {
    this.#isOpen = true
    for (const go of this.waiting.splice(0)) go()
  }
}
