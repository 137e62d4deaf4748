import { Failure } from '../src/core/failures.ts'
import { isObject, type Json, type JsonObject } from '../src/core/json.ts'

/** Values that ask for what happens anyway: leaving them out changes nothing. */
const neutral: Readonly<Record<string, (value: Json) => boolean>> = {
  n: value => value === 1,
  logprobs: value => value === false,
  top_logprobs: value => value === 0,
  tool_choice: value => value === 'auto',
  parallel_tool_calls: value => value === true,
  presence_penalty: value => value === 0,
  frequency_penalty: value => value === 0,
  logit_bias: value => isObject(value) && Object.keys(value).length === 0,
}

/** The failure that names every parameter of the request that can't be expressed; null when there is none. */
export function refuseUnsupported(request: JsonObject, unsupported: readonly string[]): Failure | null {
  const found = unsupported.filter(param => {
    const value = request[param]
    return value !== undefined && value !== null && !(Object.hasOwn(neutral, param) && neutral[param](value))
  })
  if (found.length === 0) return null
  const names = found.map(param => `\`${param}\``).join(', ')
  const message = `the provider of this model does not support ${names}`
  return new Failure('unsupported_parameter', { message, param: found[0] })
}
