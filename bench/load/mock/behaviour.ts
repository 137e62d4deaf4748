/** How the mock answers. All times in milliseconds, all rates between 0 and 1. */
export interface Behaviour {
  /** Before the first byte of the answer. */
  delay: number
  /** Uniformly ± around `delay`. */
  jitter: number
  /** Between the head and the body, or the first event. */
  first: number
  /** Content events of a stream. */
  chunks: number
  /** Between two events; 0: the whole stream in one write. */
  every: number
  /** Share of requests answered with `status`. */
  errors: number
  status: number
  /** Share of requests whose connection is reset: half of them before the answer, half in the middle of it. */
  resets: number
  /** Share of requests answered 429 with `Retry-After: retry`. */
  limited: number
  /** Seconds. */
  retry: number
  /** Bytes of content in a whole answer, or in each event of a stream; 0: a short sentence. */
  size: number
}

export const defaultBehaviour: Behaviour = {
  delay: 0,
  jitter: 0,
  first: 0,
  chunks: 10,
  every: 0,
  errors: 0,
  status: 500,
  resets: 0,
  limited: 0,
  retry: 1,
  size: 0,
}

export const behaviourFields = Object.keys(defaultBehaviour) as (keyof Behaviour)[]

/**
 * `bench-delay60-chunks50-every20` → those fields over the defaults; the form a model name or a path segment takes, so that
 * one mock serves several behaviours at once. Null: not addressed to us. An unknown field throws: a typo must not
 * quietly measure something else.
 */
export function parseBehaviour(text: string, defaults: Behaviour = defaultBehaviour): Behaviour | null {
  if (text !== 'bench' && !text.startsWith('bench-')) return null
  const behaviour = { ...defaults }
  for (const token of text.split('-').slice(1)) {
    const split = token.search(/\d/)
    const field = token.slice(0, split) as keyof Behaviour
    const value = Number(token.slice(split))
    if (split < 1 || !behaviourFields.includes(field) || !Number.isFinite(value)) {
      throw new Error(`unknown behaviour "${token}" in "${text}"; known: ${behaviourFields.join(', ')}`)
    }
    behaviour[field] = value
  }
  return behaviour
}

/** The opposite of `parseBehaviour`, naming only what differs from the defaults. */
export function formatBehaviour(behaviour: Partial<Behaviour>): string {
  const tokens = behaviourFields
    .filter(field => behaviour[field] !== undefined && behaviour[field] !== defaultBehaviour[field])
    .map(field => `${field}${behaviour[field]}`)
  return ['bench', ...tokens].join('-')
}
