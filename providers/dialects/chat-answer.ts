import type { Usage } from '../../src/core/chat.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { TargetContext } from '../../src/core/provider.ts'

/** What every translation of a native answer into OpenAI's shape has in common. */

/** Name, time and model, shared by an answer's every part. */
export interface AnswerHead {
  readonly id: string
  readonly created: number
  readonly model: string
}

export function answerHead(target: TargetContext, id = '', model = ''): AnswerHead {
  return {
    id: id || `chatcmpl-${target.requestId || 'unnamed'}`,
    // Seconds since the epoch. Native formats don't say.
    created: Math.floor((target.nowMs ?? 0) / 1000),
    model: model || target.model,
  }
}

export function completion({ id, created, model }: AnswerHead, choices: JsonObject[], usage: Usage | null): JsonObject {
  const body: JsonObject = { id, object: 'chat.completion', created, model, choices }
  if (usage !== null) body.usage = usageBody(usage)
  return body
}

export function chunk(head: AnswerHead, index: number, delta: JsonObject, finishReason: string | null): JsonObject {
  return {
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
  }
}

export const usageChunk = ({ id, created, model }: AnswerHead, usage: Usage): JsonObject => ({
  id,
  object: 'chat.completion.chunk',
  created,
  model,
  choices: [],
  usage: usageBody(usage),
})

/** OpenAI's nested details, and the flat names next to them where there is something to say. */
export function usageBody({ prompt, completion, total, reasoning, cacheRead, cacheWrite }: Usage): JsonObject {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
    prompt_tokens_details: { cached_tokens: cacheRead },
    completion_tokens_details: { reasoning_tokens: reasoning },
    ...(reasoning > 0 && { reasoning_tokens: reasoning }),
    ...(cacheRead > 0 && { cache_read_tokens: cacheRead }),
    ...(cacheWrite > 0 && { cache_write_tokens: cacheWrite }),
  }
}

/** A reason that nobody knows stays as it is. */
export const finishReason = (table: Readonly<Record<string, string>>, reason: string): string =>
  Object.hasOwn(table, reason) ? table[reason] : reason

export const toolCall = (id: string, name: string, args: string): JsonObject => ({
  id,
  type: 'function',
  function: { name, arguments: args },
})

export { count } from '../../src/core/chat.ts'
