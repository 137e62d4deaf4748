export interface Series {
  readonly name: string
  readonly points: readonly (readonly [number, number])[]
}

export interface Axis {
  readonly label: string
  /** `tail`: a share near one, spread by its nines: 50 %, 90 %, 99 %, 99.9 %. */
  readonly scale: 'linear' | 'log' | 'tail'
}

export interface LineChart {
  readonly title: string
  readonly subtitle: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

const WIDTH = 760
const HEIGHT = 420
const LEFT = 72
const RIGHT = 24
const TOP = 92
const BOTTOM = 56
/** Legible on white and on black; each has its dash too, for those who don't see the colours. */
const INKS = ['#8a8f98', '#3d7ff0', '#d9730d', '#0f9d6c', '#b355e0', '#d6455d', '#a38a00', '#0898b5']
const DASHES = ['4 4', '', '8 3', '', '2 3', '8 3 2 3', '', '4 4']
const TAIL_TICKS = [0, 0.5, 0.9, 0.99, 0.999, 0.9999]
const MAX_NINES = 4.2

/** A chart in one SVG file: no script, no font, no link; follows the reader's light or dark setting. */
export function lineChart(chart: LineChart): string {
  const points = chart.series.flatMap(series => series.points)
  const x = scaleOf(
    chart.x,
    points.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  )
  const y = scaleOf(
    chart.y,
    points.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  )
  const parts: string[] = []
  for (const tick of y.ticks) {
    const at = y.place(tick).toFixed(1)
    parts.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`)
    parts.push(`<text class="tick" x="${LEFT - 8}" y="${at}" dy="4" text-anchor="end">${y.text(tick)}</text>`)
  }
  for (const tick of x.ticks) {
    const at = x.place(tick).toFixed(1)
    parts.push(`<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`)
    parts.push(`<text class="tick" x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${x.text(tick)}</text>`)
  }
  parts.push(
    `<text class="label" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 14}" text-anchor="middle">${escapeXml(chart.x.label)}</text>`,
    `<text class="label" x="16" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})">${escapeXml(chart.y.label)}</text>`,
  )
  let legendX = LEFT
  chart.series.forEach((series, index) => {
    const ink = INKS[index % INKS.length]
    const dash = DASHES[index % DASHES.length]
    const stroke = `stroke="${ink}"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`
    const path = series.points.map(([px, py]) => `${x.place(px).toFixed(1)},${y.place(py).toFixed(1)}`).join(' ')
    parts.push(`<polyline class="line" ${stroke} points="${path}"/>`)
    if (series.points.length <= 12) {
      for (const [px, py] of series.points) {
        parts.push(`<circle cx="${x.place(px).toFixed(1)}" cy="${y.place(py).toFixed(1)}" r="3" fill="${ink}"/>`)
      }
    }
    parts.push(`<line class="line" ${stroke} x1="${legendX}" x2="${legendX + 24}" y1="72" y2="72"/>`)
    parts.push(`<text class="tick" x="${legendX + 30}" y="76">${escapeXml(series.name)}</text>`)
    legendX += 54 + series.name.length * 7
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeXml(chart.title)}">
<style>
  .back { fill: #ffffff } .title { fill: #16181d } .label, .sub { fill: #4b515c } .tick { fill: #4b515c }
  .grid { stroke: #e3e6ea; stroke-width: 1 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  text { font: 12px ui-sans-serif, system-ui, sans-serif } .title { font-size: 17px; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .title { fill: #f0f3f6 } .label, .sub, .tick { fill: #b6bec9 } .grid { stroke: #2a313b }
  }
</style>
<rect class="back" width="${WIDTH}" height="${HEIGHT}" rx="6"/>
<text class="title" x="${LEFT}" y="30">${escapeXml(chart.title)}</text>
<text class="sub" x="${LEFT}" y="50">${escapeXml(chart.subtitle)}</text>
${parts.join('\n')}
</svg>
`
}

interface Scale {
  readonly ticks: readonly number[]
  place(value: number): number
  text(tick: number): string
}

function scaleOf(axis: Axis, values: readonly number[], from: number, to: number): Scale {
  const between = (share: number) => from + (to - from) * Math.min(1, Math.max(0, share))
  const max = Math.max(...values, Number.MIN_VALUE)
  if (axis.scale === 'tail') {
    const nines = (share: number) => Math.min(MAX_NINES, -Math.log10(Math.max(1e-9, 1 - share)))
    return {
      ticks: TAIL_TICKS,
      place: value => between(nines(value) / MAX_NINES),
      text: tick => `${+(tick * 100).toFixed(2)} %`,
    }
  }
  if (axis.scale === 'log') {
    const positive = values.filter(value => value > 0)
    const low = Math.log10(Math.min(...positive, max)) - 0.05
    const span = Math.log10(max) + 0.05 - low
    return {
      ticks: logTicks(10 ** low, 10 ** (low + span)),
      place: value => between((Math.log10(Math.max(value, 10 ** low)) - low) / span),
      text: shortNumber,
    }
  }
  const step = niceStep(max / 5)
  const top = Math.ceil(max / step) * step
  return {
    ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step),
    place: value => between(value / top),
    text: shortNumber,
  }
}

function logTicks(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of [1, 2, 5]) {
      const tick = factor * 10 ** power
      if (tick >= low && tick <= high) ticks.push(tick)
    }
  }
  return ticks
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 2.5, 5, 10].map(factor => factor * power).find(step => step >= rough) ?? 10 * power
}

function shortNumber(value: number): string {
  return value >= 1000 ? `${+(value / 1000).toPrecision(3)}k` : String(+value.toPrecision(3))
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
