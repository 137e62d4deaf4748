import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram, quantileOf } from '../../bench/stats/histogram.ts'
import { judge, MAX_ROUNDS } from '../../bench/stats/sequential.ts'
import { studentCdf, studentQuantile } from '../../bench/stats/student.ts'
import { median, slope, summarise } from '../../bench/stats/summary.ts'

test('a histogram keeps quantiles to within one percent over six orders of magnitude', () => {
  const histogram = new Histogram()
  const values = Array.from({ length: 10_000 }, (_, index) => 10 ** (1 + (6 * index) / 10_000))
  for (const value of values) histogram.record(value)
  for (const share of [0.01, 0.25, 0.5, 0.9, 0.99, 0.999]) {
    const exact = values[Math.ceil(share * values.length) - 1]
    assert.ok(
      Math.abs(histogram.quantile(share) / exact - 1) < 0.01,
      `${share}: ${histogram.quantile(share)} for ${exact}`,
    )
  }
  assert.equal(histogram.quantile(1), values.at(-1))
  assert.equal(histogram.quantile(0), values[0])
  assert.equal(histogram.count, 10_000)
})

test('an empty histogram has no distribution, rather than one of zeros', () => {
  assert.deepEqual(new Histogram().cdf(), [])
  assert.equal(quantileOf([], 0.5), null)
})

test('a quantile between two points of a distribution is interpolated, and beyond the last is the last', () => {
  const cdf = [
    [0, 1],
    [0.5, 2],
    [0.9, 6],
  ] as const
  assert.equal(quantileOf(cdf, 0.5), 2)
  assert.ok(Math.abs(Number(quantileOf(cdf, 0.7)) - 4) < 1e-9)
  assert.equal(quantileOf(cdf, 0.99), 6)
  assert.equal(quantileOf(cdf, 0), 1)
})

test('a summary leaves out what was not measured, and has none when nothing was', () => {
  assert.deepEqual(summarise([3, null, 1, undefined, 2, Number.NaN]), {
    median: 2,
    min: 1,
    max: 3,
    spread: 0.5,
    count: 3,
  })
  assert.equal(summarise([null]), null)
  assert.equal(median([4, 1, 3, 2]), 2.5)
})

test('the slope of a line is its slope, and that of one point is none', () => {
  assert.ok(
    Math.abs(
      slope([
        [0, 5],
        [10, 7],
        [20, 9],
      ]) - 0.2,
    ) < 1e-12,
  )
  assert.equal(slope([[3, 4]]), 0)
})

test("Student's quantiles agree with the printed tables", () => {
  for (const [share, degrees, value] of [
    [0.975, 1, 12.706],
    [0.975, 2, 4.303],
    [0.995, 5, 4.032],
    [0.95, 10, 1.812],
    [0.975, 120, 1.98],
  ]) {
    assert.ok(Math.abs(studentQuantile(share, degrees) / value - 1) < 0.001, `${share}, ${degrees}`)
    assert.ok(Math.abs(studentCdf(value, degrees) - share) < 0.001)
  }
})

test('clear ratios are judged, and those around the limit are not', () => {
  assert.equal(judge([1.0, 1.01, 0.99, 1.0], 1.1).outcome, 'within')
  assert.equal(judge([1.2, 1.21, 1.19, 1.2], 1.1).outcome, 'beyond')
  assert.equal(judge([1.05, 1.15, 1.1, 1.12], 1.1).outcome, 'undecided')
})

test('no verdict falls before three rounds, however clear they look', () => {
  assert.equal(judge([], 1.1).outcome, 'undecided')
  assert.equal(judge([9, 9], 1.1).outcome, 'undecided')
})

test('a noisy machine makes the gate wait: the same mean with more spread is undecided', () => {
  assert.equal(judge([1.2, 1.2, 1.2, 1.21], 1.1).outcome, 'beyond')
  assert.equal(judge([0.8, 1.9, 0.9, 1.5], 1.1).outcome, 'undecided')
})

test('looking after every round gives a wrong verdict at the limit itself in at most a twentieth of the runs', () => {
  const random = seeded(7)
  const runs = 400
  let wrong = 0
  for (let run = 0; run < runs; run++) {
    const ratios: number[] = []
    for (let round = 0; round < MAX_ROUNDS; round++) {
      ratios.push(1.1 * Math.exp(0.05 * normal(random)))
      // At the limit both verdicts are wrong.
      if (judge(ratios, 1.1).outcome !== 'undecided') {
        wrong++
        break
      }
    }
  }
  assert.ok(wrong / runs <= 0.07, `${wrong} of ${runs}`)
})

test('a fifth over the usual ratio is found within ten rounds of five percent noise, nearly always', () => {
  const random = seeded(11)
  let found = 0
  for (let run = 0; run < 200; run++) {
    const ratios = Array.from({ length: 10 }, () => 1.2 * Math.exp(0.05 * normal(random)))
    if (ratios.some((_, index) => judge(ratios.slice(0, index + 1), 1.1).outcome === 'beyond')) found++
  }
  assert.ok(found >= 170, `${found} of 200`)
})

/** Park and Miller's generator. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random())
}
