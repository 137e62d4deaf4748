/** What an answer's head says is left of an account's allowance; -1 = it does not say. */
export interface RateLimits {
  readonly requests: Allowance
  readonly tokens: Allowance
}

export interface Allowance {
  readonly limit: number
  readonly remaining: number
  /** ms since the epoch, when the allowance is whole again. */
  readonly resetMs: number
}

export type RateLimitFamily = 'x-ratelimit' | 'anthropic-ratelimit'

type What = 'requests' | 'tokens'

/**
 * How the two families spell it. Resets are a duration here and a time there.
 * https://platform.openai.com/docs/guides/rate-limits, https://platform.claude.com/docs/en/api/rate-limits
 */
const families = {
  'x-ratelimit': {
    requests: ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
    tokens: ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  },
  'anthropic-ratelimit': {
    requests: [
      'anthropic-ratelimit-requests-limit',
      'anthropic-ratelimit-requests-remaining',
      'anthropic-ratelimit-requests-reset',
    ],
    tokens: [
      'anthropic-ratelimit-tokens-limit',
      'anthropic-ratelimit-tokens-remaining',
      'anthropic-ratelimit-tokens-reset',
    ],
  },
} satisfies Record<RateLimitFamily, Record<What, readonly [limit: string, remaining: string, reset: string]>>

/** An answer without this header says nothing. */
export const tellsRateLimits = (family: RateLimitFamily): string => families[family].requests[1]

export function readRateLimits(get: (name: string) => string, family: RateLimitFamily, nowMs: number): RateLimits {
  const { requests, tokens } = families[family]
  return { requests: allowance(get, requests, nowMs), tokens: allowance(get, tokens, nowMs) }
}

const allowance = (
  get: (name: string) => string,
  [limit, remaining, reset]: readonly [string, string, string],
  nowMs: number,
): Allowance => ({ limit: amount(get(limit)), remaining: amount(get(remaining)), resetMs: moment(get(reset), nowMs) })

const amount = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : -1)

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3600_000, d: 86_400_000 }
const duration = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd])){1,5}$/

/** `6m0s`, `20ms`, a number of seconds, or a date. */
function moment(text: string, nowMs: number): number {
  if (duration.test(text)) {
    let ms = 0
    for (const [, value, unit] of text.matchAll(/([\d.]+)(ms|[smhd])/g)) ms += Number(value) * unitMs[unit!]!
    return nowMs + ms
  }
  if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return nowMs + Number(text) * 1000
  const date = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? -1 : date
}
