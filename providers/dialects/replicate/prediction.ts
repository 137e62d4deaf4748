import { Failure } from '../../../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'
import { type Again, type Answer, again, type TargetContext } from '../../../src/core/provider.ts'
import { answerHead, completion } from '../chat-answer.ts'
import { text } from '../chat-request.ts'
import { PredictionEvents } from './events.ts'
import { toUsage } from './usage.ts'

/** https://replicate.com/docs/topics/predictions/lifecycle */
const stages = {
  starting: 'under way',
  processing: 'under way',
  succeeded: 'done',
  failed: 'failed',
  canceled: 'failed',
  aborted: 'failed',
} as const

const pollMs = 500

/** Where a job is, or null for an answer that is none. Ids come from outside and become part of a path. */
function placeOf({ id }: JsonObject): string | null {
  return typeof id === 'string' && /^[\w-]{1,128}$/.test(id) ? `/predictions/${id}` : null
}

/** A prediction that is `done`, or what comes in its place. */
export function settled(
  prediction: JsonObject,
  then: (done: JsonObject) => Answer<JsonObject>,
): Answer<JsonObject> | Again | Failure {
  const { status } = prediction
  const stage =
    typeof status === 'string' && Object.hasOwn(stages, status) ? stages[status as keyof typeof stages] : null
  if (stage === 'done') return then(prediction)
  if (stage === null) return new Failure('upstream_error', { cause: 'the answer is no prediction' })
  if (stage === 'failed') return new Failure('upstream_error', { cause: reasonOf(prediction) })
  const place = placeOf(prediction)
  if (place === null) return new Failure('upstream_error', { cause: 'the prediction has no id' })
  return again({ to: place, waitMs: pollMs, abandon: `${place}/cancel` })
}

function reasonOf({ error, status }: JsonObject): string {
  return (
    text(error) ||
    (isObject(error) ? text(error.message) || text(error.detail) : '') ||
    `the prediction was ${text(status)}`
  )
}

export function fromChatPrediction(
  prediction: JsonObject,
  target: TargetContext,
): Answer<JsonObject> | Again | Failure {
  const state = settled(prediction, done => toCompletion(done, target))
  if (!target.stream || state instanceof Failure) return state
  const place = placeOf(prediction)
  if (place === null) return new Failure('upstream_error', { cause: 'the prediction has no id' })
  const to = isObject(prediction.urls) ? text(prediction.urls.stream) : ''
  if (to === '') return new Failure('streaming_not_supported', { message: 'this model does not stream its answers' })
  return again({
    to,
    stream: true,
    events: context => new PredictionEvents(context, place),
    abandon: `${place}/cancel`,
  })
}

function toCompletion(prediction: JsonObject, target: TargetContext): Answer<JsonObject> {
  const usage = toUsage(prediction.metrics)
  const message: JsonObject = { role: 'assistant', content: toText(prediction.output), refusal: null }
  const choice: JsonObject = { index: 0, message, logprobs: null, finish_reason: 'stop' }
  return { body: completion(answerHead(target, text(prediction.id)), [choice], usage), usage }
}

/** Models yield a text, pieces of one, or whatever they like. */
function toText(output: Json | undefined): string {
  if (output === undefined || output === null) return ''
  if (typeof output === 'string') return output
  if (Array.isArray(output)) return output.map(toText).join('')
  return JSON.stringify(output)
}
