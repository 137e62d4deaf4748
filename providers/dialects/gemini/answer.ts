import type { Usage } from '../../../src/core/chat.ts'
import { Failure } from '../../../src/core/failures.ts'
import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { TargetContext } from '../../../src/core/provider.ts'
import { inBandError } from '../../../src/core/upstream-error.ts'
import { answerHead, completion } from '../chat-answer.ts'
import { text } from '../chat-request.ts'
import { annotations, blockReason, fill, readSaid, toFinishReason, toLogprobs } from './candidate.ts'
import { toUsage } from './usage.ts'

export function fromGenerated(body: JsonObject, target: TargetContext): { body: JsonObject; usage: Usage } | Failure {
  const error = inBandError(body)
  if (error !== null) return new Failure('upstream_error', { cause: error.message })
  const candidates = Array.isArray(body.candidates) ? body.candidates.filter(isObject) : []
  const blocked = blockReason(body)
  if (candidates.length === 0 && blocked === '')
    return new Failure('upstream_error', { cause: 'the answer has no candidates' })
  const choices =
    candidates.length > 0 ? candidates.map((one, place) => choice(one, place, target)) : [refused(blocked)]
  const usage = toUsage(isObject(body.usageMetadata) ? body.usageMetadata : {})
  const head = answerHead(target, text(body.responseId), text(body.modelVersion))
  const out = completion(head, choices, usage)
  const grounding = candidates.map(one => one.groundingMetadata).find(isObject)
  if (grounding !== undefined) out.provider_metadata = { google: { groundingMetadata: grounding } }
  return { body: out, usage }
}

function choice(candidate: JsonObject, place: number, target: TargetContext): JsonObject {
  const index = typeof candidate.index === 'number' ? candidate.index : place
  const said = readSaid(candidate, index, 0, target)
  const isSilent = said.text === '' && said.calls.length > 0
  const message: JsonObject = { role: 'assistant', content: isSilent ? null : said.text, refusal: null }
  fill(message, said)
  if (said.calls.length > 0) message.tool_calls = said.calls
  const cited = annotations(candidate.groundingMetadata, said.text)
  if (cited.length > 0) message.annotations = cited
  const finish = toFinishReason(candidate.finishReason, said.calls.length)
  const implied = said.calls.length > 0 ? 'tool_calls' : 'stop'
  return { index, message, logprobs: toLogprobs(candidate.logprobsResult), finish_reason: finish || implied }
}

const refused = (reason: string): JsonObject => ({
  index: 0,
  message: { role: 'assistant', content: null, refusal: reason },
  logprobs: null,
  finish_reason: 'content_filter',
})
