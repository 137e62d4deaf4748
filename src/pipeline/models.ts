import { jsonHeaders } from '../core/answer.ts'
import type { Capability, Catalog, ModelMode, ModelStatus } from '../core/catalog.ts'
import { Failure } from '../core/failures.ts'
import type { DiscoveredModel } from '../core/provider.ts'
import type { Snapshot } from './compile.ts'
import type { Exchange } from './exchange.ts'

/** https://platform.openai.com/docs/api-reference/models; what is behind `owned_by` is ours, and left out while unknown. */
export interface ModelEntry {
  readonly id: string
  readonly object: 'model'
  /** Seconds since the epoch. */
  readonly created: number
  readonly owned_by: string
  readonly mode?: ModelMode
  readonly context_window?: number
  readonly max_output_tokens?: number
  readonly capabilities?: readonly Capability[]
  readonly status?: ModelStatus
  readonly deprecated?: boolean
}

/** What `/v1/models` is made from: the targets the next request could reach, each with the ids it serves. */
export interface ModelSource {
  readonly provider: string
  /** As the config has them. */
  readonly declared: readonly string[]
  /** As the upstream has them; none when it was not asked. */
  readonly discovered: readonly DiscoveredModel[]
  /** Ids the provider is known by where the catalog has none. */
  readonly known: readonly string[]
  /** Behind a base URL of the operator's own there may be anything: the provider's catalog says nothing about it. */
  readonly isOwn: boolean
}

/** One entry per id; its owner is the first target that serves it. */
export function modelEntries(
  sources: readonly ModelSource[],
  createdUnixS: number,
  catalog: Catalog | null,
): Map<string, ModelEntry> {
  const entries = new Map<string, ModelEntry>()
  for (const source of sources) {
    const { provider, declared, discovered } = source
    const said = new Map(discovered.map(model => [model.id, model]))
    for (const id of [...declared, ...said.keys(), ...(said.size > 0 ? [] : listed(source, catalog))])
      if (!entries.has(id)) entries.set(id, toEntry(id, provider, createdUnixS, said.get(id), catalog))
  }
  return entries
}

/** Without an upstream's own word: the catalog's, else the provider's. */
function listed({ provider, known, isOwn }: ModelSource, catalog: Catalog | null): readonly string[] {
  const models = isOwn ? [] : (catalog?.models(provider) ?? [])
  return models.length > 0 ? models : known
}

function toEntry(
  id: string,
  provider: string,
  createdUnixS: number,
  said: DiscoveredModel | undefined,
  catalog: Catalog | null,
): ModelEntry {
  const facts = catalog?.facts(provider, id) ?? null
  const contextWindow = said?.contextWindow ?? facts?.contextWindow ?? 0
  const maxOutputTokens = said?.maxOutputTokens ?? facts?.maxOutputTokens ?? 0
  return {
    id,
    object: 'model',
    created: said?.created ?? createdUnixS,
    owned_by: provider,
    ...(facts !== null && { mode: facts.mode }),
    ...(contextWindow > 0 && { context_window: contextWindow }),
    ...(maxOutputTokens > 0 && { max_output_tokens: maxOutputTokens }),
    ...(facts !== null && facts.capabilities !== null && { capabilities: facts.capabilities }),
    ...(facts !== null && facts.status !== '' && { status: facts.status }),
    ...(facts?.deprecated === true && { deprecated: true }),
  }
}

/** Answers `GET /v1/models` and `GET /v1/models/{id}`; a snapshot's list is made once, when somebody first asks for it. */
const lists = new WeakMap<Snapshot, ReadonlyMap<string, ModelEntry>>()

function listOf(snapshot: Snapshot): ReadonlyMap<string, ModelEntry> {
  let list = lists.get(snapshot)
  if (list === undefined) {
    // What the strategy would never ask is not offered.
    const reachable = snapshot.strategy.order(snapshot.targets)
    const sources = reachable.map(
      ({ data, provider }): ModelSource => ({
        provider: provider.id,
        declared: data.models,
        discovered: data.discovered ?? [],
        known: data.anyModel && data.models.length > 0 ? [] : (provider.models ?? []),
        isOwn: data.anyModel && provider.anyModel !== true,
      }),
    )
    const created = Math.floor(snapshot.data.startedUnixMs / 1000)
    list = modelEntries(sources, created, snapshot.catalog)
    lists.set(snapshot, list)
  }
  return list
}

export function modelsAnswer(exchange: Exchange, id: string | null): void {
  const list = listOf(exchange.snapshot)
  if (id === null)
    return exchange.answer(200, jsonHeaders, '', `${JSON.stringify({ object: 'list', data: [...list.values()] })}\n`)
  const entry = list.get(id)
  if (entry === undefined) return exchange.fail(new Failure('model_not_found'))
  exchange.answer(200, jsonHeaders, '', `${JSON.stringify(entry)}\n`)
}
