import { Failure } from '../../core/failures.ts'
import { createRedactor } from '../../core/redact.ts'
import type { Fetch } from './credential.ts'

const maxCauseChars = 500

export const authFailure = (cause: string): Failure => new Failure('upstream_auth_error', { cause })

/** Words from outside for the log: one line, bounded, without what was sent. */
export function quote(text: string, secrets: readonly string[]): string {
  const redact = createRedactor({ secrets: secrets.map(value => ({ name: '', value })), maxChars: 4096 })
  let safe = redact(text)
  // The redactor leaves short values alone, as they could be ordinary words; here too much is better than too little.
  for (const secret of secrets) if (secret.length > 3) safe = safe.replaceAll(secret, '[REDACTED_SECRET]')
  safe = safe.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return safe.length <= maxCauseChars ? safe : `${safe.slice(0, maxCauseChars)}...`
}

/** Whatever a library or the system throws becomes a failure, and so does its silence. */
export function guarded<T>(what: string, timeoutMs: number, secrets: readonly string[], fetch: Fetch<T>): Fetch<T> {
  return async () => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Failure>(resolve => {
      timer = setTimeout(() => resolve(authFailure(`${what}: nothing within ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      return await Promise.race([fetch(), late])
    } catch (error) {
      return authFailure(`${what}: ${describe(error, secrets)}`)
    } finally {
      clearTimeout(timer)
    }
  }
}

function describe(error: unknown, secrets: readonly string[]): string {
  if (!(error instanceof Error)) return 'failed'
  // Node puts the whole command line, and what the program wrote, into the message.
  if (error.message.startsWith('Command failed')) return 'the command failed'
  return quote(error.message, secrets)
}
