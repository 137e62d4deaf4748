import type { Cell } from './result.ts'
import { SideEnded } from './run-cell.ts'
import { judge, MAX_ROUNDS, type Verdict } from './stats/sequential.ts'
import { median } from './stats/summary.ts'
import { MAX_ERROR_SHARE, type Threshold } from './thresholds.ts'

export type Against = keyof Threshold['limits']

export interface Check {
  readonly threshold: Threshold
  readonly limit: number
  readonly ratios: number[]
  /** Rounds that could not be used: the generator or the mock was at its limit, or the baseline failed. */
  refused: number
  verdict: Verdict
  /** Set: failed for a reason no ratio shows. */
  broken: string | null
}

export interface GateOptions {
  readonly thresholds: readonly Threshold[]
  readonly against: Against
  readonly timeLimitMs: number
  /** The name of the side that is judged. */
  readonly subject: string
  /** Starts both sides fresh and lets them take turns: [subject, baseline] of each turn. */
  readonly measure: (scenario: string, round: number) => Promise<readonly (readonly [Cell, Cell])[]>
  readonly now: () => number
  readonly onRound: (check: Check) => void
}

export type Outcome = 'pass' | 'fail' | 'undecided'

/** Rounds over the checks that are still open, until none is, or the time is up. */
export async function runGate(options: GateOptions): Promise<{ outcome: Outcome; checks: Check[] }> {
  const deadline = options.now() + options.timeLimitMs
  const checks = options.thresholds.map((threshold): Check => {
    const limit = threshold.limits[options.against]
    return { threshold, limit, ratios: [], refused: 0, verdict: judge([], limit), broken: null }
  })
  const isOpen = ({ verdict, broken, ratios, refused }: Check) =>
    verdict.outcome === 'undecided' && broken === null && ratios.length + refused < MAX_ROUNDS
  for (let round = 0; checks.some(isOpen); round++) {
    for (const scenario of new Set(checks.filter(isOpen).map(check => check.threshold.scenario))) {
      if (options.now() >= deadline) return { outcome: conclude(checks), checks }
      const measured = await measureRound(options, scenario, round)
      for (const check of checks.filter(each => isOpen(each) && each.threshold.scenario === scenario)) {
        if (typeof measured === 'string') check.broken = measured
        else take(check, measured)
        options.onRound(check)
      }
    }
  }
  return { outcome: conclude(checks), checks }
}

/** The pairs of a round, or why there are none: a subject that dies under load has failed, where a baseline can't be measured. */
async function measureRound({ measure, subject }: GateOptions, scenario: string, round: number) {
  try {
    return await measure(scenario, round)
  } catch (error) {
    if (error instanceof SideEnded && error.side === subject) return error.message.split('\n')[0]
    throw error
  }
}

function take(check: Check, pairs: readonly (readonly [Cell, Cell])[]): void {
  // Of the whole round: with the few hundred answers of one turn, a single one would be too many.
  const broken = pairs.reduce((sum, [subject]) => sum + subject.metrics.errorShare, 0) / Math.max(1, pairs.length)
  if (broken > MAX_ERROR_SHARE) {
    check.broken = `${(broken * 100).toFixed(2)} % of the answers failed`
    return
  }
  if (
    pairs.some(
      ([{ metrics: ours }, { metrics: theirs }]) => ours.requestsPerSecond === 0 && theirs.requestsPerSecond > 0,
    )
  ) {
    check.broken = 'answered nothing for a whole turn'
    return
  }
  // A baseline that fails is no measure.
  const sound = pairs.filter(
    ([subject, baseline]) =>
      subject.flags.length + baseline.flags.length === 0 && baseline.metrics.errorShare <= MAX_ERROR_SHARE,
  )
  if (sound.length === 0) {
    check.refused++
    return
  }
  const ratio = roundRatio(check.threshold, sound)
  if (ratio === null) check.broken = `${check.threshold.metric} can't be measured here`
  else {
    check.ratios.push(ratio)
    check.verdict = judge(check.ratios, check.limit)
  }
}

/** The median of a round's turns: one of them in which the machine did something else counts for nothing. */
export function roundRatio(
  { metric, higherIsBetter }: Pick<Threshold, 'metric' | 'higherIsBetter'>,
  pairs: readonly (readonly [Cell, Cell])[],
): number | null {
  const ratios: number[] = []
  for (const [subject, baseline] of pairs) {
    const ours = subject.metrics[metric] ?? 0
    const theirs = baseline.metrics[metric] ?? 0
    if (ours > 0 && theirs > 0) ratios.push(higherIsBetter === true ? theirs / ours : ours / theirs)
  }
  return ratios.length === 0 ? null : median(ratios)
}

/** One failure is enough; a pass needs all. */
export function conclude(checks: readonly Check[]): Outcome {
  if (checks.some(check => check.broken !== null || check.verdict.outcome === 'beyond')) return 'fail'
  return checks.every(check => check.verdict.outcome === 'within') ? 'pass' : 'undecided'
}
