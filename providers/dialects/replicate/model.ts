/** `owner/name`, or `owner/name:version` for what others published. */
export interface ModelName {
  readonly owner: string
  readonly name: string
  /** '' = whatever the owner runs; official models have no other. */
  readonly version: string
}

/** null: no model can have this name. It becomes part of a path, so it must not lead elsewhere. */
export function parseModel(id: string): ModelName | null {
  const [path, version = '', ...more] = id.split(':')
  const [owner, name, ...deeper] = path.split('/')
  if (more.length > 0 || deeper.length > 0 || !isSegment(owner) || !isSegment(name)) return null
  if (id.includes(':') && !/^[\w-]{1,128}$/.test(version)) return null
  return { owner, name, version }
}

const isSegment = (segment: string | undefined): segment is string =>
  segment !== undefined && segment.trim() !== '' && segment !== '.' && segment !== '..' && !segment.includes('\\')

/** Where a prediction is created. `encode` refuses names that have no path. */
export function predictionsPath(id: string): string {
  const model = parseModel(id)
  if (model === null || model.version !== '') return '/predictions'
  return `/models/${encodeURIComponent(model.owner)}/${encodeURIComponent(model.name)}/predictions`
}
