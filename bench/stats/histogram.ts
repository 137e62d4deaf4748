/** Points of a distribution function: [share of values ≤ value, value], both rising. */
export type Cdf = readonly (readonly [number, number])[]

/** The shares kept in results: dense enough for a chart, fine at the tail. */
export const CDF_SHARES: readonly number[] = [
  0,
  ...Array.from({ length: 49 }, (_, index) => (index + 1) * 0.02),
  0.985,
  0.99,
  0.995,
  0.998,
  0.999,
  0.9995,
  0.9999,
  1,
]

const SUB_BITS = 7 // 128 steps per power of two: values are kept to within 0.8 %
const SUB = 1 << SUB_BITS

/** Counts of microsecond values in buckets that grow with the value; constant memory, a few nanoseconds per value. */
export class Histogram {
  readonly #counts = new Float64Array(SUB * 26)
  #total = 0
  #max = 0
  #min = Number.POSITIVE_INFINITY

  get count(): number {
    return this.#total
  }

  record(valueUs: number): void {
    const value = Math.max(0, valueUs)
    this.#total++
    if (value > this.#max) this.#max = value
    if (value < this.#min) this.#min = value
    this.#counts[Math.min(bucketOf(value), this.#counts.length - 1)]++
  }

  /** In microseconds; NaN when empty. */
  quantile(share: number): number {
    if (this.#total === 0) return Number.NaN
    if (share <= 0) return this.#min
    const rank = Math.ceil(share * this.#total)
    if (rank >= this.#total) return this.#max
    let seen = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket]
      if (seen >= rank) return Math.min(middleOf(bucket), this.#max)
    }
    return this.#max
  }

  /** In milliseconds. */
  cdf(): Cdf {
    return this.#total === 0 ? [] : CDF_SHARES.map(share => [share, round(this.quantile(share) / 1000)] as const)
  }
}

function bucketOf(value: number): number {
  const whole = value | 0
  if (whole < SUB) return whole
  const shift = 31 - Math.clz32(whole) - SUB_BITS
  return SUB * (shift + 1) + (whole >>> shift) - SUB
}

function middleOf(bucket: number): number {
  if (bucket < SUB) return bucket + 0.5
  const shift = Math.floor(bucket / SUB) - 1
  return ((bucket % SUB) + SUB + 0.5) * 2 ** shift
}

/** The value at a share, between the points of a distribution; null when there is none. */
export function quantileOf(cdf: Cdf, share: number): number | null {
  if (cdf.length === 0) return null
  let before = cdf[0]
  for (const point of cdf) {
    if (point[0] >= share) {
      const span = point[0] - before[0]
      return span === 0 ? point[1] : before[1] + ((point[1] - before[1]) * (share - before[0])) / span
    }
    before = point
  }
  return before[1]
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
