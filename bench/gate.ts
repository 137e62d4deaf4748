import { Command, Option } from 'commander'
import { type Checkout, checkOut } from './compare.ts'
import { type Against, type Check, type Outcome, roundRatio, runGate } from './gate-rounds.ts'
import { chooseGenerator } from './load/generators/choose.ts'
import { planCores } from './measure/cores.ts'
import { killAll } from './measure/launch.ts'
import { describeMachine } from './measure/machine.ts'
import { endUnmeasured, percentage, positive } from './options.ts'
import { gateway } from './peers/gateway.ts'
import { nginx } from './peers/nginx.ts'
import type { Peer } from './peers/peer.ts'
import { relay, relayWith } from './peers/relay.ts'
import { textTable } from './report/table.ts'
import { runPair } from './run-cell.ts'
import { selectScenarios } from './scenarios.ts'
import { startingPoint } from './starting-point.ts'
import { judge } from './stats/sequential.ts'
import { selectThresholds, thresholds } from './thresholds.ts'

interface Options {
  subject: 'gateway' | 'relay'
  baseline?: string
  scenario?: string
  slowdown: number
  minutes: number
  duration: number
  calibrate: boolean
  generator?: string
}

const EXIT = { pass: 0, fail: 1, undecided: 3 }
const UNMEASURED = 2
const CALIBRATION_ROUNDS = 6
const TURNS = 5

const options = new Command('npm run bench:gate --')
  .description(
    `Is Ferrite still as fast as it was? Measures it beside a baseline in the same minutes and judges the ratio, so that the
machine, and how busy it is, doesn't matter. Repeats until the answer is clear or the time is up. Limits: bench/thresholds.ts.`,
  )
  .option(
    '--baseline <what>',
    'a git ref, self, nginx or relay (default: the commit these changes started from: where the branch left main, on main the commit before)',
  )
  .option('--scenario <names>', 'only these of the checks, separated by commas')
  .option(
    '--slowdown <percent>',
    'make the gateway slower by this share of its CPU, to see the gate fail',
    percentage,
    0,
  )
  .option('--minutes <number>', 'time limit', positive, 15)
  .option('--duration <seconds>', 'length of one turn', positive, 2)
  .option('--calibrate', `measure ${CALIBRATION_ROUNDS} rounds and print limits to put into bench/thresholds.ts`, false)
  .option('--generator <name>', 'wrk, oha or autocannon')
  .addOption(
    new Option('--subject <what>', 'gateway, or relay to try the gate itself')
      .choices(['gateway', 'relay'])
      .default('gateway'),
  )
  .addHelpText('after', '\nExit codes: 0 pass, 1 fail, 3 undecided within the time limit, 2 could not be measured.\n')
  .exitOverride(endUnmeasured)
  .parse()
  .opts<Options>()

