import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, TargetContext } from '../../../src/core/provider.ts'
import {
  omittedParameters,
  Refusal,
  type ResponseFormat,
  readEffort,
  readResponseFormat,
  readStop,
  readTokenLimit,
  readToolChoice,
  readTools,
  refuseOmitted,
  type ToolChoice,
  text,
} from '../chat-request.ts'
import { toConversation } from './messages.ts'
import { type Traits, traitsOf } from './models.ts'
import { enforceableSchema } from './schema.ts'
import { sample, think } from './thinking.ts'

/** Parameters of OpenAI's that are translated, and Anthropic's own that may ride along. */
const taken: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'stop',
  'user',
  'metadata',
  'service_tier',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
  'thinking',
])

/** Anthropic's own, as they came. Anything else it would refuse. */
const own = ['cache_control', 'container', 'context_management', 'inference_geo', 'mcp_servers', 'speed', 'top_k']

const known: ReadonlySet<string> = new Set([...taken, ...own, 'output_config'])

/**
 * How a model without schemas of its own is brought to answer in JSON: a tool that it has to call, whose arguments are
 * the answer. The name is one that no client gives to a tool.
 */
export const answerTool = 'gateway_json_answer'

/** And a model that can't be made to call it. */
const jsonOnly = 'Give your final answer as one JSON object, with nothing before or after it.'

const and = (system: string | JsonObject[], said: string): string | JsonObject[] =>
  typeof system === 'string' ? [system, said].filter(Boolean).join('\n') : [...system, { type: 'text', text: said }]

/** Tokens, next to those to think with. */
const roomToAnswer = 8192

export function toMessagesRequest(request: ChatRequest, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  const traits = traitsOf(target.model)
  const omitted = omittedParameters(request, known)
  const { system, messages, called, resumesWithoutThoughts } = toConversation(request.messages, refusal)
  const format = readResponseFormat(request.response_format, refusal)
  const effort = readEffort(request.reasoning_effort, refusal)
  const tools = toTools(request, format, traits, refusal, omitted)
  const body: JsonObject = { model: target.model, messages }
  const isAskedInWords = !traits.forcesTools && format.kind === 'json' && format.schema === null
  const instructions = isAskedInWords ? and(system, jsonOnly) : system
  if (instructions.length > 0) body.system = instructions
  Object.assign(body, tools.tools === undefined && called.size > 0 ? undeclared(called) : tools)
  for (const name of own) if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
  const limit = readTokenLimit(request)
  body.max_tokens = limit ?? traits.defaultMaxTokens
  if (isObject(request.output_config)) body.output_config = request.output_config
  if (format.kind === 'json' && format.schema !== null && traits.schemas)
    body.output_config = {
      ...(isObject(body.output_config) && body.output_config),
      format: { type: 'json_schema', schema: enforceableSchema(format.schema) },
    }
  if (isObject(request.thinking)) {
    body.thinking = request.thinking
    const budget = request.thinking.budget_tokens
    if (limit === null && typeof budget === 'number' && budget >= traits.defaultMaxTokens)
      body.max_tokens = budget + roomToAnswer
  } else if (effort !== null && !think(body, effort, traits, resumesWithoutThoughts)) omitted.push('reasoning_effort')
  sample(request, body, traits, omitted)
  const stops = readStop(request.stop, refusal)
  const sent = stops.filter(stop => stop.trim() !== '')
  if (sent.length > 0) body.stop_sequences = sent
  if (sent.length < stops.length) omitted.push('stop')
  about(request, body, omitted)
  if (target.stream) body.stream = true
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  return refusal.failure ?? body
}

/** The tools and how they may be called; nothing when there are none. */
function toTools(
  request: JsonObject,
  format: ResponseFormat,
  traits: Traits,
  refusal: Refusal,
  omitted: string[],
): JsonObject {
  const { functions, others } = readTools(request, refusal)
  const choice = readToolChoice(request, refusal)
  const tools: JsonObject[] = functions
    .filter(({ name }) => isAllowed(choice, name, traits))
    .map(({ name, description, parameters, strict, tool }): JsonObject => {
      const schema: JsonObject = { type: 'object', ...(parameters ?? { properties: {} }) }
      const isStrict = strict && traits.schemas
      return {
        name,
        ...(description !== '' && { description }),
        input_schema: isStrict ? enforceableSchema(schema) : schema,
        ...(isStrict && { strict: true }),
        ...(isObject(tool.cache_control) && { cache_control: tool.cache_control }),
      }
    })
  for (const { tool, param } of others) {
    if (isObject(tool.custom))
      refusal.unsupported(param, `${param}: this model knows no tools of type "${text(tool.type)}"`)
    else tools.push(tool)
  }
  const asksForJson = traits.forcesTools && format.kind === 'json' && !(traits.schemas && format.schema !== null)
  // A client that has some tool called wants its arguments, not a final answer.
  if (asksForJson && choice.mode !== 'required') {
    const schema = format.schema ?? { additionalProperties: true }
    const description = 'Gives the final answer to the user, as JSON.'
    const kept = choice.mode === 'none' ? [] : tools
    const answer: JsonObject = { name: answerTool, description, input_schema: { type: 'object', ...schema } }
    return {
      tools: [...kept, answer],
      tool_choice:
        kept.length === 0 ? { type: 'tool', name: answerTool } : { type: 'any', disable_parallel_tool_use: true },
    }
  }
  if (tools.length === 0) return {}
  // What can't be demanded is left to the model, among the tools that were meant.
  const isFree = choice.mode === 'required' && !traits.forcesTools
  if (isFree) omitted.push('tool_choice')
  const toolChoice = toToolChoice(isFree ? free : choice, request.parallel_tool_calls === false)
  return toolChoice === null ? { tools } : { tools, tool_choice: toolChoice }
}

/** Calls in the history are refused without declarations; a client that gives none wants no more of them. */
const undeclared = (called: ReadonlySet<string>): JsonObject => ({
  tools: Array.from(called, name => ({ name, input_schema: { type: 'object', properties: {} } })),
  tool_choice: { type: 'none' },
})

const free: ToolChoice = { mode: null, names: null }

/** A list of names leaves out the others; one name alone is the choice itself, where there is one. */
const isAllowed = ({ mode, names }: ToolChoice, name: string, { forcesTools }: Traits): boolean =>
  names === null || (forcesTools && mode === 'required' && names.length === 1) || names.includes(name)

const choices = { auto: 'auto', none: 'none', required: 'any' } as const

function toToolChoice({ mode, names }: ToolChoice, isSerial: boolean): JsonObject | null {
  if (mode === null && !isSerial) return null
  const type = choices[mode ?? 'auto']
  const choice: JsonObject = type === 'any' && names?.length === 1 ? { type: 'tool', name: names[0] } : { type }
  if (isSerial && type !== 'none') choice.disable_parallel_tool_use = true
  return choice
}

const tiers: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'standard_only',
  standard_only: 'standard_only',
  priority: 'auto',
}

/** On whose behalf, and in which tier. */
function about({ user, metadata, service_tier }: JsonObject, body: JsonObject, omitted: string[]): void {
  const { user_id = undefined, ...rest } = isObject(metadata) ? metadata : {}
  const id = text(user_id) || text(user)
  if (id !== '') body.metadata = { user_id: id }
  if (Object.keys(rest).length > 0) omitted.push('metadata')
  if (typeof service_tier === 'string' && Object.hasOwn(tiers, service_tier)) body.service_tier = tiers[service_tier]
  else if (service_tier !== undefined && service_tier !== null) omitted.push('service_tier')
}
