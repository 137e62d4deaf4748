import { Failure } from '../../../src/core/failures.ts'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import type { FinishReason, TargetContext } from '../../../src/core/provider.ts'
import { inBandError, readErrorBody, statusOf } from '../../../src/core/upstream-error.ts'

const finishReasons: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  end_turn: 'stop',
  stop_sequence: 'stop',
  complete: 'stop',
  finish: 'stop',
  finished: 'stop',
  stop_criteria_met: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  max_completion_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_calls: 'tool_calls',
  tool_call: 'tool_calls',
  tool_use: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
  content_filtered: 'content_filter',
  refusal: 'content_filter',
  safety: 'content_filter',
  error_toxic: 'content_filter',
  recitation: 'content_filter',
  blocklist: 'content_filter',
  prohibited_content: 'content_filter',
  spii: 'content_filter',
  image_safety: 'content_filter',
  guardrail_intervened: 'content_filter',
}

/** null for "not finished"; a reason nobody knows stays as it is. */
export function finishReason(value: Json | undefined): string | null {
  if (typeof value !== 'string' || value === '') return null
  const known = value.toLowerCase()
  return Object.hasOwn(finishReasons, known) ? finishReasons[known] : value
}

/** Seconds since the epoch; some hosts send milliseconds or fractions. */
export function seconds(value: Json | undefined): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return 0
  return Math.floor(value > 1e11 ? value / 1000 : value)
}

export const createdBy = ({ nowMs }: TargetContext): number => Math.floor((nowMs ?? 0) / 1000)

export function inBandFailure(kind: 'upstream_error' | 'stream_error', body: JsonObject): Failure | null {
  const error = inBandError(body)
  return error && new Failure(kind, { cause: error.message, upstreamStatus: statusOf(error.code) })
}

/** An answer without what makes it one: perhaps it says why. */
export function lacks(body: JsonObject, what: string): Failure {
  const said = readErrorBody(body)
  const cause = said?.message ?? `the answer has no ${what}`
  return new Failure('upstream_error', { cause, upstreamStatus: statusOf(said?.code ?? '') })
}
