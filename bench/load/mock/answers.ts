import type { Behaviour } from './behaviour.ts'

/** Everything the mock may have to write for one behaviour, as bytes made once. */
export interface Answers {
  readonly whole: Buffer
  /** Head and body apart, for a delay between them. */
  readonly head: Buffer
  readonly body: Buffer
  readonly streamHead: Buffer
  /** Content events, each in its own HTTP chunk. */
  readonly events: readonly Buffer[]
  /** Last event, `[DONE]` and the end of the body. */
  readonly streamEnd: Buffer
  readonly streamEndWithUsage: Buffer
  /** Head to end in one piece, for streams without an interval. */
  readonly stream: Buffer
  readonly streamWithUsage: Buffer
  readonly failed: Buffer
  readonly limited: Buffer
}

const CREATED = 1_700_000_000
const SENTENCE = 'A gateway should cost nothing but the key check.'
const WORDS = [' a', ' gateway', ' should', ' cost', ' nothing', ' but', ' the', ' key', ' check', '.']

/** The wire format of an answer: that of OpenAI's chat, or of Anthropic's Messages. */
export type MockDialect = 'openai' | 'anthropic'

export const buildAnswers = (behaviour: Behaviour, dialect: MockDialect): Answers =>
  dialect === 'openai' ? openaiAnswers(behaviour) : anthropicAnswers(behaviour)

function openaiAnswers(behaviour: Behaviour): Answers {
  const usage = { prompt_tokens: 24, completion_tokens: Math.max(10, behaviour.chunks), total_tokens: 0 }
  usage.total_tokens = usage.prompt_tokens + usage.completion_tokens

  const body = json({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: CREATED,
    model: 'bench',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: filler(behaviour.size) ?? SENTENCE },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage,
  })
  const content = filler(behaviour.size)
  const events = Array.from({ length: behaviour.chunks }, (_, index) =>
    httpChunk(event(chunk({ content: content ?? WORDS[index % WORDS.length] }, null))),
  )
  const last = event(chunk({}, 'stop'))
  const usageEvent = event({ ...chunk({}, null), choices: [], usage })
  const done = 'data: [DONE]\n\n'
  return assemble(behaviour, body, '', events, last + done, last + usageEvent + done)
}

/** https://docs.claude.com/en/api/messages-streaming */
function anthropicAnswers(behaviour: Behaviour): Answers {
  const usage = { input_tokens: 24, output_tokens: Math.max(10, behaviour.chunks) }
  const text = filler(behaviour.size)
  const message = { id: 'msg_bench', type: 'message', role: 'assistant', model: 'bench', stop_sequence: null }
  const content = [{ type: 'text', text: text ?? SENTENCE }]
  const body = json({ ...message, content, stop_reason: 'end_turn', usage })
  const started = { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } }
  const opening =
    typed({ type: 'message_start', message: started }) +
    typed({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
  const events = Array.from({ length: behaviour.chunks }, (_, index) =>
    httpChunk(
      typed({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text: text ?? WORDS[index % WORDS.length] },
      }),
    ),
  )
  const closing =
    typed({ type: 'content_block_stop', index: 0 }) +
    typed({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }) +
    typed({ type: 'message_stop' })
  return assemble(behaviour, body, opening, events, closing, closing)
}

/** `opening` goes out with the head of a stream. */
function assemble(
  behaviour: Behaviour,
  body: Buffer,
  opening: string,
  events: readonly Buffer[],
  closing: string,
  closingWithUsage: string,
): Answers {
  const head = headOf('200 OK', 'application/json', `Content-Length: ${body.length}`)
  const streamHead = Buffer.concat([
    headOf('200 OK', 'text/event-stream', 'Cache-Control: no-cache\r\nTransfer-Encoding: chunked'),
    ...(opening === '' ? [] : [httpChunk(opening)]),
  ])
  const end = Buffer.from('0\r\n\r\n')
  const streamEnd = Buffer.concat([httpChunk(closing), end])
  const streamEndWithUsage = Buffer.concat([httpChunk(closingWithUsage), end])
  return {
    whole: Buffer.concat([head, body]),
    head,
    body,
    streamHead,
    events,
    streamEnd,
    streamEndWithUsage,
    stream: Buffer.concat([streamHead, ...events, streamEnd]),
    streamWithUsage: Buffer.concat([streamHead, ...events, streamEndWithUsage]),
    failed: failure(behaviour.status, 'The mock was told to fail.', 'server_error', ''),
    limited: failure(429, 'The mock was told to limit.', 'rate_limit_error', `Retry-After: ${behaviour.retry}\r\n`),
  }
}

/** The answer to `GET /v1/models`, which some gateways ask for at start. */
export function modelList(): Buffer {
  const body = json({ object: 'list', data: [{ id: 'bench', object: 'model', created: CREATED, owned_by: 'bench' }] })
  return Buffer.concat([headOf('200 OK', 'application/json', `Content-Length: ${body.length}`), body])
}

export function notFound(message: string): Buffer {
  return failure(404, message, 'invalid_request_error', '')
}

function chunk(delta: object, finish: string | null) {
  return {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: CREATED,
    model: 'bench',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  }
}

function failure(status: number, message: string, type: string, extra: string): Buffer {
  const body = json({ error: { message, type, code: null } })
  const line = `${status} ${status === 429 ? 'Too Many Requests' : status === 404 ? 'Not Found' : 'Error'}`
  return Buffer.concat([headOf(line, 'application/json', `${extra}Content-Length: ${body.length}`), body])
}

function headOf(status: string, type: string, rest: string): Buffer {
  return Buffer.from(`HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\n${rest}\r\n\r\n`)
}

function event(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

/** An event that says its type twice, as Anthropic's do. */
function typed(value: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${value.type}\n${event(value)}`
}

function httpChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function filler(sizeBytes: number): string | null {
  return sizeBytes > 0
    ? 'The quick brown fox jumps over it. '.repeat(Math.ceil(sizeBytes / 35)).slice(0, sizeBytes)
    : null
}
