/** What a request's path stands for, however its client spells it. */
export interface Place {
  /** As the gateway calls it, `/v1/…`; escapes as they came. */
  readonly path: string
  /** `?…`, or ''. */
  readonly query: string
  /** Of Azure's clients: the model, where the body names none. */
  readonly deployment: string
  /** The path is one of another vendor's clients, which may show their credential as `api-key`. */
  readonly isAlias: boolean
}

const other = '/openai/'
const deployments = 'deployments/'

/** What Azure's clients look for below a deployment. A deployment's name may have slashes. */
const deploymentEndpoints = [
  'chat/completions',
  'completions',
  'embeddings',
  'images/generations',
  'images/edits',
  'audio/transcriptions',
  'audio/translations',
  'audio/speech',
  'batches',
]

/**
 * Groq's clients ask below `/openai/v1`, Azure's below `/openai` and `/openai/deployments/{name}`, with an API version
 * that means nothing here: the path decides.
 * https://console.groq.com/docs/api-reference, https://learn.microsoft.com/azure/ai-services/openai/reference
 */
export function placeOf(target: string): Place {
  if (target !== lastTarget) {
    lastPlace = readTarget(target)
    lastTarget = target
  }
  return lastPlace
}

/** Most requests ask for what the one before asked for. */
let lastTarget = ''
let lastPlace: Place = { path: '', query: '', deployment: '', isAlias: false }

function readTarget(target: string): Place {
  const mark = target.indexOf('?')
  const path = mark < 0 ? target : target.slice(0, mark)
  const query = mark < 0 ? '' : target.slice(mark)
  if (!path.startsWith(other)) return { path, query, deployment: '', isAlias: false }
  const rest = path.slice(other.length)
  const own = { query: withoutVersion(query), deployment: '', isAlias: true }
  if (rest.startsWith('v1/')) return { ...own, path: `/${rest}` }
  if (!rest.startsWith(deployments)) return { ...own, path: `/v1/${rest}` }
  const below = rest.slice(deployments.length)
  for (const endpoint of deploymentEndpoints) {
    const name = below.slice(0, -endpoint.length - 1)
    if (name === '' || !below.endsWith(`/${endpoint}`)) continue
    const deployment = decoded(name)
    // One that can't be read is no name; nothing is found then.
    if (deployment !== null) return { ...own, path: `/v1/${endpoint}`, deployment }
  }
  return { ...own, path }
}

function withoutVersion(query: string): string {
  const kept = query
    .slice(1)
    .split('&')
    .filter(pair => pair !== '' && !pair.startsWith('api-version='))
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

/** Whose bodies go through piece by piece, so that no size is too large for us. */
const unbounded = /^(?:\/openai(?:\/v1)?|\/v1)\/(?:files|uploads|batches|responses)(?:[/?]|$)/

export const isUnbounded = (target: string): boolean => unbounded.test(target)

/** Encoded so often that nobody meant it. */
const mostPasses = 8

/**
 * Whether a path stays below the root that it will be appended to, whoever decodes it how often: no `.` or `..` segment
 * shows in any pass of percent-decoding, with a backslash taken for a slash and what follows a `;` left out of a
 * segment, and no escape is broken.
 */
export function staysBelowRoot(path: string): boolean {
  if (/%(?![0-9a-f]{2})/i.test(path)) return false
  let text = path
  for (let pass = 0; pass < mostPasses; pass++) {
    if (text.split(/[/\\]/).some(isDots) || hasControl.test(text)) return false
    const next = decodeEscapes(text)
    if (next === null) return false
    if (next === text) return true
    text = next
  }
  return false
}

const isDots = (segment: string): boolean => /^\.\.?$/.test(segment.split(';', 1)[0]!.trim())
const hasControl = /[\x00-\x1f\x7f]/

/** null: not UTF-8, which two readers may read differently. */
function decodeEscapes(text: string): string | null {
  try {
    return text.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent)
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}
