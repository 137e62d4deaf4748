export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  /** Half the range over the median: what ± in the tables means. */
  readonly spread: number
  readonly count: number
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Null when no value is a number. */
export function summarise(values: readonly (number | null | undefined)[]): Summary | null {
  const known = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value))
  if (known.length === 0) return null
  const middle = median(known)
  const min = Math.min(...known)
  const max = Math.max(...known)
  return {
    median: middle,
    min,
    max,
    spread: middle === 0 ? 0 : (max - min) / 2 / Math.abs(middle),
    count: known.length,
  }
}

/** Least-squares slope of y over x. Zero for fewer than two distinct x. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const n = points.length
  if (n < 2) return 0
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n
  let above = 0
  let below = 0
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY)
    below += (x - meanX) ** 2
  }
  return below === 0 ? 0 : above / below
}