const root = process.cwd()
const say = (line: string) => process.stderr.write(`${line}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.once('exit', killAll)

const checkouts: Checkout[] = []
try {
  // Before anything is checked out and built.
  const wanted = options.scenario === undefined ? thresholds : selectThresholds(options.scenario.split(','))
  const { subject, baseline, against } = chooseSides()
  for (const side of [subject, baseline]) {
    const missing = await side.prepare()
    if (missing !== null) throw new Error(`${side.name}: ${missing}`)
  }
  const generator = chooseGenerator(options.generator)
  const cores = planCores('auto')
  const machine = describeMachine()
  say(
    `${machine.cores} × ${machine.cpu}, load ${machine.load}; ${generator.name}; ${subject.name} against ${baseline.name}`,
  )

  const measure = (name: string, round: number) => {
    const [scenario] = selectScenarios([name])
    return runPair({
      scenario,
      sides: [subject, baseline],
      turns: TURNS,
      round,
      seconds: options.duration,
      generator,
      cores,
    })
  }

  if (options.calibrate) await calibrate()
  else {
    const timeLimitMs = options.minutes * 60_000
    const now = () => performance.now()
    const { outcome, checks } = await runGate({
      thresholds: wanted,
      against,
      subject: subject.name,
      timeLimitMs,
      measure,
      now,
      onRound: tell,
    })
    process.stdout.write(`\n${table(checks)}\n\n${outcome.toUpperCase()}${meaning(outcome, checks, baseline.name)}\n`)
    process.exitCode = EXIT[outcome]
  }

  async function calibrate(): Promise<void> {
    for (const threshold of wanted) {
      const ratios: number[] = []
      for (let round = 0; round < CALIBRATION_ROUNDS; round++) {
        const ratio = roundRatio(threshold, await measure(threshold.scenario, round))
        if (ratio !== null) ratios.push(ratio)
      }
      const { ratio, low, high } = judge(ratios, 1)
      const range = `${low.toFixed(2)} to ${high.toFixed(2)}`
      process.stdout.write(
        `${threshold.name}: ${ratio.toFixed(3)} (${range}) → ${against}: ${(ratio * 1.1).toFixed(2)}\n`,
      )
    }
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = UNMEASURED
} finally {
  for (const checkout of checkouts) checkout.remove()
}

function chooseSides(): { subject: Peer; baseline: Peer; against: Against } {
  const nodeOptions = options.slowdown > 0 ? [slowdownPreload(options.slowdown)] : []
  const plain = options.subject === 'relay' ? relay : gateway({ name: 'ferrite', root })
  const name = options.slowdown > 0 ? `${plain.name} slowed by ${options.slowdown} %` : plain.name
  const subject = options.subject === 'relay' ? relayWith(name, nodeOptions) : gateway({ name, root, nodeOptions })
  const wanted = options.baseline ?? (options.subject === 'relay' ? 'self' : startingPoint(root))
  if (wanted === 'nginx') return { subject, baseline: nginx, against: 'nginx' }
  if (wanted === 'relay') return { subject, baseline: relay, against: 'relay' }
  if (wanted === 'self') return { subject, baseline: plain, against: 'gateway' }
  const checkout = checkOut(root, wanted, say)
  checkouts.push(checkout)
  return { subject, baseline: gateway({ name: checkout.commit, root: checkout.root }), against: 'gateway' }
}

function slowdownPreload(percent: number): string {
  const url = new URL('./load/slowdown.js', import.meta.url)
  url.searchParams.set('percent', String(percent))
  return `--import=${url.href}`
}

function tell(check: Check): void {
  const { ratio, low, high, rounds, outcome } = check.verdict
  const range = rounds < 3 ? '' : `, between ${low.toFixed(2)} and ${high.toFixed(2)}`
  const state = check.broken ?? (outcome === 'undecided' ? 'not clear yet' : outcome)
  say(
    `${check.threshold.scenario}  ${check.threshold.name}: ${ratio.toFixed(3)} ×${range} (limit ${check.limit}): ${state}`,
  )
}

function table(checks: readonly Check[]): string {
  return textTable(
    ['', 'ratio', 'between', 'limit', 'rounds', ''],
    checks.map(({ threshold, limit, verdict, refused, broken }) => [
      `${threshold.name} (${threshold.scenario})`,
      verdict.ratio.toFixed(3),
      verdict.rounds < 3 ? '–' : `${verdict.low.toFixed(2)}–${verdict.high.toFixed(2)}`,
      String(limit),
      `${verdict.rounds}${refused === 0 ? '' : ` (+${refused} refused)`}`,
      broken ?? { within: 'pass', beyond: 'FAIL', undecided: 'undecided' }[verdict.outcome],
    ]),
  )
}

function meaning(outcome: Outcome, checks: readonly Check[], baseline: string): string {
  if (outcome === 'pass') return `: within the limits against ${baseline}`
  if (checks.some(({ broken }) => broken !== null)) return ': it did not serve what it was asked'
  if (outcome === 'fail') return `: costs more against ${baseline} than bench/thresholds.ts allows`
  return `: not clear within ${options.minutes} minutes; a quieter machine or more --minutes would tell`
}
