import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type GateOptions, runGate } from '../../bench/gate-rounds.ts'
import { launch } from '../../bench/measure/launch.ts'
import type { Cell, Metrics } from '../../bench/result.ts'
import { SideEnded } from '../../bench/run-cell.ts'
import { selectThresholds, type Threshold } from '../../bench/thresholds.ts'
import { cell } from './fixture.ts'

const limits = { nginx: 1.1, relay: 1.1, gateway: 1.1 }
const cpu: Threshold = { name: 'CPU', scenario: 'saturation', metric: 'cpuUsPerRequest', limits }
const rate: Threshold = {
  name: 'rate',
  scenario: 'saturation',
  metric: 'requestsPerSecond',
  higherIsBetter: true,
  limits,
}

function gate(
  thresholds: readonly Threshold[],
  subject: (round: number) => Partial<Metrics>,
  rest: Partial<GateOptions> = {},
) {
  const rounds: number[] = []
  const pair = (round: number): readonly [Cell, Cell] => [
    cell('saturation', 'ferrite', { cpuUsPerRequest: 20, requestsPerSecond: 100, ...subject(round) }),
    cell('saturation', 'nginx', { cpuUsPerRequest: 20, requestsPerSecond: 100 }),
  ]
  const outcome = runGate({
    thresholds,
    against: 'nginx',
    timeLimitMs: 60_000,
    subject: 'ferrite',
    now: () => rounds.length * 1000,
    measure: async (_scenario, round) => {
      rounds.push(round)
      return [pair(round), pair(round), pair(round)]
    },
    onRound: () => {},
    ...rest,
  })
  return { outcome, rounds }
}

test('a gateway as dear as before passes after the fewest rounds', async () => {
  const { outcome, rounds } = gate([cpu, rate], () => ({}))
  assert.equal((await outcome).outcome, 'pass')
  assert.equal(rounds.length, 3, 'both checks share the rounds of their scenario')
})

test('a fifth more CPU fails, and so does a fifth less rate', async () => {
  const noise = (round: number) => 1 + (round % 3) / 200
  assert.equal((await gate([cpu], round => ({ cpuUsPerRequest: 24 * noise(round) })).outcome).outcome, 'fail')
  assert.equal((await gate([rate], round => ({ requestsPerSecond: 80 * noise(round) })).outcome).outcome, 'fail')
})

test('one failing check fails the gate, whatever the others say', async () => {
  const { outcome } = gate([cpu, rate], () => ({ cpuUsPerRequest: 30 }))
  const { checks } = await outcome
  assert.deepEqual(
    checks.map(check => check.verdict.outcome),
    ['beyond', 'within'],
  )
  assert.equal((await outcome).outcome, 'fail')
})

test('a ratio at the limit is undecided, after a bounded number of rounds', async () => {
  const { outcome, rounds } = gate([cpu], round => ({ cpuUsPerRequest: round % 2 === 0 ? 21 : 23 }))
  assert.equal((await outcome).outcome, 'undecided')
  assert.equal(rounds.length, 15)
})

test('the time limit ends it undecided', async () => {
  const { outcome, rounds } = gate([cpu], round => ({ cpuUsPerRequest: round % 2 === 0 ? 15 : 29 }), {
    timeLimitMs: 5000,
  })
  assert.equal((await outcome).outcome, 'undecided')
  assert.equal(rounds.length, 5)
})

test('failed answers fail the gate however fast they were', async () => {
  const { outcome } = gate([cpu], () => ({ cpuUsPerRequest: 1, errorShare: 0.01 }))
  assert.equal((await outcome).outcome, 'fail')
  assert.match((await outcome).checks[0].broken ?? '', /1\.00 % of the answers failed/)
})

test('a round is judged by all of its answers: one that failed in one turn of many is not too many', async () => {
  const round = (shares: readonly number[]) => async () =>
    shares.map((errorShare): readonly [Cell, Cell] => [
      cell('saturation', 'ferrite', { cpuUsPerRequest: 20, errorShare }),
      cell('saturation', 'nginx', { cpuUsPerRequest: 20 }),
    ])
  const few = gate([cpu], () => ({}), { measure: round([0, 0.0025, 0, 0, 0]) })
  assert.equal((await few.outcome).outcome, 'pass')
  const many = gate([cpu], () => ({}), { measure: round([0, 0.0025, 0.0025, 0.0025, 0]) })
  assert.match((await many.outcome).checks[0].broken ?? '', /0\.15 % of the answers failed/)
})

test('turns in which the generator was at its limit count for nothing', async () => {
  const bound: readonly [Cell, Cell] = [
    cell('saturation', 'ferrite', { cpuUsPerRequest: 1 }, { flags: ['generator-bound'] }),
    cell('saturation', 'nginx', { cpuUsPerRequest: 20 }),
  ]
  const { outcome } = gate([cpu], () => ({}), { measure: async () => [bound] })
  const { outcome: verdict, checks } = await outcome
  assert.equal(verdict, 'undecided')
  assert.equal(checks[0].refused, 15)
})

test('a baseline that fails is no measure', async () => {
  const failing: readonly [Cell, Cell] = [
    cell('saturation', 'ferrite', { cpuUsPerRequest: 1 }),
    cell('saturation', 'nginx', { cpuUsPerRequest: 20, errorShare: 0.5 }),
  ]
  const { outcome } = await gate([cpu], () => ({}), { measure: async () => [failing] }).outcome
  assert.equal(outcome, 'undecided')
})

test('what this machine cannot measure fails, rather than passing unseen', async () => {
  assert.equal((await gate([cpu], () => ({ cpuUsPerRequest: null })).outcome).outcome, 'fail')
})

test('a scenario that the gate does not check is named, also beside one that it does', () => {
  assert.deepEqual(
    selectThresholds(['saturation', 'streams-400']).map(({ scenario }) => scenario),
    ['streams-400', 'streams-400', 'saturation', 'saturation'],
  )
  assert.throws(
    () => selectThresholds(['streams-400', 'smoke']),
    /no scenario "smoke"; it has high-concurrency-500, streams-400, saturation/,
  )
})

test('a subject that answers nothing for a turn fails, however good its other turns are', async () => {
  const silent = (round: number): Partial<Metrics> =>
    round === 1 ? { requestsPerSecond: 0, cpuUsPerRequest: null } : {}
  const { outcome, checks } = await gate([cpu], silent).outcome
  assert.equal(outcome, 'fail')
  assert.match(checks[0].broken ?? '', /answered nothing/)
})

test('a subject that dies under load fails; a baseline that does leaves nothing to judge by', async t => {
  const running = launch({ command: [process.execPath, '-e', 'process.exit(7)'] })
  t.after(() => running.stop())
  await once(running.process, 'close')
  const dies = (side: string) => ({
    measure: async () => {
      throw new SideEnded(side, running)
    },
  })
  const { outcome, checks } = await gate([cpu], () => ({}), dies('ferrite')).outcome
  assert.equal(outcome, 'fail')
  assert.equal(checks[0].broken, 'ferrite ended with 7 under load')
  await assert.rejects(gate([cpu], () => ({}), dies('nginx')).outcome, /nginx ended with 7/)
})
