import { isObject, type JsonObject } from '../../../src/core/json.ts'
import type { UpstreamError } from '../../../src/core/provider.ts'
import { readErrorBody } from '../../../src/core/upstream-error.ts'
import { text } from '../chat-request.ts'

/**
 * The status that an exception stands for, where it comes without one: inside a stream. A model's stumble is 424 there,
 * "retry your request", which is what a 500 says to us.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
 */
const statuses: ReadonlyMap<string, number> = new Map([
  ['validationexception', 400],
  ['accessdeniedexception', 403],
  ['unrecognizedclientexception', 403],
  ['expiredtokenexception', 403],
  ['resourcenotfoundexception', 404],
  ['modeltimeoutexception', 408],
  ['throttlingexception', 429],
  ['modelnotreadyexception', 429],
  ['servicequotaexceededexception', 429],
  ['internalserverexception', 500],
  ['internalfailure', 500],
  ['modelerrorexception', 500],
  ['modelstreamerrorexception', 500],
  ['serviceunavailableexception', 503],
])

/** `ValidationException:http://internal.amazon.com/…` and `com.amazon.coral#ValidationException` say the same. */
const exceptionName = (name: string): string => name.replace(/:.*$/s, '').replace(/^.*#/s, '')

export const exceptionStatus = (name: string): number | undefined => statuses.get(exceptionName(name).toLowerCase())

/** Two errors whose status says less than their words: the name of the exception is in a header, which is not read. */
const meanings: readonly (readonly [words: RegExp, status: number])[] = [
  [/security token .*(invalid|expired)|signature .*(does not match|expired)|not authorized to perform/i, 403],
  [/provided model identifier is invalid|could not resolve the foundation model/i, 404],
  [/service quota|too many (requests|tokens)/i, 429],
]

export function toUpstreamError(status: number, body: JsonObject | null): UpstreamError {
  const message = errorMessage(body)
  if (message === '') return { message: `the upstream provider answered with status ${status}` }
  const code = exceptionName(text(body?.__type) || text(body?.code))
  const meant =
    status === 400
      ? (exceptionStatus(code) ?? meanings.find(([words]) => words.test(message))?.[1])
      : status === 424
        ? 500
        : undefined
  return {
    message,
    ...(code !== '' && { code }),
    ...(meant !== undefined && meant !== status && { status: meant }),
    // Tomorrow, perhaps.
    ...(/tokens per day/i.test(message) && { permanent: true }),
  }
}

/** Some bodies have `Message`, capitalised. '' = none. */
export function errorMessage(body: JsonObject | null): string {
  if (!isObject(body)) return ''
  return readErrorBody(body)?.message ?? readErrorBody({ message: body.Message ?? null })?.message ?? ''
}
