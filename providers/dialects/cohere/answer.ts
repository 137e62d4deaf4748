import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { FinishReason, TargetContext } from '../../../src/core/provider.ts'
import { answerHead, completion, finishReason, toolCall } from '../chat-answer.ts'
import { text } from '../chat-request.ts'
import { toUsage } from './usage.ts'

/** https://docs.cohere.com/reference/chat#response.body.finish_reason. Those of `breakdowns` are no end of an answer. */
const finishReasons: Readonly<Record<string, FinishReason>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop',
  MAX_TOKENS: 'length',
  TOOL_CALL: 'tool_calls',
  ERROR_TOXIC: 'content_filter',
}

/** What stopped a generation that was not finished, and the status it stands for. */
const breakdowns: ReadonlyMap<Json | undefined, number> = new Map([
  ['ERROR', 500],
  ['TIMEOUT', 504],
])

export interface Breakdown {
  readonly cause: string
  readonly status: number
}

/** null: the generation ended as it should. */
export function breakdownOf({ finish_reason, error }: JsonObject): Breakdown | null {
  const said = text(error) || (isObject(error) ? text(error.message) : '')
  const status = breakdowns.get(finish_reason)
  if (status === undefined && said === '') return null
  return { cause: said || `the generation ended with ${text(finish_reason)}`, status: status ?? 500 }
}

export function toFinishReason(reason: Json | undefined, calls: number): string {
  const known = finishReason(finishReasons, text(reason))
  return known === '' ? (calls > 0 ? 'tool_calls' : 'stop') : known
}

export function fromChatResponse(
  body: JsonObject,
  target: TargetContext,
): { body: JsonObject; usage: Usage } | Failure {
  const breakdown = breakdownOf(body)
  if (breakdown !== null)
    return new Failure(breakdown.status === 504 ? 'upstream_timeout' : 'upstream_error', { cause: breakdown.cause })
  if (!isObject(body.message)) return new Failure('upstream_error', { cause: 'the answer has no message' })
  const { message } = body
  let said = text(message.tool_plan)
  let reasoning = ''
  /** Where each block's text begins in the answer's. */
  const starts: number[] = []
  for (const block of blocksOf(message.content)) {
    starts.push(said.length)
    said += text(block.text)
    reasoning += text(block.thinking)
  }
  const calls = toCalls(message.tool_calls, target)
  const cited = Array.isArray(message.citations) ? message.citations.filter(isObject) : []
  const out: JsonObject = { role: 'assistant', content: said === '' && calls.length > 0 ? null : said, refusal: null }
  if (reasoning !== '') out.reasoning_content = reasoning
  if (calls.length > 0) out.tool_calls = calls
  const annotations = cited.flatMap(citation => toAnnotations(citation, starts))
  if (annotations.length > 0) out.annotations = annotations
  const usage = toUsage(body.usage)
  const choice: JsonObject = {
    index: 0,
    message: out,
    logprobs: toLogprobs(Array.isArray(body.logprobs) ? body.logprobs : []),
    finish_reason: toFinishReason(body.finish_reason, calls.length),
  }
  const answer = completion(answerHead(target, text(body.id)), [choice], usage)
  const metadata = toMetadata(body.usage, cited)
  if (metadata !== null) answer.provider_metadata = metadata
  return { body: answer, usage }
}

/** A lone text is one block. */
const blocksOf = (content: Json | undefined): JsonObject[] => {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return Array.isArray(content) ? content.filter(isObject) : []
}

function toCalls(calls: Json | undefined, target: TargetContext): JsonObject[] {
  if (!Array.isArray(calls)) return []
  return calls.filter(isObject).map((call, place) => {
    const called = isObject(call.function) ? call.function : {}
    // Clients parse what they get, and a tool without parameters is called with none.
    return toolCall(callId(call, place, target), text(called.name), text(called.arguments).trim() || '{}')
  })
}

export const callId = ({ id }: JsonObject, place: number, { requestId = '' }: TargetContext): string =>
  text(id) || `call_${requestId.slice(0, 12)}_${place}`

/**
 * Sources on the web, as OpenAI's annotations, which have no place for others: all are in `provider_metadata`. `starts` has
 * where each content block begins in the answer; thoughts are cited too, and are none of it.
 */
export function toAnnotations(
  { start, end, type, content_index, sources }: JsonObject,
  starts: readonly number[],
): JsonObject[] {
  if (type === 'THINKING_CONTENT' || !Array.isArray(sources)) return []
  const base = type === 'PLAN' ? 0 : (starts[Number(content_index ?? 0)] ?? 0)
  const at = (offset: Json | undefined): number => base + (typeof offset === 'number' ? offset : 0)
  return sources.filter(isObject).flatMap(source => {
    const document = isObject(source.document)
      ? source.document
      : isObject(source.tool_output)
        ? source.tool_output
        : {}
    const url = text(document.url)
    if (url === '') return []
    const url_citation: JsonObject = { url, title: text(document.title), start_index: at(start), end_index: at(end) }
    return [{ type: 'url_citation', url_citation }]
  })
}

/** What is paid for, and what the answer rests on; null for neither. */
export function toMetadata(report: Json | undefined, citations: JsonObject[]): JsonObject | null {
  const billed = isObject(report) && isObject(report.billed_units) ? report.billed_units : null
  if (billed === null && citations.length === 0) return null
  return { cohere: { ...(billed !== null && { billed_units: billed }), ...(citations.length > 0 && { citations }) } }
}

/** Each item is a piece of text, whose probability is that of all its tokens in a row. No alternatives are given. */
export function toLogprobs(items: readonly Json[]): JsonObject | null {
  if (items.length === 0) return null
  const content = items.filter(isObject).map((item): JsonObject => {
    const each = Array.isArray(item.logprobs) ? item.logprobs : []
    const logprob = each.reduce<number>((sum, one) => sum + (typeof one === 'number' ? one : 0), 0)
    return { token: text(item.text), logprob, bytes: [...Buffer.from(text(item.text))], top_logprobs: [] }
  })
  return { content, refusal: null }
}
