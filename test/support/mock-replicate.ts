import type { Lifetime } from './lifetime.ts'
import {
  beginStream,
  json,
  type MockAnswer,
  type MockOpenAi,
  type MockRequest,
  requestOf,
  startMockOpenAi,
} from './mock-openai.ts'

/**
 * An upstream on loopback that runs predictions as Replicate does, and refuses what Replicate would refuse. Each is under
 * way the first time it is asked after. A prompt may say what becomes of it: `fail`, `hang`, `break` (its stream does),
 * `begin` (its stream says a word and no more), `mute` (it has none), `cut` (it just stops), `astray` (it is said to be elsewhere).
 */
export async function startMockReplicate(t: Lifetime): Promise<MockReplicate> {
  const runs = new Map<string, Run>()
  const mock = await startMockOpenAi(t, (request, response) => answer(request, response))
  const answer: MockAnswer = (request, response) => {
    const problem = refusal(request)
    if (problem !== null) {
      const [status, detail] = problem
      return json(response, status, JSON.stringify({ title: 'Refused', detail, status }))
    }
    const [, id, act = ''] = /^\/v1\/predictions\/([^/]+)(?:\/(cancel))?$/.exec(request.path) ?? []
    const [, streamed] = /^\/streams\/([^/]+)$/.exec(request.path) ?? []
    const run = runs.get(id ?? streamed ?? '')
    if (request.method === 'POST' && id === undefined) {
      const asked = requestOf(request) as { input: Input; stream?: boolean }
      const created: Run = { id: `p${runs.size + 1}`, ...asked, asks: 0, isCanceled: false }
      runs.set(created.id, created)
      return json(response, 201, JSON.stringify(prediction(created, mock.url)))
    }
    if (run === undefined) return json(response, 404, '{"detail":"The requested resource could not be found."}')
    if (streamed !== undefined) return speak(run, response)
    if (act === 'cancel') run.isCanceled = true
    else run.asks++
    return json(response, 200, JSON.stringify(prediction(run, mock.url)))
  }
  return { mock, runs }
}

export interface MockReplicate {
  readonly mock: MockOpenAi
  readonly runs: ReadonlyMap<string, Run>
}

type Input = Readonly<Record<string, unknown>>

export interface Run {
  readonly id: string
  readonly input: Input
  readonly stream?: boolean
  asks: number
  isCanceled: boolean
}

export const replicateKey = 'r8-canary-0123456789abcdef'

const asksFor = ({ input }: Run, what: string): boolean => String(input.prompt).includes(what)

function prediction(run: Run, url: string): Input {
  const isOver = run.stream === true ? run.asks > 0 : run.asks > 1
  const hasFailed = isOver && asksFor(run, 'fail')
  const isDone = isOver && !asksFor(run, 'hang')
  const output = run.input.num_outputs === undefined ? ['Hello', ' there'] : ['https://replicate.delivery/x/0.webp']
  return {
    id: run.id,
    status: run.isCanceled ? 'canceled' : hasFailed ? 'failed' : isDone ? 'succeeded' : 'processing',
    input: run.input,
    output: isDone && !hasFailed ? output : null,
    error: hasFailed ? 'CUDA out of memory' : null,
    metrics: isDone ? { input_token_count: 9, output_token_count: 30, predict_time: 0.4 } : {},
    urls: {
      get: `${url}/v1/predictions/${run.id}`,
      cancel: `${url}/v1/predictions/${run.id}/cancel`,
      ...(run.stream === true && !asksFor(run, 'mute') && { stream: streamOf(run, url) }),
    },
  }
}

/** One that is led astray would take the key along. */
const streamOf = (run: Run, url: string): string =>
  asksFor(run, 'astray') ? String(run.input.system_prompt) : `${url}/streams/${run.id}`

const event = (name: string, data: string): string => `event: ${name}\nid: 1:0\ndata: ${data}\n\n`

function speak(run: Run, response: Parameters<MockAnswer>[1]): void {
  beginStream(response)
  if (asksFor(run, 'fail'))
    return void response.end(event('error', 'CUDA out of memory') + event('done', '{"reason":"error"}'))
  response.write(event('output', 'Hello'))
  if (asksFor(run, 'begin')) return
  if (asksFor(run, 'cut')) return void response.end()
  if (asksFor(run, 'break')) return void response.end(event('done', '{"reason":"error"}'))
  response.end(event('output', ' there') + event('done', '{}'))
}

/** What Replicate would say to it; null for nothing. */
function refusal(request: MockRequest): readonly [status: number, detail: string] | null {
  const { method, path, headers } = request
  if (headers.authorization !== `Bearer ${replicateKey}`) return [401, 'You did not pass a valid authentication token']
  if (path.startsWith('/streams/'))
    return headers.accept === 'text/event-stream' ? null : [406, 'Accept must be text/event-stream']
  if (method === 'GET' || path.endsWith('/cancel')) return null
  const isOfModel = /^\/v1\/models\/[^/]+\/[^/]+\/predictions$/.test(path)
  if (!isOfModel && path !== '/v1/predictions') return [404, 'The requested resource could not be found.']
  const asked = requestOf(request)
  for (const field of Object.keys(asked))
    if (!['input', 'stream', 'version'].includes(field)) return [422, `- ${field}: additional property`]
  if (isOfModel === (asked.version !== undefined)) return [422, '- version is required, or has no place here']
  if ((headers.prefer === 'wait') === (asked.stream === true)) return [422, 'who waits gets no stream']
  const { prompt, stop_sequences } = asked.input as Input
  if (typeof prompt !== 'string') return [422, '- input.prompt is required']
  return stop_sequences === undefined || typeof stop_sequences === 'string' ? null : [422, '- stop_sequences: a string']
}
