import { isObject, type Json, type JsonObject } from '../../src/core/json.ts'

/** The whole answer that a stream of chunks makes, put together as OpenAI's own client libraries do. */
export function accumulate(chunks: readonly JsonObject[]): JsonObject {
  const choices: JsonObject[] = []
  for (const chunk of chunks)
    for (const { index, delta, finish_reason } of chunk.choices as JsonObject[]) {
      const choice = (choices[Number(index)] ??= { index, message: {}, finish_reason: null })
      choice.message = merged(choice.message as JsonObject, delta as JsonObject)
      choice.finish_reason = finish_reason ?? choice.finish_reason
    }
  const { id, created, model } = chunks[0]
  const usage = chunks.findLast(chunk => isObject(chunk.usage))?.usage
  return { id, object: 'chat.completion', created, model, choices, ...(usage !== undefined && { usage }) }
}

/** Texts are appended, lists go by the index of their items; what tells one thing from another stays. */
function merged(before: JsonObject, delta: JsonObject): JsonObject {
  const out = { ...before }
  for (const [key, value] of Object.entries(delta)) out[key] = joined(key, out[key], value ?? null)
  return out
}

function joined(key: string, before: Json | undefined, value: Json): Json {
  if (before === undefined || before === null || key === 'index' || key === 'type' || key === 'role') return value
  if (typeof before === 'string' && typeof value === 'string') return before + value
  if (isObject(before) && isObject(value)) return merged(before, value)
  if (!Array.isArray(before) || !Array.isArray(value)) return value
  const list = [...before]
  for (const item of value) {
    if (!isObject(item) || typeof item.index !== 'number') {
      list.push(item)
      continue
    }
    const known = list[item.index]
    list[item.index] = isObject(known) ? merged(known, item) : item
  }
  return list
}
