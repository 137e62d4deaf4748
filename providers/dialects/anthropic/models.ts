/**
 * What differs from one generation of models to the next. A name that tells no generation is taken for the newest;
 * one that is no Claude (other vendors serve this wire format too) for one that takes whatever it is sent.
 * https://platform.claude.com/docs/en/about-claude/models/migration-guide
 */
export interface Traits {
  /** `budget`: a fixed number of tokens; `adaptive`: the model decides, steered by an effort. */
  readonly thinking: 'none' | 'budget' | 'adaptive'
  /** Takes temperature, top_p and top_k: all, temperature or top_p but not both, or none (a 400 each). */
  readonly sampling: 'all' | 'one' | 'none'
  /** Takes `output_config.format` and strict tools. */
  readonly schemas: boolean
  /** Knows the effort between high and max. */
  readonly xhigh: boolean
  /** Leaves out the text of its thoughts unless asked for a summary. */
  readonly hidesThoughts: boolean
  /** Thinks without being asked to. */
  readonly thinksByDefault: boolean
  /** What turns that off; null: nothing does, and `disabled` is a 400. */
  readonly thinkingOff: 'disabled' | 'between_tools' | null
  /** A call can be demanded; otherwise a forced `tool_choice` is a 400. */
  readonly forcesTools: boolean
  /** The wire format wants a ceiling; this one is for clients that set none. */
  readonly defaultMaxTokens: number
}

const other: Traits = {
  thinking: 'budget',
  sampling: 'all',
  schemas: false,
  xhigh: false,
  hidesThoughts: false,
  thinksByDefault: false,
  thinkingOff: 'disabled',
  forcesTools: true,
  defaultMaxTokens: 8192,
}

/** claude-3-5-haiku-20241022, claude-opus-4-6, anthropic.claude-sonnet-4-5-20250929-v1:0, claude-opus-4-1@20250805 */
const version = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/

export function traitsOf(model: string): Traits {
  const id = model.toLowerCase()
  if (!id.includes('claude')) return other
  const generation = generationOf(id)
  return {
    thinking: generation >= 406 ? 'adaptive' : generation >= 307 ? 'budget' : 'none',
    sampling: generation >= 407 ? 'none' : generation >= 401 ? 'one' : 'all',
    schemas: generation >= 401,
    xhigh: generation >= 407,
    hidesThoughts: generation >= 407,
    thinksByDefault: generation >= 500,
    thinkingOff: thinkingOff(id, generation),
    forcesTools: generation < (/fable|mythos/.test(id) ? 501 : 505),
    defaultMaxTokens: generation >= 307 ? 32_000 : generation >= 305 ? 8192 : 4096,
  }
}

/** 406 for 4.6. */
export function generationOf(model: string): number {
  const found = version.exec(model.toLowerCase())
  return found === null ? newest : Number(found[1]) * 100 + Number(found[2] ?? 0)
}

const newest = 9900

/**
 * https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5,
 * https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide
 */
function thinkingOff(id: string, generation: number): Traits['thinkingOff'] {
  if (generation === newest || /fable|mythos/.test(id)) return null
  if (generation < 505) return 'disabled'
  return id.includes('sonnet') ? 'between_tools' : null
}
