/** What a log line may carry besides its message; any value is made plain first. */
export type LogFields = Readonly<Record<string, unknown>>

const maxDepth = 6
const maxEntries = 100

/**
 * A copy that is safe to serialise and to post to another thread: errors, dates, maps and buffers as plain data, no
 * cycles, bounded in depth and width. `text` is applied to each string, and to the keys of what was nested.
 */
export function plainFields(fields: LogFields, text: (value: string) => string): Record<string, unknown> {
  return plainObject(Object.entries(fields), text, 0)
}

function plainValue(value: unknown, text: (value: string) => string, depth: number): unknown {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (depth >= maxDepth) return '[…]'
  if (value instanceof Error) return plainError(value, text, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof URL) return text(value.href)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (value instanceof Map)
    return plainObject(
      Array.from(value, ([key, item]) => [String(key), item]),
      text,
      depth + 1,
    )
  if (Array.isArray(value) || value instanceof Set) {
    return Array.from(value)
      .slice(0, maxEntries)
      .map(item => plainValue(item, text, depth + 1))
  }
  return plainObject(Object.entries(value), text, depth + 1)
}

function plainObject(
  entries: [string, unknown][],
  text: (value: string) => string,
  depth: number,
): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const [key, value] of entries.slice(0, maxEntries)) {
    plain[depth === 0 ? key : text(key)] = plainValue(value, text, depth)
  }
  return plain
}

function plainError(error: Error, text: (value: string) => string, depth: number): Record<string, unknown> {
  const { code, cause } = error as NodeJS.ErrnoException
  const plain: Record<string, unknown> = { type: error.name, message: text(error.message) }
  if (code !== undefined) plain.code = plainValue(code, text, depth + 1)
  if (error.stack !== undefined) plain.stack = text(error.stack)
  if (cause !== undefined) plain.cause = plainValue(cause, text, depth + 1)
  return plain
}
