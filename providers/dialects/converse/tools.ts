import { isObject, type JsonObject } from '../../../src/core/json.ts'
import { answerTool } from '../anthropic/request.ts'
import { enforceableSchema } from '../anthropic/schema.ts'
import {
  type FunctionTool,
  type Refusal,
  type ResponseFormat,
  readToolChoice,
  readTools,
  type ToolChoice,
  text,
} from '../chat-request.ts'
import { toCachePoint } from './messages.ts'
import type { Family } from './models.ts'

/** What a request's tools become. */
export interface ToolUse {
  /** null: there are none. */
  readonly toolConfig: JsonObject | null
  /** For `additionalModelRequestFields`: what only the model's vendor has a name for. */
  readonly additional: JsonObject
  /** Some tool has to be called. */
  readonly isForced: boolean
}

interface Wanted {
  readonly request: JsonObject
  readonly format: ResponseFormat
  readonly family: Family
  /** Tools that the history calls. */
  readonly called: ReadonlySet<string>
}

/** Tools, and how they may be called. What the model can't be told goes to `omitted`. */
export function toToolUse(wanted: Wanted, omitted: string[], refusal: Refusal): ToolUse {
  const { request, format, family, called } = wanted
  const choice = readToolChoice(request, refusal)
  const { functions, others } = readTools(request, refusal)
  const allowed = functions.filter(({ name }) => isAllowed(choice, name, family))
  const tools = allowed.flatMap(tool => toSpecs(tool, family))
  const own: JsonObject[] = []
  for (const { tool, param } of others) {
    if (isObject(tool.systemTool) || isObject(tool.cachePoint)) tools.push(tool)
    else if (family.claude !== null && text(tool.type) !== '' && !isObject(tool.custom)) own.push(tool)
    else refusal.unsupported(param, `${param}: this model knows no tools of type "${text(tool.type)}"`)
  }
  // A client that has some tool called wants its arguments, not a final answer.
  if (asksForAnswerTool(format, family) && choice.mode !== 'required') {
    const kept = choice.mode === 'none' ? [] : tools
    return {
      toolConfig: { tools: [...kept, toAnswerTool(format, family)], toolChoice: answerChoice(kept, family) },
      additional: {},
      isForced: true,
    }
  }
  const additional: JsonObject = own.length > 0 ? { tools: own } : {}
  if (tools.length === 0 && own.length === 0) {
    if (called.size === 0) return { toolConfig: null, additional, isForced: false }
    // Calls in the history are refused without declarations.
    return { toolConfig: { tools: Array.from(called, undeclared) }, additional, isForced: false }
  }
  // There is no word for "none": without declarations nothing is called, but a history with calls needs them.
  if (choice.mode === 'none' && called.size === 0) return { toolConfig: null, additional: {}, isForced: false }
  const toolConfig: JsonObject = { tools }
  if (request.parallel_tool_calls === false && choice.mode !== 'none') {
    if (family.claude === null) omitted.push('parallel_tool_calls')
    else additional.tool_choice = { ...claudeChoice(choice), disable_parallel_tool_use: true }
  }
  if (additional.tool_choice === undefined) {
    const toolChoice = toToolChoice(choice, family, omitted)
    if (toolChoice !== null) toolConfig.toolChoice = toolChoice
  }
  return { toolConfig: tools.length > 0 ? toolConfig : null, additional, isForced: choice.mode === 'required' }
}

/** A list of names leaves out the others; so does one name, for models that can't be told it. */
const isAllowed = ({ mode, names }: ToolChoice, name: string, family: Family): boolean =>
  names === null || names.includes(name) || (mode === 'required' && names.length === 1 && family.choice === 'named')

function toSpecs({ name, description, parameters, strict, tool }: FunctionTool, family: Family): JsonObject[] {
  const isStrict = strict && family.schemas
  const schema: JsonObject = { type: 'object', ...(parameters ?? { properties: {} }) }
  const toolSpec: JsonObject = {
    name,
    ...(description !== '' && { description }),
    inputSchema: { json: isStrict ? enforceableSchema(schema) : fitting(schema, family) },
    ...(isStrict && { strict: true }),
  }
  const cachePoint = family.caches === 'anywhere' ? toCachePoint(tool.cache_control, family) : null
  return cachePoint === null ? [{ toolSpec }] : [{ toolSpec }, cachePoint]
}

/** https://docs.aws.amazon.com/nova/latest/userguide/tool-use-definition.html */
const topLevel = ['type', 'properties', 'required', '$defs', 'definitions']

const fitting = (schema: JsonObject, { plainSchemas }: Family): JsonObject =>
  plainSchemas ? Object.fromEntries(Object.entries(schema).filter(([keyword]) => topLevel.includes(keyword))) : schema

const undeclared = (name: string): JsonObject => ({
  toolSpec: { name, inputSchema: { json: { type: 'object', properties: {} } } },
})

function toToolChoice({ mode, names }: ToolChoice, { choice }: Family, omitted: string[]): JsonObject | null {
  if (mode === null || mode === 'none') return null
  if (mode === 'auto') return choice === 'none' ? null : { auto: {} }
  if (choice === 'none') {
    omitted.push('tool_choice')
    return null
  }
  return choice === 'named' && names?.length === 1 ? { tool: { name: names[0] } } : { any: {} }
}

/** As Anthropic spells it. https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview */
function claudeChoice({ mode, names }: ToolChoice): JsonObject {
  if (mode !== 'required') return { type: 'auto' }
  return names?.length === 1 ? { type: 'tool', name: names[0] } : { type: 'any' }
}

/** JSON can be had by a schema that is enforced, else through a tool that has to be called, else by asking for it. */
export const enforcesSchema = (format: ResponseFormat, family: Family): boolean =>
  format.kind === 'json' && format.schema !== null && family.schemas

/** A schema without properties says nothing where that is all it may say. */
const asksForAnswerTool = (format: ResponseFormat, family: Family): boolean =>
  format.kind === 'json' &&
  !enforcesSchema(format, family) &&
  family.choice !== 'none' &&
  (format.schema !== null || !family.plainSchemas)

export function jsonInstruction(format: ResponseFormat, family: Family): string {
  if (format.kind !== 'json' || enforcesSchema(format, family) || asksForAnswerTool(format, family)) return ''
  const instruction = 'Answer with JSON and nothing else: no words around it, no code fence.'
  return format.schema === null
    ? instruction
    : `${instruction} It has to fit this schema: ${JSON.stringify(format.schema)}`
}

function toAnswerTool(format: ResponseFormat, family: Family): JsonObject {
  const asked = format.kind === 'json' && format.schema !== null ? format.schema : { additionalProperties: true }
  const schema = fitting({ type: 'object', ...asked }, family)
  const description = 'Gives the final answer to the user, as JSON.'
  return { toolSpec: { name: answerTool, description, inputSchema: { json: schema } } }
}

const answerChoice = (kept: readonly JsonObject[], { choice }: Family): JsonObject =>
  kept.length === 0 && choice === 'named' ? { tool: { name: answerTool } } : { any: {} }
