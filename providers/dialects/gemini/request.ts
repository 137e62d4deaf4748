import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, TargetContext } from '../../../src/core/provider.ts'
import {
  omittedParameters,
  Refusal,
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
import { toContents } from './contents.ts'
import type { GeminiHost } from './host.ts'
import { generationOf, thinkingConfig } from './models.ts'
import { geminiSchema } from './schema.ts'

/** OpenAI's name → the one in `generationConfig`, where the value needs no change. */
const renamed: Readonly<Record<string, string>> = {
  temperature: 'temperature',
  top_p: 'topP',
  top_k: 'topK',
  n: 'candidateCount',
  seed: 'seed',
  presence_penalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
}

/** Gemini's own, at the top of a request, in both spellings it accepts. */
const own: Readonly<Record<string, string>> = {
  safety_settings: 'safetySettings',
  safetySettings: 'safetySettings',
  cached_content: 'cachedContent',
  cachedContent: 'cachedContent',
  labels: 'labels',
}

const known: ReadonlySet<string> = new Set([
  ...Object.keys(renamed),
  ...Object.keys(own),
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'response_format',
  'reasoning_effort',
  'logprobs',
  'top_logprobs',
  'modalities',
  'thinking_config',
  'thinkingConfig',
  'generation_config',
  'generationConfig',
  'extra_body',
])

export function toGenerateRequest(request: ChatRequest, target: TargetContext, host: GeminiHost): JsonObject | Failure {
  const refusal = new Refusal()
  const { model } = target
  if (host.path(model) === null) refusal.invalid('model', 'model must be a name, not a path')
  const omitted = omittedParameters(request, known)
  const { systemInstruction, contents } = toContents(request.messages, model, host.hasCallIds, refusal)
  const body: JsonObject = { contents }
  if (systemInstruction !== null) body.systemInstruction = systemInstruction
  // What Google's OpenAI-compatible endpoint takes under this name.
  const extra = isObject(request.extra_body) ? request.extra_body.google : undefined
  const asked: JsonObject = { ...(isObject(extra) && extra), ...request }
  const tools = toTools(request, refusal)
  Object.assign(body, tools)
  for (const [name, wire] of Object.entries(own)) if (isSet(asked[name])) body[wire] = asked[name]
  const config = generationConfig(asked, model, refusal, omitted)
  respondIn(request.response_format, model, tools, config, refusal, omitted)
  if (Object.keys(config).length > 0) body.generationConfig = config
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  return refusal.failure ?? body
}

const isSet = (value: Json | undefined): boolean => value !== undefined && value !== null

function generationConfig(request: JsonObject, model: string, refusal: Refusal, omitted: string[]): JsonObject {
  const given = request.generationConfig ?? request.generation_config
  const config: JsonObject = isObject(given) ? { ...given } : {}
  for (const [name, wire] of Object.entries(renamed)) if (isSet(request[name])) config[wire] = request[name]
  const limit = readTokenLimit(request)
  if (limit !== null) config.maxOutputTokens = limit
  const stops = readStop(request.stop, refusal)
  if (stops.length > 0) config.stopSequences = stops
  if (request.logprobs === true) config.responseLogprobs = true
  if (request.logprobs === true && typeof request.top_logprobs === 'number' && request.top_logprobs > 0)
    config.logprobs = request.top_logprobs
  modalities(request.modalities, config, omitted)
  const effort = readEffort(request.reasoning_effort, refusal)
  const thinking = request.thinkingConfig ?? request.thinking_config
  if (isObject(thinking)) config.thinkingConfig = thinking
  else if (effort !== null) {
    const chosen = thinkingConfig(model, effort)
    if (chosen !== null) config.thinkingConfig = chosen
    else if (effort !== 'none') omitted.push('reasoning_effort')
  }
  return config
}

/** Text is what comes unasked. Spoken answers need a voice and come as raw samples, which OpenAI's shape has no room for. */
function modalities(asked: Json | undefined, config: JsonObject, omitted: string[]): void {
  if (!Array.isArray(asked)) return
  const wanted = asked.map(text)
  if (wanted.includes('image')) config.responseModalities = ['TEXT', 'IMAGE']
  if (wanted.some(one => one !== 'text' && one !== 'image')) omitted.push('modalities')
}

/** JSON, freely or by a schema. */
function respondIn(
  asked: Json | undefined,
  model: string,
  tools: JsonObject,
  config: JsonObject,
  refusal: Refusal,
  omitted: string[],
): void {
  const format = readResponseFormat(asked, refusal)
  if (format.kind === 'text') return
  // JSON next to tools is new in 3, and never goes with a call that has to be made. A 400 both.
  if (tools.tools !== undefined && (generationOf(model) < 300 || isForced(tools))) {
    omitted.push('response_format')
    return
  }
  config.responseMimeType = 'application/json'
  if (format.schema === null) return
  const schema = geminiSchema(format.schema)
  if (schema !== null) config.responseSchema = schema
  else config.responseJsonSchema = format.schema
}

function isForced({ toolConfig }: JsonObject): boolean {
  const calling = isObject(toolConfig) ? toolConfig.functionCallingConfig : undefined
  return isObject(calling) && calling.mode === 'ANY'
}

/** Tools of Google's own, by the names of their fields. */
const ownTools: ReadonlySet<string> = new Set([
  'googleSearch',
  'google_search',
  'googleSearchRetrieval',
  'google_search_retrieval',
  'codeExecution',
  'code_execution',
  'urlContext',
  'url_context',
  'googleMaps',
  'google_maps',
  'fileSearch',
  'file_search',
  'computerUse',
  'computer_use',
  'functionDeclarations',
  'function_declarations',
])

/** The tools and how they may be called; nothing when there are none. */
function toTools(request: JsonObject, refusal: Refusal): JsonObject {
  const { functions, others } = readTools(request, refusal)
  const choice = readToolChoice(request, refusal)
  const declarations = functions
    .filter(({ name }) => choice.mode === 'required' || choice.names === null || choice.names.includes(name))
    .map(({ name, description, parameters }): JsonObject => {
      const schema = parameters && declared(parameters)
      return { name, ...(description !== '' && { description }), ...schema }
    })
  const tools: JsonObject[] = declarations.length > 0 ? [{ functionDeclarations: declarations }] : []
  for (const { tool, param } of others) {
    const keys = Object.keys(tool)
    if (keys.length > 0 && keys.every(key => ownTools.has(key))) tools.push(tool)
    else refusal.unsupported(param, `${param}: this model knows no tools of type "${text(tool.type)}"`)
  }
  if (tools.length === 0) return {}
  const config = declarations.length > 0 ? toCallingConfig(choice) : null
  return config === null ? { tools } : { tools, toolConfig: { functionCallingConfig: config } }
}

/** An object without properties is refused; no parameters at all says the same. */
function declared(parameters: JsonObject): JsonObject {
  const { properties } = parameters
  const isEmpty = parameters.$ref === undefined && !(isObject(properties) && Object.keys(properties).length > 0)
  if (isEmpty && (parameters.type === 'object' || parameters.type === undefined)) return {}
  const schema = geminiSchema(parameters)
  return schema === null ? { parametersJsonSchema: parameters } : { parameters: schema }
}

const modes = { auto: 'AUTO', none: 'NONE', required: 'ANY' } as const

function toCallingConfig({ mode, names }: ToolChoice): JsonObject | null {
  if (mode === null) return null
  return { mode: modes[mode], ...(mode === 'required' && names !== null && { allowedFunctionNames: [...names] }) }
}
