/** The text format of Prometheus. https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: readonly Sample[]
}

export interface Sample {
  /** Rendered by `renderLabels`, because a histogram has the same ones on 15 lines; '' for none. */
  readonly labels: string
  readonly value: number
  /** `_bucket`, `_sum` and `_count` of a histogram. */
  readonly suffix?: string
}

/** `a="1",b="2"`, values escaped. */
export function renderLabels(labels: Readonly<Record<string, string>>): string {
  let text = ''
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escapeLabel(labels[name])}"`
  return text
}

const escapeLabel = (value: string): string =>
  /[\\\n"]/.test(value) ? value.replace(/[\\\n"]/g, found => (found === '\n' ? '\\n' : `\\${found}`)) : value

export const joinLabels = (labels: string, more: string): string => (labels === '' ? more : `${labels},${more}`)

export function renderFamilies(families: readonly Family[]): string {
  let text = ''
  for (const { name, help, type, samples } of families) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const { labels, value, suffix = '' } of samples) {
      text += labels === '' ? `${name}${suffix} ${value}\n` : `${name}${suffix}{${labels}} ${value}\n`
    }
  }
  return text
}

/** `cumulative` has one count per bound, and the total at the end. */
export function histogramSamples(
  labels: string,
  bounds: readonly number[],
  cumulative: readonly number[],
  sum: number,
): Sample[] {
  const samples: Sample[] = cumulative.map((value, i) => ({
    suffix: '_bucket',
    labels: joinLabels(labels, `le="${i < bounds.length ? bounds[i] : '+Inf'}"`),
    value,
  }))
  samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: cumulative[bounds.length] })
  return samples
}
