import type { Summary } from '../stats/summary.ts'

/** Three significant digits at most, thousands separated; `–` where there is nothing. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const digits = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3
  return value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ',')
}

/** Median, and the spread where several rounds differ by a percent or more. */
export function spread(summary: Summary | null): string {
  if (summary === null) return '–'
  const percent = Math.round(summary.spread * 100)
  return percent === 0 ? number(summary.median) : `${number(summary.median)} ±${percent}%`
}

export function percent(value: number): string {
  if (value === 0) return '0'
  return `${(value * 100).toFixed(value < 0.001 ? 3 : value < 0.1 ? 2 : 1)}%`
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
