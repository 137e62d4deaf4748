import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { FinishReason, TargetContext } from '../../../src/core/provider.ts'
import { citations } from '../anthropic/answer.ts'
import { answerTool } from '../anthropic/request.ts'
import { answerHead, completion, finishReason, toolCall } from '../chat-answer.ts'
import { text } from '../chat-request.ts'
import { errorMessage } from './error.ts'
import { familyOf } from './models.ts'
import { toUsage } from './usage.ts'

/** `stopReason` of https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
const finishReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  malformed_model_output: 'stop',
  malformed_tool_use: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
  refusal: 'content_filter',
}

/** `calls`: of the client's tools. A model that stopped for the answer tool has just answered. */
export function toFinishReason(reason: Json | undefined, calls: number): string {
  const known = finishReason(finishReasons, text(reason))
  if (known === '') return calls > 0 ? 'tool_calls' : 'stop'
  return known === 'tool_calls' && calls === 0 ? 'stop' : known
}

export function fromConverse(body: JsonObject, target: TargetContext): { body: JsonObject; usage: Usage } | Failure {
  const answer = isObject(body.output) && isObject(body.output.message) ? body.output.message : {}
  if (!Array.isArray(answer.content))
    return new Failure('upstream_error', { cause: errorMessage(body) || 'the answer has no content' })
  const { signs } = familyOf(target.model)
  let said = ''
  let reasoning = ''
  const thoughts: JsonObject[] = []
  const calls: JsonObject[] = []
  const annotations: JsonObject[] = []
  for (const block of answer.content.filter(isObject)) {
    if (typeof block.text === 'string') said += block.text
    else if (isObject(block.toolUse)) {
      const input = JSON.stringify(block.toolUse.input ?? {})
      const { toolUseId, name } = block.toolUse
      if (name === answerTool) said += input
      else calls.push(toolCall(text(toolUseId), text(name), input))
    } else if (isObject(block.reasoningContent)) {
      const { reasoningText, redactedContent } = block.reasoningContent
      if (isObject(reasoningText)) {
        const thinking = text(reasoningText.text)
        reasoning += thinking
        thoughts.push({ type: 'thinking', thinking, signature: text(reasoningText.signature) })
      } else if (text(redactedContent) !== '') thoughts.push({ type: 'redacted_thinking', data: text(redactedContent) })
    } else if (isObject(block.citationsContent)) {
      const from = said.length
      said += textsOf(block.citationsContent.content)
      annotations.push(...citations(webSources(block.citationsContent.citations), from, said.length))
    }
  }
  const message: JsonObject = {
    role: 'assistant',
    content: said === '' && calls.length > 0 ? null : said,
    refusal: null,
  }
  if (reasoning !== '') message.reasoning_content = reasoning
  if (signs && thoughts.length > 0) message.thinking_blocks = thoughts
  if (calls.length > 0) message.tool_calls = calls
  if (annotations.length > 0) message.annotations = annotations
  const usage = toUsage(isObject(body.usage) ? body.usage : {})
  const finish = toFinishReason(body.stopReason, calls.length)
  const choice: JsonObject = { index: 0, message, logprobs: null, finish_reason: finish }
  return { body: completion(answerHead(target), [choice], usage), usage }
}

const textsOf = (content: Json | undefined): string =>
  Array.isArray(content) ? content.map(item => (isObject(item) ? text(item.text) : '')).join('') : ''

/** Citations of pages of the web, as Anthropic has them; those of documents have no address. */
export const webSources = (cited: Json | undefined): JsonObject[] =>
  (Array.isArray(cited) ? cited : []).filter(isObject).flatMap(({ title, location }) => {
    const web = isObject(location) && isObject(location.web) ? location.web : {}
    return text(web.url) === '' ? [] : [{ url: text(web.url), title: text(title) }]
  })
