import { isObject, type Json, type JsonObject } from './json.ts'

/** What an error body says, in the upstream's own words: to be redacted before anyone outside reads it. */
export interface ErrorText {
  readonly message: string
  /** `code`, else `type` or `status`, as text; '' when there is none. */
  readonly code: string
}

const longestMessage = 2048

/** Cuts at 2,048 code points, never inside one. */
function cut(text: string): string {
  const trimmed = text.trim()
  if (trimmed.length <= longestMessage) return trimmed
  let units = 0
  for (let points = 0; points < longestMessage && units < trimmed.length; points++)
    units += trimmed.codePointAt(units)! > 0xffff ? 2 : 1
  return trimmed.slice(0, units)
}

const text = (value: Json | undefined): string => (typeof value === 'string' ? value.trim() : '')

const word = (value: Json | undefined): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 128) : ''

const firstOf = (list: Json | undefined, read: (item: Json) => string): string => {
  if (!Array.isArray(list)) return ''
  return list.map(read).filter(Boolean).join('; ')
}

const messageOf = (value: Json): string => (isObject(value) ? text(value.message) || text(value.msg) : text(value))

/** `detail` of FastAPI hosts: a text, a list of `{msg}`, or an object. */
function detailText(detail: Json | undefined): string {
  if (!isObject(detail)) return text(detail) || firstOf(detail, messageOf)
  return (
    text(detail.error) ||
    text(detail.message) ||
    text(detail.msg) ||
    (isObject(detail.error) ? text(detail.error.message) : '')
  )
}

/**
 * The message of a recognised error envelope, or null. Bodies that are not one of these are never quoted:
 * a proxy's HTML page or a stack trace is nobody's business.
 */
export function readErrorBody(body: Json | undefined): ErrorText | null {
  if (Array.isArray(body)) return body.length > 0 ? readErrorBody(isObject(body[0]) ? body[0] : undefined) : null
  if (!isObject(body)) return null
  const { error } = body
  const inner = isObject(error) ? error : undefined
  const message =
    text(error) ||
    (inner && (text(inner.message) || text(inner.error))) ||
    detailText(body.detail) ||
    text(body.message) ||
    firstOf(body.errors, messageOf)
  if (!message) return null
  const firstError = Array.isArray(body.errors) && isObject(body.errors[0]) ? body.errors[0] : undefined
  const code =
    word(inner?.code) ||
    word(inner?.type) ||
    word(inner?.status) ||
    word(body.code) ||
    word(body.error_code) ||
    word(firstError?.code) ||
    word(body.type)
  return { message: cut(message), code }
}

/** The error that a 200 carries inside: an event or an answer that is one. null when there is none. */
export function inBandError(body: JsonObject): ErrorText | null {
  const { error, choices } = body
  if (error !== undefined && error !== null) {
    const read = readErrorBody({ error })
    if (read !== null) return read
    if (isObject(error) && word(error.code)) return { message: `error ${word(error.code)}`, code: word(error.code) }
  }
  // vLLM's older form, and the bare envelope of hosts that answer 200 whatever happens.
  if (body.object === 'error' || (body.type === 'error' && choices === undefined)) return readErrorBody(body)
  if (Array.isArray(choices))
    for (const choice of choices)
      if (isObject(choice) && choice.error !== undefined && choice.error !== null) {
        const read = readErrorBody({ error: choice.error })
        if (read !== null) return read
      }
  return null
}

/** An HTTP status that an error's code spells out (`429`, `"503"`), else undefined. */
export function statusOf(code: string): number | undefined {
  const status = Number(code)
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : undefined
}
