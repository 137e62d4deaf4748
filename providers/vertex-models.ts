/** The ways in which models are served on Vertex AI. */
export type Way = 'google' | 'anthropic' | 'mistralai' | 'openapi' | 'endpoint'

export interface Place {
  readonly way: Way
  /** The model's, without folders; an endpoint's number. */
  readonly name: string
  /** Who made it. */
  readonly publisher: string
}

/**
 * Where a model is, by its id: a bare name, `publisher/name`, the path that Google lists it under, or the number of an
 * endpoint of one's own. null: not a name that a path may hold.
 */
export function placeOf(model: string): Place | null {
  const [, endpoint] = /^(?:endpoints\/)?(\d+)$/.exec(model) ?? []
  if (endpoint !== undefined) return { way: 'endpoint', name: endpoint, publisher: '' }
  const [, named, name] = /^(?:(?:publishers\/)?([a-z0-9-]+)\/(?:models\/)?)?([^/\\\p{Cs}]+)$/u.exec(model) ?? []
  if (name === undefined || name === '.' || name === '..' || name.trim() === '') return null
  // `models/x` is Google's own way of writing it.
  const publisher = named === undefined || named === 'models' ? publisherOf(name) : named
  // What is served for other vendors as a service is behind the OpenAI-compatible endpoint.
  const way = name.endsWith('-maas') ? 'openapi' : (ways.find(known => known === publisher) ?? 'openapi')
  return { way, name, publisher }
}

const ways = ['google', 'anthropic', 'mistralai'] as const

const publishers: readonly (readonly [family: RegExp, publisher: string])[] = [
  [/^claude-/, 'anthropic'],
  [/^(?:mistral|ministral|codestral|magistral|pixtral)-/, 'mistralai'],
  [/^llama-/, 'meta'],
  [/^deepseek-/, 'deepseek-ai'],
  [/^gpt-oss-/, 'openai'],
  [/^qwen/, 'qwen'],
]

const publisherOf = (name: string): string => publishers.find(([family]) => family.test(name))?.[1] ?? 'google'

/** Below the project and location; null where it has no publisher, or no path. */
export function modelPath(model: string): string | null {
  const place = placeOf(model)
  if (place === null || place.way === 'endpoint') return null
  // Versions follow an @, which a path may hold.
  return `/publishers/${place.publisher}/models/${encodeURIComponent(place.name).replaceAll('%40', '@')}`
}

/** As the OpenAI-compatible endpoint wants it: with who made it, always. */
export function publishedName(model: string): string {
  const place = placeOf(model)
  return place === null || place.way === 'endpoint' ? model : `${place.publisher}/${place.name}`
}
