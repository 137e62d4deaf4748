import { studentQuantile } from './student.ts'

export interface Verdict {
  readonly outcome: 'within' | 'beyond' | 'undecided'
  /** Geometric mean of the paired ratios, and the interval it lies in with the confidence asked for. */
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly rounds: number
}

const MIN_ROUNDS = 3
/** More rounds are not looked at: what is unclear by then lies at the limit, or the machine is too noisy to tell. */
export const MAX_ROUNDS = 15

/**
 * Is the true ratio below `limit`? May be asked after every round: the error allowed in total (`alpha`) is spread over all
 * the looks there can be, so that looking often doesn't make a wrong verdict likelier. Ratios are compared as logarithms,
 * since twice and half are equally far from one. A noisy machine widens the interval: more rounds or "undecided", never a
 * guess.
 */
export function judge(ratios: readonly number[], limit: number, alpha = 0.05): Verdict {
  const n = ratios.length
  const logs = ratios.map(Math.log)
  const mean = logs.reduce((sum, value) => sum + value, 0) / Math.max(1, n)
  const undecided = { outcome: 'undecided', ratio: Math.exp(mean), low: 0, high: Number.POSITIVE_INFINITY } as const
  if (n < MIN_ROUNDS) return { ...undecided, rounds: n }
  const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  const share = 1 - alpha / (MAX_ROUNDS - MIN_ROUNDS + 1) / 2
  const reach = studentQuantile(share, n - 1) * Math.sqrt(variance / n)
  const low = Math.exp(mean - reach)
  const high = Math.exp(mean + reach)
  const outcome = high <= limit ? 'within' : low > limit ? 'beyond' : 'undecided'
  return { outcome, ratio: Math.exp(mean), low, high, rounds: n }
}
