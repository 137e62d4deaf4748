import type { Failure } from '../../../src/core/failures.ts'
import type { FormPart } from '../../../src/core/form.ts'
import { field, writeForm } from '../../../src/core/form.ts'
import type { Codec, FormRequest, JsonObject, TargetContext } from '../../../src/core/provider.ts'
import { RawBody } from '../../../src/core/provider.ts'
import { refuseUnsupported } from '../../unsupported.ts'

/** What every surface of the dialect may say of a host. */
export interface OpenAiSurface {
  /** Below the root. */
  readonly path: string | ((target: TargetContext) => string)
  /** `verbatim`: the host is OpenAI's equal, answers need no change. */
  readonly relay: 'verbatim' | 'normalise'
  /** Where it is not the provider's. */
  readonly root?: (target: TargetContext) => string
  readonly headers?: Readonly<Record<string, string>>
  /** Models that the surface is offered for; absent: all of the provider's. */
  readonly serves?: (model: string) => boolean
  /** Where the client may leave it out. */
  readonly defaultModel?: string
  /** Parameters that the host refuses or ignores: left out, or refused here where the operator wants that. */
  readonly unsupported?: readonly string[]
  /** OpenAI's name → the host's. */
  readonly rename?: Readonly<Record<string, string>>
  /** Error code → the status it means, whatever the status it came with. */
  readonly errorCodes?: Readonly<Record<string, number>>
}

export interface OpenAiJsonSurface extends OpenAiSurface {
  /** Further changes of this host. */
  readonly prepare?: (request: JsonObject, target: TargetContext) => JsonObject | Failure
}

export interface OpenAiFormSurface extends OpenAiSurface {
  /** Further changes of this host. */
  readonly prepare?: (parts: readonly FormPart[], target: TargetContext) => readonly FormPart[] | Failure
}

export const paramsOf = (
  unsupported: readonly string[],
  rename: Readonly<Record<string, string>>,
): Codec<never>['params'] => ({
  ...Object.fromEntries(unsupported.map(param => [param, 'unsupported' as const])),
  ...Object.fromEntries(Object.keys(rename).map(param => [param, 'translate' as const])),
})

/** The part of a codec that is the same for all surfaces. */
export function commonOf({ path, relay, root, headers, serves, defaultModel, ...options }: OpenAiSurface) {
  const { unsupported = [], rename = {} } = options
  return {
    relay,
    framing: 'sse' as const,
    path: typeof path === 'string' ? () => path : path,
    ...(root !== undefined && { root }),
    ...(headers !== undefined && { headers }),
    ...(serves !== undefined && { serves }),
    ...(defaultModel !== undefined && { defaultModel }),
    ...((unsupported.length > 0 || Object.keys(rename).length > 0) && { params: paramsOf(unsupported, rename) }),
  }
}

/** Whether requests go out other than they came. */
export const changes = ({
  unsupported = [],
  rename = {},
  prepare,
}: Pick<OpenAiSurface, 'unsupported' | 'rename'> & { readonly prepare?: unknown }): boolean =>
  unsupported.length > 0 || Object.keys(rename).length > 0 || prepare !== undefined

export function encodeJson(
  request: JsonObject,
  target: TargetContext,
  { unsupported = [], rename = {}, prepare }: OpenAiJsonSurface,
): JsonObject | Failure {
  if (target.onUnsupportedParam === 'reject') {
    const refused = refuseUnsupported(request, unsupported)
    if (refused !== null) return refused
  }
  const body: JsonObject = { ...request, model: target.model }
  for (const param of unsupported) delete body[param]
  for (const [param, renamed] of Object.entries(rename)) {
    if (body[param] === undefined) continue
    body[renamed] = body[param]
    delete body[param]
  }
  return prepare === undefined ? body : prepare(body, target)
}

export function encodeForm(
  { parts }: FormRequest,
  target: TargetContext,
  { unsupported = [], rename = {}, prepare }: OpenAiFormSurface,
): RawBody | Failure {
  const isUnsupported = ({ name }: FormPart): boolean => unsupported.includes(name)
  if (target.onUnsupportedParam === 'reject') {
    const sent = Object.fromEntries(parts.filter(isUnsupported).map(({ name }) => [name, true]))
    const refused = refuseUnsupported(sent, unsupported)
    if (refused !== null) return refused
  }
  const kept = parts
    .filter(part => !isUnsupported(part))
    .map(part => (Object.hasOwn(rename, part.name) ? { ...part, name: rename[part.name] } : part))
  const prepared = prepare === undefined ? kept : prepare(kept, target)
  return isParts(prepared) ? formBody(prepared, target) : prepared
}

const isParts = (value: readonly FormPart[] | Failure): value is readonly FormPart[] => Array.isArray(value)

export function formBody(parts: readonly FormPart[], { requestId = '' }: TargetContext): RawBody {
  const { contentType, bytes } = writeForm(parts, requestId)
  return new RawBody(contentType, bytes)
}

/** The form without these fields. */
export const without = (parts: readonly FormPart[], ...names: readonly string[]): readonly FormPart[] =>
  parts.filter(({ name }) => !names.includes(name))

/** The form with this field in place of whatever was called so. */
export const withField = (parts: readonly FormPart[], name: string, text: string): readonly FormPart[] => [
  ...without(parts, name),
  field(name, text),
]

/** What the client asked, of surfaces whose requests are JSON. */
export const askedOf = ({ request }: TargetContext): JsonObject => (request ?? {}) as JsonObject
