/** In seconds from the beginning. */
export interface Segment {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * A transcript as subtitles.
 * https://www.w3.org/TR/webvtt1/, https://www.matroska.org/technical/subtitles.html#srt-subtitles
 */
export function subtitles(segments: readonly Segment[], format: 'srt' | 'vtt'): string {
  const mark = format === 'srt' ? ',' : '.'
  const cues = segments.map(({ start, end, text }, place) => {
    const number = format === 'srt' ? `${place + 1}\n` : ''
    return `${number}${time(start, mark)} --> ${time(end, mark)}\n${lines(text)}\n\n`
  })
  return `${format === 'vtt' ? 'WEBVTT\n\n' : ''}${cues.join('')}`
}

/** A blank line or an arrow inside a cue would end it, or begin another. */
const lines = (text: string): string =>
  text
    .trim()
    .replaceAll(/\s*[\r\n]+\s*/g, '\n')
    .replaceAll('-->', '->')

function time(seconds: number, mark: string): string {
  const ms = Math.max(0, Math.round(seconds * 1000))
  const part = (size: number, of: number, digits: number): string =>
    String(Math.floor(ms / size) % of).padStart(digits, '0')
  return `${String(Math.floor(ms / 3_600_000)).padStart(2, '0')}:${part(60_000, 60, 2)}:${part(1000, 60, 2)}${mark}${part(1, 1000, 3)}`
}
