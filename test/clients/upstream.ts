import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { serving } from '../cli/run-cli.ts'

export const masterKey = 'fgw_0123456789abcdef0123456789abcdef'

interface ChatBody {
  readonly model: string
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean }
}

/**
 * A stand-in for OpenAI whose answer is chosen by the model: `status-429` fails so, `broken` cuts its stream, anything
 * else greets.
 */
export async function startUpstream(t: TestContext) {
  const cancelled: string[] = []
  const server = createServer((request, response) => {
    void read(request).then(body => {
      response.once('close', () => {
        if (!response.writableFinished) cancelled.push(body.model)
      })
      answer(body, response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, cancelled }
}

async function read(request: IncomingMessage): Promise<ChatBody> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return JSON.parse(text) as ChatBody
}

function answer(body: ChatBody, response: ServerResponse): void {
  const status = Number(/^status-(\d+)$/.exec(body.model)?.[1] ?? 200)
  if (status !== 200) {
    const code = status === 404 ? 'model_not_found' : null
    const error = { message: `no luck: ${status}`, type: 'some_error', param: 'model', code }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
  } else if (body.stream === true) stream(body, response)
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion(body.model)))
}

const words = ['Hello', ', ', 'world', '!']
const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }

const completion = (model: string) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: words.join(''), refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage,
})

function stream({ model, stream_options }: ChatBody, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (more: object): void => {
    const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model, ...more }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  const choice = (delta: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  })
  send(choice({ role: 'assistant', content: '' }))
  for (const word of words) send(choice({ content: word }))
  // Never ends by itself.
  if (model === 'endless') return
  if (model === 'broken') {
    // Once what it wrote is on its way.
    response.write(': the end\n\n', () => response.destroy())
    return
  }
  send(choice({}, 'stop'))
  if (stream_options?.include_usage === true) send({ choices: [], usage })
  response.end('data: [DONE]\n\n')
}

/** A gateway in front of that upstream; without one, the demo answers. */
export function gateway(t: TestContext, upstream?: string) {
  const targets: Record<string, string> =
    upstream === undefined ? {} : { OPENAI_BASE_URL: upstream, OPENAI_API_KEY: 'sk-test' }
  return serving(t, ['--port', '0'], { env: { MASTER_KEY: masterKey, RATE_LIMIT_RPS: '0', ...targets } })
}
