import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'

/**
 * Where a schema is enforced rather than shown to the model, objects must be closed and most bounds are refused with a
 * 400. A bound becomes words: the model still reads it.
 * https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
 */
const bounds: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'contains',
  'minContains',
  'maxContains',
])

/** Keywords whose values are schemas by name. */
const named: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'patternProperties'])
const deepest = 64

export function enforceableSchema(schema: JsonObject, depth = 0): JsonObject {
  if (depth > deepest) return schema
  const out: JsonObject = {}
  const said: string[] = []
  for (const [keyword, value] of Object.entries(schema)) {
    if (value === undefined) continue
    if (bounds.has(keyword) || (keyword === 'minItems' && value !== 0 && value !== 1))
      said.push(`${keyword}: ${JSON.stringify(value)}`)
    else if (named.has(keyword) && isObject(value)) out[keyword] = each(value, depth)
    else if (keyword === 'enum' || keyword === 'const' || keyword === 'default' || keyword === 'examples')
      out[keyword] = value
    else out[keyword] = inside(value, depth)
  }
  if (out.type === 'object' || isObject(out.properties)) out.additionalProperties = false
  if (said.length > 0) {
    const before = typeof out.description === 'string' && out.description !== '' ? `${out.description} ` : ''
    out.description = `${before}(${said.join(', ')})`
  }
  return out
}

const each = (schemas: JsonObject, depth: number): JsonObject =>
  Object.fromEntries(Object.entries(schemas).map(([name, value]) => [name, inside(value ?? null, depth)]))

function inside(value: Json, depth: number): Json {
  if (isObject(value)) return enforceableSchema(value, depth + 1)
  return Array.isArray(value) ? value.map(item => inside(item, depth)) : value
}
