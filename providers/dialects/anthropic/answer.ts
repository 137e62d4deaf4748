import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import type { FinishReason, TargetContext } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { answerHead, completion, finishReason, toolCall } from '../chat-answer.ts'
import { text } from '../chat-request.ts'
import { answerTool } from './request.ts'
import { toUsage } from './usage.ts'

/** https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons */
const finishReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
}

/** `calls`: of the client's tools. A model that stopped for the answer tool has just answered. */
export function toFinishReason(reason: Json | undefined, calls: number): string {
  const known = finishReason(finishReasons, text(reason))
  if (known === '') return calls > 0 ? 'tool_calls' : 'stop'
  return known === 'tool_calls' && calls === 0 ? 'stop' : known
}

export function fromMessage(body: JsonObject, target: TargetContext): { body: JsonObject; usage: Usage } | Failure {
  if (body.type === 'error')
    return new Failure('upstream_error', { cause: readErrorBody(body)?.message ?? 'an error without a message' })
  if (!Array.isArray(body.content)) return new Failure('upstream_error', { cause: 'the answer has no content' })
  let said = ''
  let reasoning = ''
  const thoughts: JsonObject[] = []
  const calls: JsonObject[] = []
  const annotations: JsonObject[] = []
  for (const block of body.content.filter(isObject)) {
    switch (block.type) {
      case 'text':
        annotations.push(...citations(block.citations, said.length, said.length + text(block.text).length))
        said += text(block.text)
        break
      case 'thinking':
        reasoning += text(block.thinking)
        thoughts.push({ type: 'thinking', thinking: text(block.thinking), signature: text(block.signature) })
        break
      case 'redacted_thinking':
        thoughts.push({ type: 'redacted_thinking', data: text(block.data) })
        break
      case 'tool_use': {
        const input = JSON.stringify(block.input ?? {})
        if (block.name === answerTool) said += input
        else calls.push(toolCall(text(block.id), text(block.name), input))
        break
      }
      // What ran on the server, and came of it, was for the model: its words tell the client.
    }
  }
  const refusal = refusalOf(body)
  const isSilent = said === '' && (calls.length > 0 || refusal !== null)
  const message: JsonObject = { role: 'assistant', content: isSilent ? null : said, refusal }
  if (reasoning !== '') message.reasoning_content = reasoning
  if (thoughts.length > 0) message.thinking_blocks = thoughts
  if (calls.length > 0) message.tool_calls = calls
  if (annotations.length > 0) message.annotations = annotations
  const finish = toFinishReason(body.stop_reason, calls.length)
  const usage = toUsage(isObject(body.usage) ? body.usage : {})
  const head = answerHead(target, text(body.id), text(body.model))
  const choice: JsonObject = { index: 0, message, logprobs: null, finish_reason: finish }
  return { body: completion(head, [choice], usage), usage }
}

/** Why a classifier stepped in, when the API says so. */
export function refusalOf({ stop_reason, stop_details }: JsonObject): string | null {
  if (stop_reason !== 'refusal' || !isObject(stop_details)) return null
  return text(stop_details.explanation) || null
}

/** Sources on the web, as OpenAI's annotations; the span is in UTF-16 units of the answer's text. */
export function citations(cited: Json | undefined, from: number, to: number): JsonObject[] {
  if (!Array.isArray(cited)) return []
  return cited
    .filter(isObject)
    .filter(({ url }) => text(url) !== '')
    .map(({ url, title }) => ({
      type: 'url_citation',
      url_citation: { url: text(url), title: text(title), start_index: from, end_index: to },
    }))
}
