import { isObject, type JsonObject } from './json.ts'

/**
 * The way calls were asked for before tools: `functions` in the request, `function_call` in the answer. Vendors' own
 * formats know calls as tools know them, so what comes back has to be told in the words the client knows. There was one
 * call an answer then: the first is it.
 * https://platform.openai.com/docs/api-reference/chat/create#chat-create-functions
 */
export const usesFunctions = ({ functions, tools }: JsonObject): boolean =>
  Array.isArray(functions) && functions.length > 0 && (!Array.isArray(tools) || tools.length === 0)

/** The answer, or the chunk of a stream, in those words. */
export function withFunctionCalls(body: JsonObject): JsonObject {
  if (!Array.isArray(body.choices)) return body
  const choices = body.choices.map(choice => {
    if (!isObject(choice)) return choice
    const said = { ...choice }
    if (isObject(choice.message)) said.message = calling(choice.message)
    if (isObject(choice.delta)) said.delta = calling(choice.delta)
    if (choice.finish_reason === 'tool_calls') said.finish_reason = 'function_call'
    return said
  })
  return { ...body, choices }
}

function calling({ tool_calls: calls, ...rest }: JsonObject): JsonObject {
  if (!Array.isArray(calls)) return rest
  const first = calls.find(call => isObject(call) && (call.index === undefined || call.index === 0))
  if (!isObject(first) || !isObject(first.function)) return rest
  const { name, arguments: given } = first.function
  return {
    ...rest,
    function_call: { ...(typeof name === 'string' && { name }), arguments: typeof given === 'string' ? given : '' },
  }
}
