import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, TargetContext } from '../../../src/core/provider.ts'
import {
  type Effort,
  type FunctionTool,
  omittedParameters,
  Refusal,
  readEffort,
  readResponseFormat,
  readStop,
  readTokenLimit,
  readToolChoice,
  readTools,
  refuseOmitted,
  text,
} from '../chat-request.ts'
import { toMessages } from './messages.ts'
import { thinks } from './models.ts'

/** Cohere's own, as they came. */
const own = ['citation_options', 'documents', 'k', 'priority', 'safety_mode', 'seed', 'strict_tools'] as const

/** Parameters that are translated, or may ride along. Anything else it would refuse. */
const known: ReadonlySet<string> = new Set([
  ...own,
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'p',
  'stop',
  'presence_penalty',
  'frequency_penalty',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'response_format',
  'reasoning_effort',
  'thinking',
  'logprobs',
])

export function toChatRequest(request: ChatRequest, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  const omitted = omittedParameters(request, known)
  const body: JsonObject = {
    model: target.model,
    messages: toMessages(request.messages, target.model, refusal),
  }
  Object.assign(body, toTools(request, refusal))
  for (const name of own) if (isSet(request[name])) body[name] = request[name]
  const limit = readTokenLimit(request)
  if (limit !== null) body.max_tokens = limit
  const stops = readStop(request.stop, refusal)
  if (stops.length > 0) body.stop_sequences = stops
  sample(request, body, omitted)
  if (request.logprobs === true) body.logprobs = true
  respondIn(request.response_format, body, refusal, omitted)
  think(request, body, limit, refusal, omitted)
  if (target.stream) body.stream = true
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  return refusal.failure ?? body
}

const isSet = (value: Json | undefined): boolean => value !== undefined && value !== null

const within = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most)

/** Scales are shorter than OpenAI's: a value beyond their end is brought to it. https://docs.cohere.com/reference/chat */
function sample(request: JsonObject, body: JsonObject, omitted: string[]): void {
  if (typeof request.temperature === 'number') body.temperature = within(request.temperature, 0, 1)
  const p = request.p ?? request.top_p
  if (typeof p === 'number') body.p = within(p, 0.01, 0.99)
  if (body.k === undefined && typeof request.top_k === 'number') body.k = within(request.top_k, 0, 500)
  for (const name of ['presence_penalty', 'frequency_penalty'] as const) {
    const penalty = request[name]
    if (typeof penalty !== 'number') continue
    body[name] = within(penalty, 0, 1)
    // There is no rewarding what was said already.
    if (penalty < 0) omitted.push(name)
  }
}

const choices = { auto: undefined, none: 'NONE', required: 'REQUIRED' } as const

/** The tools and how they may be called; nothing when there are none. No call can be asked for by name: others are left out. */
function toTools(request: JsonObject, refusal: Refusal): JsonObject {
  const { functions, others } = readTools(request, refusal)
  for (const { tool, param } of others)
    refusal.unsupported(param, `${param}: this model knows no tools of type "${text(tool.type)}"`)
  const { mode, names } = readToolChoice(request, refusal)
  const tools = functions.filter(({ name }) => names === null || names.includes(name))
  if (tools.length === 0) return {}
  const choice = choices[mode ?? 'auto']
  return {
    tools: tools.map(toTool),
    ...(choice !== undefined && { tool_choice: choice }),
    ...(tools.every(isStrict) && { strict_tools: true }),
  }
}

const toTool = ({ name, description, parameters }: FunctionTool): JsonObject => ({
  type: 'function',
  function: {
    name,
    ...(description !== '' && { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
  },
})

/**
 * Strictness is for all tools or none, and a tool that it holds for must require something.
 * https://docs.cohere.com/docs/structured-outputs#structured-outputs-tools
 */
const isStrict = ({ strict, parameters }: FunctionTool): boolean =>
  strict && Array.isArray(parameters?.required) && parameters.required.length > 0

function respondIn(asked: Json | undefined, body: JsonObject, refusal: Refusal, omitted: string[]): void {
  const format = readResponseFormat(asked, refusal)
  if (format.kind === 'text') return
  // A 400 next to either of them.
  if (body.tools !== undefined || body.documents !== undefined) {
    omitted.push('response_format')
    return
  }
  body.response_format = { type: 'json_object', ...(format.schema !== null && { json_schema: format.schema }) }
}

/** Tokens to think with; answers end at 32,000. */
const budgets: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 31_000,
}
const largestShare = 0.8

function think(request: JsonObject, body: JsonObject, limit: number | null, refusal: Refusal, omitted: string[]): void {
  const effort = readEffort(request.reasoning_effort, refusal)
  if (isObject(request.thinking)) body.thinking = request.thinking
  else if (effort === null) return
  else if (!thinks(text(body.model))) {
    if (effort !== 'none') omitted.push('reasoning_effort')
  } else if (effort === 'none') body.thinking = { type: 'disabled' }
  else {
    // The ceiling counts thoughts too, and some of it is for what the client reads.
    const most = limit === null ? budgets.xhigh : Math.max(1, Math.floor(limit * largestShare))
    body.thinking = { type: 'enabled', token_budget: Math.min(budgets[effort], most) }
  }
}
