import type { IncomingHttpHeaders } from 'node:http'
import type { Lifetime } from './lifetime.ts'
import { type MockAnswer, type MockOpenAi, type MockRequest, requestOf, startMockOpenAi } from './mock-openai.ts'

/**
 * An upstream on loopback that speaks Anthropic's Messages API, and refuses what Anthropic would refuse. It answers the
 * last user turn: a question about the weather with a call of `get_weather` where that is declared, else with words.
 */
export const startMockAnthropic = (t: Lifetime, answer: MockAnswer = answerAsAnthropic): Promise<MockOpenAi> =>
  startMockOpenAi(t, answer)

export const anthropicKey = 'sk-ant-canary-0123456789abcdef'
export const signature = 'EqQBCkgIARAB'

type Fields = Readonly<Record<string, unknown>>

const known = new Set([
  'model',
  'messages',
  'max_tokens',
  'cache_control',
  'container',
  'context_management',
  'inference_geo',
  'mcp_servers',
  'metadata',
  'output_config',
  'service_tier',
  'speed',
  'stop_sequences',
  'stream',
  'system',
  'temperature',
  'thinking',
  'tool_choice',
  'tools',
  'top_k',
  'top_p',
])

export const answerAsAnthropic: MockAnswer = (request, response) => {
  const asked = requestOf(request)
  const problem = refusal(request, asked)
  if (problem !== null) {
    const [status, type, message] = problem
    const body = JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_1' })
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
    return
  }
  const content = say(asked)
  const isCall = content.some(({ type }) => type === 'tool_use')
  const stop = isCall ? 'tool_use' : 'end_turn'
  const head = { id: 'msg_01', type: 'message', role: 'assistant', model: asked.model, stop_sequence: null }
  const usage = { input_tokens: 40, cache_creation_input_tokens: 0, cache_read_input_tokens: 100, output_tokens: 30 }
  if (asked.stream !== true) {
    const body = JSON.stringify({ ...head, content, stop_reason: stop, usage })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const started = { ...head, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } }
  const events: Fields[] = [{ type: 'message_start', message: started }, { type: 'ping' }]
  content.forEach((block, index) => {
    events.push({ type: 'content_block_start', index, content_block: opening(block) })
    for (const delta of deltas(block)) events.push({ type: 'content_block_delta', index, delta })
    events.push({ type: 'content_block_stop', index })
  })
  events.push({
    type: 'message_delta',
    delta: { stop_reason: stop, stop_sequence: null },
    usage: { output_tokens: 30 },
  })
  events.push({ type: 'message_stop' })
  response.end(events.map(event => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
}

function say(asked: Fields): Fields[] {
  const messages = asked.messages as Fields[]
  const { content } = messages[messages.length - 1]
  const blocks = Array.isArray(content) ? (content as Fields[]) : [{ type: 'text', text: content }]
  const text = blocks.map(block => block.text ?? '').join(' ')
  const thinks = (asked.thinking as Fields | undefined)?.type !== undefined
  const thoughts = thinks ? [{ type: 'thinking', thinking: 'Let me think.', signature }] : []
  const result = blocks.find(({ type }) => type === 'tool_result')
  if (result !== undefined) return [...thoughts, { type: 'text', text: `The tool says: ${result.content}` }]
  const forced = asked.tool_choice as Fields | undefined
  const name = forced?.type === 'tool' ? forced.name : 'get_weather'
  const isDeclared = ((asked.tools ?? []) as Fields[]).some(tool => tool.name === name)
  const isCalled = isDeclared && forced?.type !== 'none' && (forced?.type === 'tool' || /weather/i.test(text))
  if (!isCalled) return [...thoughts, { type: 'text', text: 'Hello there' }]
  const call = { type: 'tool_use', id: 'toolu_01', name, input: { city: 'Oslo' } }
  return [...thoughts, { type: 'text', text: 'Checking.' }, call].filter(
    ({ type }) => forced?.type !== 'tool' || type !== 'text',
  )
}

const opening = (block: Fields): Fields => {
  if (block.type === 'text') return { type: 'text', text: '' }
  return block.type === 'thinking' ? { type: 'thinking', thinking: '', signature: '' } : { ...block, input: {} }
}

function deltas(block: Fields): Fields[] {
  if (block.type === 'text') return halves(String(block.text)).map(text => ({ type: 'text_delta', text }))
  if (block.type === 'thinking')
    return [
      ...halves(String(block.thinking)).map(thinking => ({ type: 'thinking_delta', thinking })),
      { type: 'signature_delta', signature: block.signature },
    ]
  const source = JSON.stringify(block.input)
  return ['', ...halves(source)].map(partial_json => ({ type: 'input_json_delta', partial_json }))
}

const halves = (text: string): string[] => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)]

