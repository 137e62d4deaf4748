import type { ResponseHeaders } from '../upstream/upstream.ts'

/**
 * What of an upstream's headers reaches the client: an allow-list. Cookies, organisation ids and whatever else an
 * account would give away stay here.
 */
const allowed = [
  'retry-after',
  'openai-processing-ms',
  'x-ratelimit-limit-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-requests',
  'x-ratelimit-reset-tokens',
] as const

/** All of them are short; a longer value is none of them, and would not fit a frame. */
const longestValue = 512

export function forwardedHeaders(headers: ResponseHeaders): string {
  let block = ''
  for (const name of allowed) {
    const value = headers.get(name)
    if (value !== '' && value.length <= longestValue) block += `${name}: ${value}\r\n`
  }
  return block
}
