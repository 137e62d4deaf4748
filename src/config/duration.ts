/** Node's timers take no more than 2³¹−1 ms; anything longer would fire at once. */
export const longestDurationMs = 2 ** 31 - 1

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // micro sign
  μs: 1e-3, // Greek mu
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** The form of a Go duration, signs left out. https://pkg.go.dev/time#ParseDuration */
export const durationPattern = /^(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$/

const part = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g

/** Whole milliseconds of `500ms`, `1m30s`, `1.5h` or `0`; more than nothing is at least 1. null when it isn't a duration. */
export function parseDuration(text: string): number | null {
  if (text.length > 64 || !durationPattern.test(text)) return null
  let sumMs = 0
  for (const [, amount, unit] of text.matchAll(part)) sumMs += Number(amount) * unitMs[unit]
  return sumMs > 0 ? Math.max(1, Math.round(sumMs)) : 0
}
