import { generationOf, type Traits, traitsOf } from '../anthropic/models.ts'

/**
 * One wire format, but not one set of abilities: what a model does not know is a 400 rather than ignored.
 * https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html
 */
export interface Family {
  /** Claude's own parameters go through; what they are depends on its generation. */
  readonly claude: Traits | null
  /** How an effort to think is said: as Claude's, as Nova 2's `reasoningConfig`, as `reasoning_effort`; null = not at all. */
  readonly effort: 'claude' | 'nova' | 'openai' | null
  /** `toolChoice` may name a tool, ask for any, or not be there at all. */
  readonly choice: 'named' | 'any' | 'none'
  /** Takes `outputConfig` and strict tools. https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html */
  readonly schemas: boolean
  /** Of a tool's schema it takes `type`, `properties` and `required` only at the top. */
  readonly plainSchemas: boolean
  /** Takes its thoughts back, with their signatures. */
  readonly signs: boolean
  /** Where `cachePoint` may stand. */
  readonly caches: 'anywhere' | 'messages' | 'nowhere'
  /** `toolResult.status` */
  readonly status: boolean
  /** System prompts. Without them instructions begin the first turn. */
  readonly system: boolean
  readonly stops: boolean
  /** Where `top_k` goes below `additionalModelRequestFields`; [] = nowhere. */
  readonly topK: readonly string[]
}

/** A model of a vendor that has no row. */
const other: Family = {
  claude: null,
  effort: null,
  choice: 'none',
  schemas: false,
  plainSchemas: false,
  signs: false,
  caches: 'nowhere',
  status: false,
  system: true,
  stops: true,
  topK: [],
}

/** Behind an application profile, a custom or a provisioned model may be anything: what a client asks for is sent. */
const hidden: Family = { ...other, choice: 'named', signs: true, caches: 'anywhere', status: true, topK: ['top_k'] }

const nova: Partial<Family> = {
  choice: 'named',
  plainSchemas: true,
  caches: 'messages',
  status: true,
  topK: ['inferenceConfig', 'topK'],
}

/** The first prefix that fits. */
const families: readonly (readonly [prefix: string, family: Partial<Family>])[] = [
  [
    'anthropic.claude-',
    { effort: 'claude', choice: 'named', signs: true, caches: 'anywhere', status: true, topK: ['top_k'] },
  ],
  ['amazon.nova-2-', { ...nova, effort: 'nova', signs: true }],
  ['amazon.nova-', nova],
  ['amazon.titan-', { system: false }],
  ['cohere.command-text', { system: false }],
  ['cohere.command-light', { system: false }],
  ['cohere.command-r', { topK: ['k'] }],
  ['deepseek.v3', { schemas: true }],
  ['google.gemma-', { schemas: true }],
  ['minimax.', { schemas: true }],
  ['mistral.mistral-7b', { system: false, topK: ['top_k'] }],
  ['mistral.mixtral-8x7b', { system: false, topK: ['top_k'] }],
  ['mistral.mistral-large-24', { choice: 'any' }],
  ['mistral.mistral-large-3', { schemas: true }],
  ['mistral.magistral-', { schemas: true }],
  ['mistral.ministral-', { schemas: true }],
  ['mistral.voxtral-', { schemas: true }],
  ['moonshot', { schemas: true }],
  ['nvidia.nemotron-', { schemas: true }],
  ['openai.gpt-oss-', { effort: 'openai', schemas: true, stops: false }],
  ['qwen.', { schemas: true }],
]

/** Inference profiles put one before the model's id: us.anthropic.claude-… */
export const geoPrefixes = [
  'us.',
  'eu.',
  'apac.',
  'global.',
  'au.',
  'ca.',
  'jp.',
  'us-gov.',
  'sa.',
  'il.',
  'me.',
  'af.',
] as const

export function familyOf(model: string): Family {
  const id = bareId(model)
  const row = families.find(([prefix]) => id.startsWith(prefix))?.[1]
  if (row === undefined) return /^[a-z0-9]+\./.test(id) ? other : hidden
  const family = { ...other, ...row }
  if (family.effort !== 'claude') return family
  // Names from before versions were numbered as now: claude-v2, claude-instant-v1.
  if (/claude-(v\d|instant)/.test(id))
    return { ...family, claude: traitsOf('claude-2-0'), choice: 'none', caches: 'nowhere', status: false }
  return { ...family, claude: traitsOf(id), schemas: generationOf(id) >= 405 }
}

/** The model's own id: without what stands before the last slash (of an ARN) and without a geography. */
export function bareId(model: string): string {
  const id = model.slice(model.lastIndexOf('/') + 1).toLowerCase()
  const geo = geoPrefixes.find(prefix => id.startsWith(prefix)) ?? ''
  return id.slice(geo.length)
}

/** An ARN has slashes, which belong to its one segment of the path. null: leads elsewhere, or nowhere. */
export function modelPath(model: string): string | null {
  const isId = /^[\w.:-]+$/.test(model) && !/^\.+$/.test(model)
  const isArn = /^arn:[\w:-]+(?:\/[\w.:-]+)*$/.test(model)
  return isId || isArn ? `/model/${encodeURIComponent(model)}` : null
}