type Problem = readonly [status: number, type: string, message: string]

const invalid = (message: string): Problem => [400, 'invalid_request_error', message]

/** What Anthropic would say to it; null for nothing. */
function refusal({ method, path, headers }: MockRequest, asked: Fields): Problem | null {
  if (method !== 'POST' || path !== '/v1/messages') return [404, 'not_found_error', 'Not Found']
  const header = headerProblem(headers)
  if (header !== null) return header
  for (const field of Object.keys(asked))
    if (!known.has(field)) return invalid(`${field}: Extra inputs are not permitted`)
  if (typeof asked.model !== 'string' || asked.model === '') return invalid('model: Field required')
  if (asked.model === 'claude-gone') return [404, 'not_found_error', 'model: claude-gone']
  const limit = asked.max_tokens
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1) return invalid('max_tokens: Field required')
  if (typeof asked.temperature === 'number' && !(asked.temperature >= 0 && asked.temperature <= 1))
    return invalid('temperature: range: 0..1')
  if (/opus-4-7/.test(asked.model) && ['temperature', 'top_p', 'top_k'].some(name => asked[name] !== undefined))
    return invalid('temperature is not supported for this model')
  return thinkingProblem(asked, limit) ?? toolProblem(asked) ?? messageProblem(asked)
}

function headerProblem(headers: IncomingHttpHeaders): Problem | null {
  if (headers['x-api-key'] !== anthropicKey) return [401, 'authentication_error', 'invalid x-api-key']
  if (headers['anthropic-version'] !== '2023-06-01') return invalid('anthropic-version: header is required')
  if (headers.authorization !== undefined) return [401, 'authentication_error', 'a client’s key got here']
  return headers['content-type'] === 'application/json' ? null : invalid('Content-Type must be application/json')
}

function thinkingProblem({ thinking, tool_choice, temperature, model }: Fields, limit: number): Problem | null {
  const forced = ['any', 'tool'].includes(String((tool_choice as Fields | undefined)?.type))
  if (forced && /(?:opus|sonnet)-5-5|fable-5-1/.test(String(model)))
    return invalid('tool_choice: forced tool use is not supported for this model.')
  if (thinking === undefined) return null
  if ((thinking as Fields).type === 'disabled' && /(?:opus|sonnet)-5-5|fable-5/.test(String(model)))
    return invalid('"thinking.type.disabled" is not supported for this model.')
  const { type, budget_tokens } = thinking as Fields
  const choice = (tool_choice as Fields | undefined)?.type
  if (choice === 'any' || choice === 'tool')
    return invalid('Thinking may not be enabled when tool_choice forces tool use.')
  if (temperature !== undefined && temperature !== 1)
    return invalid('`temperature` may only be set to 1 when thinking is enabled.')
  if (type === 'adaptive')
    return /4-[67]/.test(String(model)) ? null : invalid('adaptive thinking is not supported on this model')
  if (/4-7/.test(String(model))) return invalid('"thinking.type.enabled" is not supported for this model.')
  if (!(Number(budget_tokens) >= 1024)) return invalid('thinking.budget_tokens: at least 1024')
  return Number(budget_tokens) < limit ? null : invalid('`max_tokens` must be greater than `thinking.budget_tokens`.')
}

function toolProblem({ tools, tool_choice }: Fields): Problem | null {
  if (tool_choice !== undefined && tools === undefined)
    return invalid('tool_choice: may only be specified while providing tools')
  if (tools === undefined) return null
  if (!Array.isArray(tools) || tools.length === 0) return invalid('tools: must not be empty')
  for (const { type, name, input_schema } of tools as Fields[]) {
    if (!/^[\w-]{1,128}$/.test(String(name))) return invalid('tools.0.custom.name: String should match pattern')
    if (type === undefined && (input_schema as Fields | undefined)?.type !== 'object')
      return invalid('tools.0.custom.input_schema.type: Field required')
  }
  return null
}

