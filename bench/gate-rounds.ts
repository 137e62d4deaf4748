import type { Cell } from './result.ts'
import { judge, type Verdict } from './stats/sequential.ts'
import { MAX_ERROR_SHARE, type Threshold } from './thresholds.ts'

export type Against = keyof Threshold['limits']

export interface Check {
  readonly threshold: Threshold
  readonly limit: number
  readonly ratios: number[]
  /** Rounds that could not be used: the generator or the mock was at its limit. */
  refused: number
  verdict: Verdict
  /** Set: failed for a reason no ratio shows. */
  broken: string | null
}

export interface GateOptions {
  readonly thresholds: readonly Threshold[]
  readonly against: Against
  readonly timeLimitMs: number
  /** Runs both sides of a scenario once, in the order asked for. */
  readonly measure: (scenario: string, round: number) => Promise<{ subject: Cell; baseline: Cell }>
  readonly now: () => number
  readonly onRound: (check: Check) => void
}

export type Outcome = 'pass' | 'fail' | 'undecided'

/** Rounds over the checks that are still open, until none is or the time is up. */
export async function runGate(options: GateOptions): Promise<{ outcome: Outcome; checks: Check[] }> {
  const deadline = options.now() + options.timeLimitMs
  const checks = options.thresholds.map((threshold): Check => {
    const limit = threshold.limits[options.against]
    return { threshold, limit, ratios: [], refused: 0, verdict: judge([], limit), broken: null }
  })
  const isOpen = (check: Check) => check.verdict.outcome === 'undecided' && check.broken === null
  for (let round = 0; checks.some(isOpen); round++) {
    for (const check of checks.filter(isOpen)) {
      if (options.now() >= deadline) return { outcome: conclude(checks), checks }
      take(check, await options.measure(check.threshold.scenario, round))
      options.onRound(check)
    }
  }
  return { outcome: conclude(checks), checks }
}

function take(check: Check, { subject, baseline }: { subject: Cell; baseline: Cell }): void {
  const { metric, higherIsBetter } = check.threshold
  if (subject.metrics.errorShare > MAX_ERROR_SHARE) {
    check.broken = `${(subject.metrics.errorShare * 100).toFixed(2)} % of the answers failed`
    return
  }
  const ours = subject.metrics[metric]
  const theirs = baseline.metrics[metric]
  if (subject.flags.length > 0 || baseline.flags.length > 0) check.refused++
  else if (ours === null || theirs === null || !(ours > 0) || !(theirs > 0))
    check.broken = `${metric} can't be measured here`
  else {
    check.ratios.push(higherIsBetter === true ? theirs / ours : ours / theirs)
    check.verdict = judge(check.ratios, check.limit)
  }
}

/** One failure is enough; a pass needs all. */
export function conclude(checks: readonly Check[]): Outcome {
  if (checks.some(check => check.broken !== null || check.verdict.outcome === 'beyond')) return 'fail'
  return checks.every(check => check.verdict.outcome === 'within') ? 'pass' : 'undecided'
}
