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
 * An upstream on loopback that speaks Cohere's chat API, version 2, and refuses what Cohere would refuse. It answers the
 * last turn: a question about the weather with a call of `get_weather` where that is declared, else with words.
 */
export const startMockCohere = (t: Lifetime, answer: MockAnswer = answerAsCohere): Promise<MockOpenAi> =>
  startMockOpenAi(t, answer)

export const cohereKey = 'co-canary-0123456789abcdef'

type Fields = Readonly<Record<string, unknown>>

const known = new Set([
  'model',
  'messages',
  'stream',
  'tools',
  'strict_tools',
  'documents',
  'citation_options',
  'response_format',
  'safety_mode',
  'max_tokens',
  'stop_sequences',
  'temperature',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'k',
  'p',
  'logprobs',
  'tool_choice',
  'thinking',
  'priority',
])

interface Said {
  readonly thinking: string
  readonly plan: string
  readonly text: string
  readonly call: Fields | null
}

export const answerAsCohere: MockAnswer = (request, response) => {
  const asked = requestOf(request)
  const problem = refusal(request, asked)
  if (problem !== null) return json(response, problem[0], JSON.stringify({ id: 'e-1', message: problem[1] }))
  const said = say(asked)
  const finish_reason = said.call === null ? 'COMPLETE' : 'TOOL_CALL'
  const usage = {
    billed_units: { input_tokens: 20, output_tokens: 12 },
    tokens: { input_tokens: 140, output_tokens: 30 },
    cached_tokens: 100,
  }
  if (asked.stream !== true) {
    const content = [
      ...(said.thinking === '' ? [] : [{ type: 'thinking', thinking: said.thinking }]),
      ...(said.text === '' ? [] : [{ type: 'text', text: said.text }]),
    ]
    const message = {
      role: 'assistant',
      ...(content.length > 0 && { content }),
      ...(said.plan !== '' && { tool_plan: said.plan }),
      ...(said.call !== null && { tool_calls: [said.call] }),
    }
    return json(response, 200, JSON.stringify({ id: 'c-1', finish_reason, message, usage }))
  }
  beginStream(response)
  const empty = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] }
  const events: Fields[] = [
    { type: 'message-start', id: 'c-1', delta: { message: empty } },
    ...block('thinking', said.thinking, 0),
    ...block('text', said.text, said.thinking === '' ? 0 : 1),
    ...halves(said.plan).map(tool_plan => ({ type: 'tool-plan-delta', delta: { message: { tool_plan } } })),
    ...(said.call === null ? [] : callEvents(said.call)),
    { type: 'message-end', delta: { finish_reason, usage } },
  ]
  response.end(events.map(event => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''))
}

const halves = (text: string): string[] =>
  text === '' ? [] : [text.slice(0, text.length >> 1), text.slice(text.length >> 1)]

const block = (type: 'text' | 'thinking', whole: string, index: number): Fields[] =>
  whole === ''
    ? []
    : [
        { type: 'content-start', index, delta: { message: { content: { type, [type]: '' } } } },
        ...halves(whole).map(piece => ({
          type: 'content-delta',
          index,
          delta: { message: { content: { [type]: piece } } },
        })),
        { type: 'content-end', index },
      ]

function callEvents(call: Fields): Fields[] {
  const called = call.function as { name: string; arguments: string }
  const opening = { ...call, function: { ...called, arguments: '' } }
  return [
    { type: 'tool-call-start', index: 0, delta: { message: { tool_calls: opening } } },
    ...halves(called.arguments).map(piece => ({
      type: 'tool-call-delta',
      index: 0,
      delta: { message: { tool_calls: { function: { arguments: piece } } } },
    })),
    { type: 'tool-call-end', index: 0 },
  ]
}

const isThinker = ({ model }: Fields): boolean => /reasoning/.test(String(model))

function say(asked: Fields): Said {
  const last = (asked.messages as Fields[]).at(-1) as Fields
  const isThinking = isThinker(asked) && (asked.thinking as Fields | undefined)?.type !== 'disabled'
  const thinking = isThinking ? 'Let me think.' : ''
  const nothing = { thinking, plan: '', text: '', call: null }
  if (last.role === 'tool') {
    const said = (last.content as Fields[]).map(({ document }) => (document as Fields).data).join(' ')
    return { ...nothing, text: `The tool says: ${said}` }
  }
  if ((asked.response_format as Fields | undefined)?.type === 'json_object') return { ...nothing, text: '{"t":4}' }
  const isDeclared = ((asked.tools ?? []) as { function: Fields }[]).some(tool => tool.function.name === 'get_weather')
  const isCalled =
    isDeclared &&
    asked.tool_choice !== 'NONE' &&
    (asked.tool_choice === 'REQUIRED' || /weather/i.test(JSON.stringify(last.content)))
  if (!isCalled) return { ...nothing, text: 'Hello there' }
  const call = {
    id: 'get_weather_1',
    type: 'function',
    function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
  }
  return { ...nothing, plan: isThinker(asked) ? '' : 'I will look it up.', call }
}

