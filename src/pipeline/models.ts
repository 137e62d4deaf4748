import { jsonHeaders } from '../core/answer.ts'
import { Failure } from '../core/failures.ts'
import type { Snapshot } from './compile.ts'
import type { Exchange } from './exchange.ts'

/** https://platform.openai.com/docs/api-reference/models */
export interface ModelEntry {
  readonly id: string
  readonly object: 'model'
  /** Seconds since the epoch. */
  readonly created: number
  readonly owned_by: string
}

/** What `/v1/models` is made from: the targets the next request could reach, each with the ids it names. */
export interface ModelSource {
  readonly provider: string
  readonly models: readonly string[]
}

/** One entry per id; its owner is the first target that serves it. */
export function modelEntries(sources: readonly ModelSource[], createdUnixS: number): ModelEntry[] {
  const entries = new Map<string, ModelEntry>()
  for (const { provider, models } of sources)
    for (const id of models)
      if (!entries.has(id)) entries.set(id, { id, object: 'model', created: createdUnixS, owned_by: provider })
  return [...entries.values()]
}

/** Answers `GET /v1/models` and `GET /v1/models/{id}`; a snapshot's list is made once. */
const lists = new WeakMap<Snapshot, ReadonlyMap<string, ModelEntry>>()

function listOf(snapshot: Snapshot): ReadonlyMap<string, ModelEntry> {
  let list = lists.get(snapshot)
  if (list === undefined) {
    // What the strategy would never ask is not offered.
    const reachable = snapshot.strategy.order(snapshot.targets)
    const sources = reachable.map(({ data, provider }) => ({
      provider: provider.id,
      models: [...data.models, ...(data.anyModel && data.models.length > 0 ? [] : (provider.models ?? []))],
    }))
    const created = Math.floor(snapshot.data.startedUnixMs / 1000)
    list = new Map(modelEntries(sources, created).map(entry => [entry.id, entry]))
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
