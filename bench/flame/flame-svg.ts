import { escapeXml } from '../report/line-chart.ts'
import type { Frame } from './fold.ts'

const WIDTH = 1200
const ROW = 17
const MARGIN = 10
const HEAD = 58
/** Narrower frames are left out: nobody can read them, and they are most of the file. */
const MIN_WIDTH = 0.6
const CHARACTER = 6.1

/**
 * Threads side by side, callers above callees, width by CPU time. One file without links; a click zooms into a frame, a
 * click on the background or Escape zooms out.
 */
export function flameGraph(threads: readonly Frame[], text: { title: string; subtitle: string }): string {
  const total = threads.reduce((sum, thread) => sum + thread.totalUs, 0)
  const boxes: string[] = []
  let depth = 0
  const busiestFirst = [...threads].sort((a, b) => b.totalUs - a.totalUs)
  const draw = (frame: Frame, fromUs: number, level: number) => {
    const width = (frame.totalUs / total) * (WIDTH - 2 * MARGIN)
    if (width < MIN_WIDTH) return
    depth = Math.max(depth, level + 1)
    const x = MARGIN + (fromUs / total) * (WIDTH - 2 * MARGIN)
    const share = ((frame.totalUs / total) * 100).toFixed(2)
    const fits = Math.floor((width - 6) / CHARACTER)
    const shown = fits < 3 ? '' : frame.name.length <= fits ? frame.name : `${frame.name.slice(0, fits - 1)}…`
    boxes.push(
      `<g class="f" data-x="${x.toFixed(2)}" data-w="${width.toFixed(2)}" data-l="${level}"><title>${escapeXml(frame.name)}: ${share} %, ${(frame.totalUs / 1000).toFixed(0)} ms</title>` +
        `<rect x="${x.toFixed(2)}" y="${HEAD + level * ROW}" width="${width.toFixed(2)}" height="${ROW - 1}" fill="${colour(frame)}"/>` +
        `<text x="${(x + 3).toFixed(2)}" y="${HEAD + level * ROW + 12}">${escapeXml(shown)}</text></g>`,
    )
    let at = fromUs
    for (const child of [...frame.children.values()].sort((a, b) => b.totalUs - a.totalUs)) {
      draw(child, at, level + 1)
      at += child.totalUs
    }
  }
  let at = 0
  for (const thread of busiestFirst) {
    draw(thread, at, 0)
    at += thread.totalUs
  }
  const height = HEAD + depth * ROW + MARGIN
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<style>
  text { font: 11px ui-monospace, monospace; fill: #16181d; pointer-events: none }
  .head { font: 600 16px ui-sans-serif, system-ui, sans-serif } .sub { font: 12px ui-sans-serif, system-ui, sans-serif }
  .f { cursor: pointer } .f:hover rect { stroke: #000; stroke-width: 1 }
  .back { fill: #ffffff }
  @media (prefers-color-scheme: dark) { .back { fill: #0d1117 } .head, .sub { fill: #f0f3f6 } }
</style>
<rect class="back" width="${WIDTH}" height="${height}"/>
<text class="head" x="${MARGIN}" y="24">${escapeXml(text.title)}</text>
<text class="sub" x="${MARGIN}" y="43">${escapeXml(text.subtitle)}; ${(total / 1e6).toFixed(2)} s of CPU</text>
${boxes.join('\n')}
<script><![CDATA[
${ZOOM}
]]></script>
</svg>
`
}

/** Runs where scripts may (the file opened by itself); as an image the graph just stands still. */
const ZOOM = `(() => {
  const frames = [...document.querySelectorAll('.f')].map(g => ({ g, rect: g.querySelector('rect'), text: g.querySelector('text'),
    name: g.querySelector('title').textContent.replace(/: [\\d.]+ %, \\d+ ms$/, ''), x: +g.dataset.x, w: +g.dataset.w, level: +g.dataset.l }))
  const zoom = to => {
    const scale = to ? ${WIDTH - 2 * MARGIN} / to.w : 1
    for (const f of frames) {
      const above = to && f.level < to.level && f.x <= to.x + 0.01 && f.x + f.w >= to.x + to.w - 0.01
      const x = above ? ${MARGIN} : to ? ${MARGIN} + (f.x - to.x) * scale : f.x
      const w = above ? ${WIDTH - 2 * MARGIN} : f.w * scale
      const seen = above || (x + w > ${MARGIN} + 0.01 && x < ${WIDTH - MARGIN} - 0.01)
      f.g.style.display = seen ? '' : 'none'
      f.rect.setAttribute('x', x)
      f.rect.setAttribute('width', w)
      f.text.setAttribute('x', x + 3)
      const fits = Math.floor((w - 6) / ${CHARACTER})
      f.text.textContent = fits < 3 ? '' : f.name.length <= fits ? f.name : f.name.slice(0, fits - 1) + '…'
    }
  }
  for (const f of frames) f.g.addEventListener('click', () => zoom(f))
  document.querySelector('.back').addEventListener('click', () => zoom(null))
  document.addEventListener('keydown', e => e.key === 'Escape' && zoom(null))
})()`

/** Ours warm, the platform cool, so that the eye finds what can be changed. */
function colour({ name, kind }: Frame): string {
  let hash = 0
  for (let index = 0; index < name.length; index++) hash = (hash * 31 + name.charCodeAt(index)) | 0
  const spin = Math.abs(hash) % 24
  switch (kind) {
    case 'ours':
      return `hsl(${22 + spin} 85% ${66 + (spin % 6)}%)`
    case 'node':
      return `hsl(${195 + spin} 55% 74%)`
    case 'native':
      return `hsl(${260 + spin} 35% 82%)`
    case 'kernel':
      return `hsl(215 12% ${72 + (spin % 8)}%)`
    case 'collector':
      return `hsl(${345 + (spin % 8)} 60% ${58 + (spin % 8)}%)`
  }
}
