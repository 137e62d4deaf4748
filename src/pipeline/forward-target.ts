import { Failure, type FailureKind } from '../core/failures.ts'
import type { ForwardRoute } from './admit.ts'
import type { CompiledTarget } from './compile.ts'
import type { Exchange } from './exchange.ts'

/** Where a forwarded request goes. */
export interface Destination {
  readonly target: CompiledTarget
  /** Alias resolved, without a provider's name before it; '' = the request names none. */
  readonly model: string
}

type To = ForwardRoute['to']

/** What a target must be to get such a request without being named by the client, and the failure when it is not. */
const contracts: Record<To, { fits(target: CompiledTarget): boolean; readonly otherwise: FailureKind }> = {
  responses: { fits: ({ forward }) => forward.responses === true, otherwise: 'responses_not_supported' },
  stored: { fits: ({ forward }) => forward.responses === true, otherwise: 'responses_not_supported' },
  files: { fits: ({ forward }) => forward.files === true, otherwise: 'batch_not_supported' },
  batches: { fits: ({ forward }) => forward.files === true, otherwise: 'batch_not_supported' },
  passthrough: { fits: ({ forward }) => forward.proxy === 'any', otherwise: 'proxy_not_supported' },
}

/** Whoever names a provider gets its own API, whatever that looks like; responses have one form only. */
function fitsNamed(target: CompiledTarget, to: To): boolean {
  const { proxy } = target.forward
  if (contracts[to].fits(target) || proxy === 'any') return true
  return proxy === 'named' && to !== 'responses' && to !== 'stored'
}

/** The target, when the request's head decides on it; null: its model does. */
export function targetOfHead(exchange: Exchange, to: To): CompiledTarget | Failure | null {
  const { incoming, snapshot } = exchange
  const name = incoming.header('x-provider').trim()
  if (name !== '') {
    const target = snapshot.named(name)
    if (target === null) return new Failure('provider_not_found')
    return fitsNamed(target, to) ? target : new Failure(contracts[to].otherwise)
  }
  if (to === 'files' || to === 'batches') return configured(exchange, 'batchTarget', to)
  if (to === 'stored') return configured(exchange, 'responsesTarget', to)
  return null
}

const unconfigured = { batchTarget: 'batch_not_configured', responsesTarget: 'responses_not_configured' } as const

function configured(exchange: Exchange, which: keyof typeof unconfigured, to: To): CompiledTarget | Failure {
  const { data, targets } = exchange.snapshot
  const target = targets.find(({ key }) => key === data[which])
  if (target === undefined) return new Failure(unconfigured[which])
  return contracts[to].fits(target) ? target : new Failure(contracts[to].otherwise)
}

/** `model` as the body has it. */
export function destinationOf(exchange: Exchange, to: To, model: string): Destination | Failure {
  if (model === '') {
    const target = keeperOf(exchange, to)
    return target instanceof Failure ? target : { target, model }
  }
  const { snapshot } = exchange
  const { fits, otherwise } = contracts[to]
  const asked = resolveAlias(exchange, model)
  const owner = snapshot.owner(asked, () => true)
  if (owner === null) return new Failure('model_not_found')
  const found = snapshot.owner(asked, fits)
  // One that would take any model is no stand-in for the vendor who owns this one.
  const isStandIn = found !== null && !found.target.serves(found.model) && owner.target.serves(owner.model)
  return found === null || isStandIn ? new Failure(otherwise) : found
}

export function resolveAlias({ snapshot }: Exchange, model: string): string {
  const { aliases } = snapshot.data
  return Object.hasOwn(aliases, model) ? aliases[model]! : model
}

/** Who keeps what these paths lead to: completions and conversations belong with responses, uploads become files. */
const keepers = [
  [/^\/v1\/(?:chat\/completions|conversations)(?:\/|$)/, 'responsesTarget', 'stored'],
  [/^\/v1\/uploads(?:\/|$)/, 'batchTarget', 'files'],
] as const

/** Of a request without a model. */
function keeperOf(exchange: Exchange, to: To): CompiledTarget | Failure {
  const keeper = keepers.find(([path]) => path.test(exchange.place.path))
  const found =
    to === 'responses'
      ? configured(exchange, 'responsesTarget', to)
      : keeper === undefined
        ? null
        : configured(exchange, keeper[1], keeper[2])
  const isMissing = found instanceof Failure && Object.values<string>(unconfigured).includes(found.kind)
  return found === null || isMissing ? new Failure('provider_not_resolved') : found
}