type Problem = readonly [status: number, message: string]

const invalid = (message: string): Problem => [400, `invalid request: ${message}`]

/** What Cohere would say to it; null for nothing. */
function refusal({ method, path, headers }: MockRequest, asked: Fields): Problem | null {
  if (method !== 'POST' || path !== '/v2/chat') return [404, 'page not found']
  if (headers.authorization !== `Bearer ${cohereKey}`) return [401, 'invalid api token']
  if (headers['content-type'] !== 'application/json') return invalid('content type must be application/json')
  for (const field of Object.keys(asked)) if (!known.has(field)) return [422, `unknown field: parameter '${field}'`]
  if (asked.model === 'command-gone') return [404, "model 'command-gone' not found"]
  for (const [field, least, most] of ranges) {
    const value = asked[field]
    if (value !== undefined && !(typeof value === 'number' && value >= least && value <= most))
      return invalid(`${field} must be between ${least} and ${most} inclusive`)
  }
  if (asked.response_format !== undefined && (asked.tools !== undefined || asked.documents !== undefined))
    return invalid('response_format is not supported with tools or documents')
  return thinkingProblem(asked) ?? toolProblem(asked) ?? messageProblem(asked)
}

const ranges: readonly (readonly [field: string, least: number, most: number])[] = [
  ['temperature', 0, 1],
  ['p', 0.01, 0.99],
  ['k', 0, 500],
  ['presence_penalty', 0, 1],
  ['frequency_penalty', 0, 1],
  ['max_tokens', 1, 1_000_000],
]

function thinkingProblem(asked: Fields): Problem | null {
  if (asked.thinking === undefined) return null
  if (!isThinker(asked)) return invalid(`thinking is not supported by model ${asked.model}`)
  const { type, token_budget } = asked.thinking as Fields
  if (type === 'disabled') return null
  return type === 'enabled' && Number(token_budget) > 0 ? null : invalid('thinking.token_budget must be positive')
}

function toolProblem({ tools, tool_choice, strict_tools }: Fields): Problem | null {
  if (tool_choice !== undefined && tool_choice !== 'NONE' && tool_choice !== 'REQUIRED')
    return invalid('tool_choice must be NONE or REQUIRED')
  if (tools === undefined) return tool_choice === undefined ? null : invalid('tool_choice needs tools')
  for (const { type, function: declared } of tools as { type: string; function: Fields }[]) {
    const parameters = declared?.parameters as Fields | undefined
    if (type !== 'function' || typeof declared?.name !== 'string') return invalid('tools must be functions')
    if (parameters === undefined) return invalid(`tool ${declared.name} must have parameters`)
    if (strict_tools === true && !(Array.isArray(parameters.required) && parameters.required.length > 0))
      return invalid('strict tools must have at least one required parameter')
  }
  return null
}

function messageProblem(asked: Fields): Problem | null {
  const messages = asked.messages as Fields[]
  if (!Array.isArray(messages) || messages.length === 0) return invalid('messages must not be empty')
  const called = new Set<unknown>()
  for (const [i, message] of messages.entries()) {
    const problem = turnProblem(message, called, isThinker(asked))
    if (problem !== null) return invalid(`message at index ${i}: ${problem}`)
  }
  return null
}

const fields: Readonly<Record<string, readonly string[]>> = {
  system: ['role', 'content'],
  user: ['role', 'content'],
  assistant: ['role', 'content', 'tool_calls', 'tool_plan'],
  tool: ['role', 'content', 'tool_call_id'],
}

const partTypes: Readonly<Record<string, readonly string[]>> = {
  system: ['text'],
  user: ['text', 'image_url'],
  assistant: ['text', 'thinking'],
  tool: ['text', 'document'],
}

function turnProblem(message: Fields, called: Set<unknown>, isThinking: boolean): string | null {
  const role = String(message.role)
  if (!Object.hasOwn(fields, role)) return `role ${role} is not known`
  for (const field of Object.keys(message)) if (!fields[role].includes(field)) return `unknown field ${field}`
  const { content, tool_calls, tool_plan } = message
  if (content === null || (content === undefined && tool_calls === undefined)) return 'content is required'
  if (content === '' || (Array.isArray(content) && content.length === 0)) return 'content must not be empty'
  for (const part of Array.isArray(content) ? (content as Fields[]) : [])
    if (!partTypes[role].includes(String(part.type))) return `content of type ${part.type}`
    else if (part.type === 'thinking' && !isThinking) return 'thinking content is not supported by this model'
  if (tool_plan !== undefined && (isThinking || tool_calls === undefined)) return 'tool_plan has no place here'
  for (const call of (tool_calls ?? []) as { id: string; function: { arguments: string } }[]) {
    called.add(call.id)
    if (!isJsonObject(call.function.arguments)) return 'arguments must be a JSON object'
  }
  return role === 'tool' && !called.has(message.tool_call_id) ? 'tool_call_id answers no call' : null
}

function isJsonObject(source: string): boolean {
  try {
    return typeof JSON.parse(source) === 'object'
  } catch {
    return false
  }
}
