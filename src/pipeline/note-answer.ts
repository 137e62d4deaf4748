import { readRateLimits, tellsRateLimits } from '../core/rate-limits.ts'
import { retryHintMs } from '../core/upstream-failure.ts'
import type { ResponseHeaders } from '../upstream/upstream.ts'
import type { CompiledTarget } from './compile.ts'

/** Refusals after which a hint when to come back is about the target, not about the request. */
const refusals = new Set([429, 503, 529])

/** Tells all threads what the head of an answer says about its target: when to come back, and what is left of its allowance. */
export function noteAnswer({ state, provider }: CompiledTarget, status: number, headers: ResponseHeaders): void {
  const family = provider.rateLimitHeaders ?? 'x-ratelimit'
  if (headers.get(tellsRateLimits(family)) !== '') {
    const nowMs = Date.now()
    if (state.isDue(nowMs)) state.saw(readRateLimits(name => headers.get(name), family, nowMs))
  }
  if (!refusals.has(status)) return
  const nowMs = Date.now()
  const hintMs = retryHintMs(name => headers.get(name), nowMs)
  if (hintMs > 0) state.rest(nowMs + hintMs)
}
