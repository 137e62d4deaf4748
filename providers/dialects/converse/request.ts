import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, TargetContext } from '../../../src/core/provider.ts'
import type { Traits } from '../anthropic/models.ts'
import { enforceableSchema } from '../anthropic/schema.ts'
import { sample, think } from '../anthropic/thinking.ts'
import {
  type Effort,
  omittedParameters,
  Refusal,
  type ResponseFormat,
  readEffort,
  readResponseFormat,
  readStop,
  readTokenLimit,
  refuseOmitted,
  text,
} from '../chat-request.ts'
import { type Conversation, toConversation } from './messages.ts'
import { type Family, familyOf, modelPath } from './models.ts'
import { enforcesSchema, jsonInstruction, type ToolUse, toToolUse } from './tools.ts'

/** Converse's own, as they came. */
const own = [
  'additionalModelResponseFieldPaths',
  'guardrailConfig',
  'performanceConfig',
  'promptVariables',
  'requestMetadata',
  'serviceTier',
]

/** Parameters of OpenAI's that are translated, and vendors' that have a place. */
const known: ReadonlySet<string> = new Set([
  ...own,
  'additionalModelRequestFields',
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'service_tier',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
])

/** Anthropic's own, for its models. */
const claudes: ReadonlySet<string> = new Set([...known, 'thinking', 'output_config', 'anthropic_beta'])

export function toConverseRequest(request: ChatRequest, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  if (modelPath(target.model) === null) refusal.invalid('model', 'model must be a model id or an ARN')
  const family = familyOf(target.model)
  const omitted = omittedParameters(request, family.claude === null ? known : claudes)
  const format = readResponseFormat(request.response_format, refusal)
  const conversation = toConversation(instructed(request.messages, format, family), family, refusal)
  const tools = toToolUse({ request, format, family, called: conversation.called }, omitted, refusal)
  const body: JsonObject = { messages: conversation.messages }
  if (conversation.system.length > 0) body.system = conversation.system
  if (tools.toolConfig !== null) body.toolConfig = tools.toolConfig
  if (format.kind === 'json' && format.schema !== null && enforcesSchema(format, family))
    body.outputConfig = { textFormat: toTextFormat(format.schema, format.name) }
  const { inference, additional } = toInference({ request, family, conversation, tools }, omitted, refusal)
  if (Object.keys(inference).length > 0) body.inferenceConfig = inference
  if (isObject(request.additionalModelRequestFields)) Object.assign(additional, request.additionalModelRequestFields)
  if (Object.keys(additional).length > 0) body.additionalModelRequestFields = additional
  for (const name of own) if (request[name] !== undefined && request[name] !== null) body[name] = request[name]
  body.serviceTier ??= toServiceTier(request.service_tier, omitted)
  if (body.serviceTier === undefined) delete body.serviceTier
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  return refusal.failure ?? body
}

function instructed(messages: readonly Json[], format: ResponseFormat, family: Family): readonly Json[] {
  const instruction = jsonInstruction(format, family)
  return instruction === '' ? messages : [{ role: 'system', content: instruction }, ...messages]
}

/** The schema travels as text. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig.html */
function toTextFormat(schema: JsonObject, name: string): JsonObject {
  const jsonSchema: JsonObject = { schema: JSON.stringify(enforceableSchema(schema)) }
  if (/^[\w-]{1,64}$/.test(name)) jsonSchema.name = name
  return { type: 'json_schema', structure: { jsonSchema } }
}

interface Asked {
  readonly request: JsonObject
  readonly family: Family
  readonly conversation: Conversation
  readonly tools: ToolUse
}

interface Inference {
  readonly inference: JsonObject
  readonly additional: JsonObject
}

function toInference(asked: Asked, omitted: string[], refusal: Refusal): Inference {
  const { request, family } = asked
  const effort = readEffort(request.reasoning_effort, refusal)
  const { inference, additional } =
    family.claude === null ? toPlain(asked, effort, omitted) : toClaudes(asked, family.claude, effort, omitted)
  const stops = readStop(request.stop, refusal)
  const sent = stops.filter(stop => (family.claude === null ? stop !== '' : stop.trim() !== ''))
  if (!family.stops || sent.length < stops.length) {
    if (stops.length > 0) omitted.push('stop')
  }
  if (family.stops && sent.length > 0) inference.stopSequences = sent
  return { inference, additional }
}

