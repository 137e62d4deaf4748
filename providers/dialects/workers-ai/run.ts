import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { TargetContext } from '../../../src/core/provider.ts'
import type { Refusal } from '../chat-request.ts'
import { failure as readFailure } from '../openai/failure.ts'

/** Workers AI’s own way to run a model. https://developers.cloudflare.com/workers-ai/get-started/rest-api/ */

/** No such model, and a token that is not accepted: both may come as 400. */
export const errorCodes = { 5007: 404, 10000: 401 }

/** `@cf/owner/name`, each part with nothing that could lead elsewhere. */
const modelForm = /^@(?:cf|hf)(?:\/[\w.-]*\w[\w.-]*){2}$/

export const runPath = ({ model }: TargetContext): string => `/run/${modelForm.test(model) ? model : '@cf/unknown'}`

export function checkModel(refusal: Refusal, { model }: TargetContext): void {
  if (!modelForm.test(model)) refusal.invalid('model', 'model must be @cf/owner/name')
}

/** What the envelope `{ result, success, errors }` holds. */
export const resultOf = (body: JsonObject): JsonObject => (isObject(body.result) ? body.result : body)

export const failure = (status: number, body: JsonObject | null) => readFailure(status, body, errorCodes)
