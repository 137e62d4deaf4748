/**
 * Which rows of shared memory belong to whom. Rows outlive a config: counters go on, breakers stay open and latencies
 * stay known while a target is unchanged. Plain data; main hands the one of the last compile to the next.
 */
export interface Allocation {
  /** Row by `target\0model`. Rows of metrics are never given to another, so that no counter changes its meaning. */
  readonly series: Readonly<Record<string, number>>
  readonly targets: Readonly<Record<string, TargetRow>>
  /** Rows that were in use before the last compile. Exchanges begun then may still write to them. */
  readonly resting: readonly number[]
}

export interface TargetRow {
  readonly row: number
  /** Differs when the target became another upstream. */
  readonly fingerprint: string
}

/** Metric rows cost memory in each thread, and label values cost the scraper; past this number all share `unknown`. */
export const maxSeries = 4096

export const seriesKey = (target: string, model: string): string => `${target}\0${model}`

export const firstAllocation: Allocation = { series: { [seriesKey('none', 'unknown')]: 0 }, targets: {}, resting: [] }

export interface TargetClaim {
  readonly key: string
  readonly fingerprint: string
  readonly models: readonly string[]
}

export function allocate(previous: Allocation, claims: readonly TargetClaim[]): Allocation {
  return {
    series: allocateSeries(previous.series, claims),
    targets: allocateTargets(previous, claims),
    resting: Object.values(previous.targets).map(({ row }) => row),
  }
}

function allocateSeries(previous: Allocation['series'], claims: readonly TargetClaim[]): Record<string, number> {
  const series = { ...previous }
  let next = Object.keys(series).length
  const claim = (target: string, model: string): void => {
    const key = seriesKey(target, model)
    if (next < maxSeries && !Object.hasOwn(series, key)) series[key] = next++
  }
  // The row for models nobody knows comes first for every target: it is what takes the overflow.
  for (const { key } of claims) claim(key, 'unknown')
  for (const { key, models } of claims) for (const model of models) claim(key, model)
  return series
}

function allocateTargets({ targets, resting }: Allocation, claims: readonly TargetClaim[]): Record<string, TargetRow> {
  const kept = claims.filter(
    ({ key, fingerprint }) => Object.hasOwn(targets, key) && targets[key].fingerprint === fingerprint,
  )
  const taken = new Set([...Object.values(targets).map(({ row }) => row), ...resting])
  const rows: Record<string, TargetRow> = Object.fromEntries(kept.map(({ key }) => [key, targets[key]]))
  let next = 0
  for (const { key, fingerprint } of claims) {
    if (Object.hasOwn(rows, key)) continue
    while (taken.has(next)) next++
    taken.add(next)
    rows[key] = { row: next, fingerprint }
  }
  return rows
}
