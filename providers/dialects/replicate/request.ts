import type { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, TargetContext } from '../../../src/core/provider.ts'
import {
  list,
  omittedParameters,
  partText,
  Refusal,
  readParts,
  readResponseFormat,
  readStop,
  readTokenLimit,
  refuseOmitted,
  text,
} from '../chat-request.ts'
import { parseModel } from './model.ts'

/** What most models call as OpenAI does, and what several have besides. Zeros are values. */
const inputs = [
  'temperature',
  'top_p',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'top_k',
  'min_tokens',
  'system_prompt',
  'prompt_template',
  'repetition_penalty',
  'length_penalty',
] as const

const known: ReadonlySet<string> = new Set([
  ...inputs,
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'input',
  'response_format',
])

export function toChatRequest(request: ChatRequest, target: TargetContext): JsonObject | Failure {
  const refusal = new Refusal()
  const omitted = omittedParameters(request, known)
  const input: JsonObject = { prompt: toPrompt(request.messages, refusal) }
  const limit = readTokenLimit(request)
  if (limit !== null) input.max_tokens = limit
  for (const name of inputs) if (isSet(request[name])) input[name] = request[name]
  stop(request, target.model, input, refusal, omitted)
  if (readResponseFormat(request.response_format, refusal).kind !== 'text') omitted.push('response_format')
  const body = toPrediction(target.model, { ...input, ...(isObject(request.input) && request.input) }, refusal)
  if (target.stream) body.stream = true
  refuseOmitted(omitted, target.onUnsupportedParam, refusal)
  return refusal.failure ?? body
}

const isSet = (value: Json | undefined): boolean => value !== undefined && value !== null

/** A model whose version is named runs that one; of others the owner's. */
export function toPrediction(id: string, input: JsonObject, refusal: Refusal): JsonObject {
  const model = parseModel(id)
  if (model === null) refusal.invalid('model', 'model must be owner/name or owner/name:version')
  return model === null || model.version === '' ? { input } : { version: model.version, input }
}

/** Meta's models take one text with commas in between, so that none can be in it; others a list. */
function stop(request: JsonObject, model: string, input: JsonObject, refusal: Refusal, omitted: string[]): void {
  const stops = readStop(request.stop, refusal)
  if (stops.length === 0) return
  if (!model.startsWith('meta/')) {
    input.stop_sequences = stops
    return
  }
  const sent = stops.filter(sequence => !sequence.includes(','))
  if (sent.length > 0) input.stop_sequences = sent.join(',')
  if (sent.length < stops.length) omitted.push('stop')
}

const speakers: Readonly<Record<string, string>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
}

/** A conversation as one text: who said what, line by line, and whose turn it is. */
function toPrompt(messages: readonly Json[], refusal: Refusal): string {
  return `${messages.map((message, i) => toLine(message, `messages[${i}]`, refusal)).join('')}assistant: `
}

function toLine(message: Json, param: string, refusal: Refusal): string {
  const role = isObject(message) ? text(message.role) : ''
  if (!isObject(message)) refusal.invalid(param, `${param} must be an object`)
  else if (role === 'tool' || role === 'function' || hasCalls(message, param, refusal))
    refusal.unsupported(param, `${param}: this model knows no tools`)
  else if (!Object.hasOwn(speakers, role))
    refusal.invalid(`${param}.role`, `${param}.role must be system, developer, user or assistant`)
  else return `${speakers[role]}: ${toText(message.content, `${param}.content`, refusal)}\n`
  return ''
}

const hasCalls = (message: JsonObject, param: string, refusal: Refusal): boolean =>
  list(message.tool_calls, `${param}.tool_calls`, refusal).length > 0 || isObject(message.function_call)

/** Nothing but text has a place in it: a model that answers about a picture it did not get is worse than a 400. */
function toText(content: Json | undefined, param: string, refusal: Refusal): string {
  return readParts(content, param, refusal)
    .map(part => {
      const said = partText(part)
      if (said === null)
        refusal.unsupported(part.param, `${part.param}: this model cannot take a part of type "${part.type}"`)
      return said ?? ''
    })
    .join('')
}
