import { isObject, type Json, type JsonObject } from '../../../src/core/json.ts'

/**
 * JSON Schema as the subset of OpenAPI's that Gemini's `Schema` is. Any keyword it doesn't know is a 400, so only those
 * go out that it does. https://ai.google.dev/api/caching#Schema
 */
const kept: ReadonlySet<string> = new Set([
  'title',
  'description',
  'nullable',
  'minItems',
  'maxItems',
  'required',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'minimum',
  'maximum',
  'propertyOrdering',
])

const formats: ReadonlySet<string> = new Set(['enum', 'date-time', 'float', 'double', 'int32', 'int64'])
const deepest = 64
/** References that name each other twice over double with every step. */
const most = 5000

/** null: the schema contains itself, or grows too large without references; this subset can't say it. */
export function geminiSchema(schema: JsonObject): JsonObject | null {
  const translation = new Translation(schema)
  const out = translation.schema(schema, 0)
  return translation.isBeyond ? null : out
}

class Translation {
  isBeyond = false
  readonly #root: JsonObject
  /** References being followed. */
  readonly #open = new Set<string>()
  #count = 0

  constructor(root: JsonObject) {
    this.#root = root
  }

  schema(schema: JsonObject, depth: number): JsonObject {
    if (depth > deepest || this.#count++ > most) {
      this.isBeyond = true
      return {}
    }
    if (typeof schema.$ref === 'string') return this.#reference(schema.$ref, schema, depth)
    const out: JsonObject = {}
    for (const [keyword, value] of Object.entries(schema)) if (kept.has(keyword)) out[keyword] = value
    this.#type(schema, out)
    this.#values(schema, out)
    if (typeof schema.format === 'string' && formats.has(schema.format)) out.format = schema.format
    if (isObject(schema.properties))
      out.properties = Object.fromEntries(
        Object.entries(schema.properties).map(([name, value]) => [name, this.#inner(value, depth)]),
      )
    const items = schema.items ?? (Array.isArray(schema.prefixItems) ? { anyOf: schema.prefixItems } : undefined)
    if (items !== undefined) out.items = this.#inner(items, depth)
    this.#union(schema, out, depth)
    // A type is wanted, and of arrays what they hold.
    if (out.type === undefined && isObject(out.properties)) out.type = 'object'
    if (out.type === undefined && out.items !== undefined) out.type = 'array'
    if (out.type === 'array') out.items ??= { type: 'string' }
    if (out.anyOf !== undefined) delete out.type
    return out
  }

  #inner(value: Json | undefined, depth: number): JsonObject {
    return isObject(value) ? this.schema(value, depth + 1) : {}
  }

  /** Definitions are put in where they are named. */
  #reference(reference: string, { $ref, ...rest }: JsonObject, depth: number): JsonObject {
    const found = reference.startsWith('#') ? this.#find(reference) : undefined
    if (this.#open.has(reference) || reference === '#') {
      this.isBeyond = true
      return {}
    }
    this.#open.add(reference)
    const out = this.schema({ ...(isObject(found) ? found : {}), ...rest }, depth + 1)
    this.#open.delete(reference)
    return out
  }

  #find(reference: string): Json | undefined {
    let at: Json | undefined = this.#root
    for (const step of reference.slice(2).split('/')) {
      const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
      at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined
    }
    return at
  }

  #type({ type }: JsonObject, out: JsonObject): void {
    if (typeof type === 'string') out.type = type
    if (!Array.isArray(type)) return
    const types = type.filter(one => one !== 'null')
    if (types.length < type.length) out.nullable = true
    if (types.length === 1) out.type = types[0]
    else if (types.length > 1) out.anyOf = types.map(one => ({ type: one }))
  }

  /** Its enums are of strings. */
  #values(schema: JsonObject, out: JsonObject): void {
    const values = schema.const === undefined ? schema.enum : [schema.const]
    if (!Array.isArray(values)) return
    if (values.includes(null)) out.nullable = true
    const words = values.filter(value => value !== null)
    if (words.length === 0) return
    if (words.some(word => typeof word === 'boolean')) {
      out.type = 'boolean'
      return
    }
    out.enum = words.map(word => (typeof word === 'string' ? word : JSON.stringify(word)))
    out.type = 'string'
  }

  #union(schema: JsonObject, out: JsonObject, depth: number): void {
    const options = [schema.anyOf, schema.oneOf].find(Array.isArray)
    if (options !== undefined) {
      const some = options.filter(option => !(isObject(option) && option.type === 'null'))
      if (some.length < options.length) out.nullable = true
      const translated = some.map(option => this.#inner(option, depth))
      if (translated.length === 1) Object.assign(out, { ...translated[0], ...out })
      else if (translated.length > 1) out.anyOf = translated
    }
    if (!Array.isArray(schema.allOf)) return
    for (const part of schema.allOf) merge(out, this.#inner(part, depth))
  }
}

function merge(out: JsonObject, part: JsonObject): void {
  const { properties, required, ...rest } = part
  if (isObject(properties)) out.properties = { ...(isObject(out.properties) && out.properties), ...properties }
  if (Array.isArray(required))
    out.required = [...new Set([...(Array.isArray(out.required) ? out.required : []), ...required])]
  for (const [keyword, value] of Object.entries(rest)) out[keyword] ??= value
}
