/** A system or TLS error for the log. An attempt on several addresses fails with several errors and an empty message. */
export function describeError(error: Error): string {
  const inner: Error[] = error instanceof AggregateError ? error.errors : []
  if (inner.length > 0) return inner.map(describeError).join('; ')
  const { code } = error as NodeJS.ErrnoException
  return code === undefined || error.message.includes(code) ? error.message : `${code}: ${error.message}`
}