const blockTypes: Readonly<Record<string, readonly string[]>> = {
  user: ['text', 'image', 'document', 'tool_result', 'search_result', 'container_upload'],
  assistant: ['text', 'thinking', 'redacted_thinking', 'tool_use'],
}

function messageProblem({ messages, system, thinking, tools }: Fields): Problem | null {
  if (!Array.isArray(messages) || messages.length === 0) return invalid('messages: at least one message is required')
  if (system !== undefined && (system as string | Fields[]).length === 0) return invalid('system: must not be empty')
  const hasTools = tools !== undefined
  let before: Fields[] = []
  let role = ''
  for (const message of messages as Fields[]) {
    const at = `messages.${messages.indexOf(message)}`
    if (message.role !== 'user' && message.role !== 'assistant')
      return invalid(`${at}: Input should be user or assistant`)
    if (message.role === role) return invalid(`${at}: roles must alternate`)
    role = message.role
    for (const field of Object.keys(message))
      if (field !== 'role' && field !== 'content') return invalid(`${at}.${field}: Extra inputs are not permitted`)
    if (message.content === '' || (Array.isArray(message.content) && message.content.length === 0))
      return invalid(`${at}: all messages must have non-empty content`)
    const blocks =
      typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : (message.content as Fields[])
    for (const block of blocks) {
      if (!blockTypes[role].includes(String(block.type)))
        return invalid(`${at}.content: Input tag '${block.type}' found`)
      const problem = blockProblem(block, at)
      if (problem !== null) return problem
    }
    const results = blocks.filter(({ type }) => type === 'tool_result').map(({ tool_use_id }) => tool_use_id)
    const calls = before.filter(({ type }) => type === 'tool_use').map(({ id }) => id)
    if (calls.length > 0 && !hasTools)
      return invalid('Requests which include `tool_use` or `tool_result` blocks must define tools')
    if (calls.some(id => !results.includes(id)) || results.some(id => !calls.includes(id)))
      return invalid(`${at}: each tool_use must have a single result in the next message`)
    if (blocks.findLastIndex(({ type }) => type === 'tool_result') > results.length - 1)
      return invalid(`${at}: tool_result blocks must come first`)
    before = blocks
  }
  const last = (messages as Fields[])[messages.length - 1]
  if (
    last.role === 'assistant' &&
    /\s$/.test(typeof last.content === 'string' ? last.content : String(before.at(-1)?.text ?? ''))
  )
    return invalid('messages: final assistant content cannot end with trailing whitespace')
  return resumedThinkingProblem(messages as Fields[], thinking as Fields | undefined)
}

/** A turn of calls, whose results come now, has to begin as it did: with its thoughts. */
function resumedThinkingProblem(messages: Fields[], thinking: Fields | undefined): Problem | null {
  const [before, last] = messages.slice(-2)
  if (thinking?.type !== 'enabled' || last === undefined || !Array.isArray(last.content)) return null
  if (!(last.content as Fields[]).some(({ type }) => type === 'tool_result')) return null
  const first = (before.content as Fields[])[0].type
  return first === 'thinking' || first === 'redacted_thinking'
    ? null
    : invalid(`Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`.`)
}

function blockProblem(block: Fields, at: string): Problem | null {
  const source = block.source as Fields | undefined
  switch (block.type) {
    case 'text':
      return String(block.text).trim() === '' ? invalid(`${at}: text content blocks must be non-empty`) : null
    case 'tool_use':
      if (!/^[\w-]+$/.test(String(block.id))) return invalid(`${at}.tool_use.id: String should match pattern`)
      return typeof block.input === 'object' && block.input !== null
        ? null
        : invalid(`${at}.input: should be a dictionary`)
    case 'thinking':
      return block.signature === signature ? null : invalid(`${at}: Invalid \`signature\` in \`thinking\` block`)
    case 'image':
      if (source?.type === 'base64' && !/^image\/(jpeg|png|gif|webp)$/.test(String(source.media_type)))
        return invalid(`${at}.source.media_type: Input should be an image type`)
      return source === undefined ? invalid(`${at}.source: Field required`) : null
    default:
      return null
  }
}
