import type { Allowance, RateLimits } from '../core/rate-limits.ts'

/**
 * What is known of each target, one row per target, for all threads. Rows are 64 bytes: two targets on one cache line
 * would make every worker wait for the other.
 *
 * Every field is an i32. Times are in seconds since `epochS`, amounts one more than they are, so that fresh memory says
 * that nothing is known. Workers write what the newest answer said, last writer wins, on purpose; fields of one answer
 * may be read next to those of another.
 */
const field = {
  /** s: the target asked to be left alone until then. Written on a refusal that names a time. */
  restUntil: 0,
  /** What is left of the account's allowance, from the headers of the newest answer. */
  requestsLimit: 1,
  requestsRemaining: 2,
  requestsReset: 3,
  tokensLimit: 4,
  tokensRemaining: 5,
  tokensReset: 6,
} as const

const rowWords = 64 / 4
/** Keeps seconds below 2^31 until 2091. */
const epochS = 1_700_000_000
const largest = 0x7fff_fffe
const seeEveryMs = 100

export const targetStateBytes = (rows: number): number => rows * rowWords * 4

export interface TargetFacts {
  /** ms since the epoch; 0 = it never asked for a rest. */
  readonly restUntilMs: number
  readonly limits: RateLimits
}

export class TargetState {
  readonly #words: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
  }

  /** The state of one target. A row beyond the table is one that nothing is known of, ever. */
  row(index: number): TargetRow {
    return new TargetRow(this.#words, index * rowWords)
  }

  /** For a row that gets another target. */
  clear(index: number): void {
    const at = index * rowWords
    for (let word = at; word < at + rowWords && word < this.#words.length; word++) Atomics.store(this.#words, word, 0)
  }
}

export class TargetRow {
  readonly #words: Int32Array
  readonly #at: number
  #seenMs = Number.NEGATIVE_INFINITY

  constructor(words: Int32Array, at: number) {
    this.#words = words
    this.#at = at
  }

  /** A shorter rest does not end a longer one. */
  rest(untilMs: number): void {
    const until = secondsOf(untilMs)
    if (until > this.#get(field.restUntil)) this.#set(field.restUntil, until)
  }

  isResting(nowMs: number): boolean {
    const until = this.#get(field.restUntil)
    return until !== 0 && nowMs < (until + epochS) * 1000
  }

  /** Whether enough time has passed in this thread since the last `saw`: each answer says it, and few would do. */
  isDue(nowMs: number): boolean {
    if (nowMs >= this.#seenMs && nowMs < this.#seenMs + seeEveryMs) return false
    this.#seenMs = nowMs
    return true
  }

  saw({ requests, tokens }: RateLimits): void {
    this.#allow(field.requestsLimit, requests)
    this.#allow(field.tokensLimit, tokens)
  }

  read(): TargetFacts {
    const until = this.#get(field.restUntil)
    return {
      restUntilMs: until === 0 ? 0 : (until + epochS) * 1000,
      limits: { requests: this.#allowance(field.requestsLimit), tokens: this.#allowance(field.tokensLimit) },
    }
  }

  /** Limit, remaining and reset stand in a row. */
  #allow(first: number, { limit, remaining, resetMs }: Allowance): void {
    this.#set(first, Math.min(limit, largest) + 1)
    this.#set(first + 1, Math.min(remaining, largest) + 1)
    this.#set(first + 2, resetMs < 0 ? 0 : secondsOf(resetMs))
  }

  #allowance(first: number): Allowance {
    const reset = this.#get(first + 2)
    return {
      limit: this.#get(first) - 1,
      remaining: this.#get(first + 1) - 1,
      resetMs: reset === 0 ? -1 : (reset + epochS) * 1000,
    }
  }

  #get(name: number): number {
    const at = this.#at + name
    return at < this.#words.length ? Atomics.load(this.#words, at) : 0
  }

  #set(name: number, value: number): void {
    const at = this.#at + name
    if (at < this.#words.length) Atomics.store(this.#words, at, value)
  }
}

/** Rounded up: nobody is asked before the time has come. */
const secondsOf = (ms: number): number => Math.max(1, Math.min(largest, Math.ceil(ms / 1000) - epochS))

/** Those that rest go last, each group in its order. Almost always nobody rests, and then nothing is made. */
export function awakeFirst<T extends { readonly state: TargetRow }>(
  targets: readonly T[],
  nowMs: number,
): readonly T[] {
  let resting = 0
  for (const { state } of targets) if (state.isResting(nowMs)) resting++
  if (resting === 0 || resting === targets.length) return targets
  return [
    ...targets.filter(({ state }) => !state.isResting(nowMs)),
    ...targets.filter(({ state }) => state.isResting(nowMs)),
  ]
}