/** Claude thinks and chooses as it does behind Anthropic's own API; only the places differ. */
function toClaudes(
  { request, conversation, tools }: Asked,
  traits: Traits,
  effort: Effort | null,
  omitted: string[],
): Inference {
  const limit = readTokenLimit(request)
  const scratch: JsonObject = {
    max_tokens: limit ?? traits.defaultMaxTokens,
    tool_choice: { type: tools.isForced ? 'any' : 'auto' },
    ...(typeof request.top_k === 'number' && { top_k: request.top_k }),
    ...(isObject(request.output_config) && { output_config: request.output_config }),
  }
  if (isObject(request.thinking)) scratch.thinking = request.thinking
  else if (effort !== null && !think(scratch, effort, traits, conversation.resumesWithoutThoughts))
    omitted.push('reasoning_effort')
  sample(request, scratch, traits, omitted)
  const inference: JsonObject = {}
  // Without a limit the model's own holds.
  if (limit !== null) inference.maxTokens = scratch.max_tokens
  if (scratch.temperature !== undefined) inference.temperature = scratch.temperature
  if (scratch.top_p !== undefined) inference.topP = scratch.top_p
  const additional: JsonObject = { ...tools.additional }
  for (const name of ['thinking', 'output_config', 'top_k'])
    if (scratch[name] !== undefined) additional[name] = scratch[name]
  const beta = request.anthropic_beta
  if (beta !== undefined && beta !== null) additional.anthropic_beta = Array.isArray(beta) ? beta : [beta]
  return { inference, additional }
}

function toPlain({ request, family, tools }: Asked, effort: Effort | null, omitted: string[]): Inference {
  const { temperature, top_p, top_k } = request
  const limit = readTokenLimit(request)
  const inference: JsonObject = {}
  const additional: JsonObject = { ...tools.additional }
  if (limit !== null) inference.maxTokens = limit
  // Up to 2 is OpenAI's scale.
  if (typeof temperature === 'number') inference.temperature = Math.min(temperature, 1)
  if (typeof top_p === 'number') inference.topP = top_p
  if (top_k !== undefined && top_k !== null) {
    if (family.topK.length === 0) omitted.push('top_k')
    else
      Object.assign(
        additional,
        family.topK.reduceRight<Json>((value, key) => ({ [key]: value }), top_k),
      )
  }
  if (effort === null) return { inference, additional }
  if (family.effort === 'openai') additional.reasoning_effort = plainEfforts[effort]
  else if (family.effort === 'nova') reason(inference, additional, effort, omitted)
  else if (effort !== 'none') omitted.push('reasoning_effort')
  return { inference, additional }
}

const plainEfforts: Readonly<Record<Effort, string>> = {
  none: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
}

/**
 * Nova 2 thinks only when told to. At `high` it takes neither temperature nor a ceiling; a client that sets a ceiling
 * means it. https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
 */
function reason(inference: JsonObject, additional: JsonObject, effort: Effort, omitted: string[]): void {
  if (effort === 'none') return
  const maxReasoningEffort =
    plainEfforts[effort] === 'high' && inference.maxTokens !== undefined ? 'medium' : plainEfforts[effort]
  additional.reasoningConfig = { type: 'enabled', maxReasoningEffort }
  if (maxReasoningEffort !== 'high') return
  for (const [name, param] of [
    ['temperature', 'temperature'],
    ['topP', 'top_p'],
  ])
    if (inference[name] !== undefined) {
      delete inference[name]
      omitted.push(param)
    }
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ServiceTier.html */
const tiers: ReadonlySet<string> = new Set(['default', 'flex', 'priority', 'reserved'])

function toServiceTier(tier: Json | undefined, omitted: string[]): JsonObject | undefined {
  if (tier === undefined || tier === null || tier === 'auto') return undefined
  if (tiers.has(text(tier))) return { type: tier }
  omitted.push('service_tier')
  return undefined
}
