import { loadProviders } from '../providers/load.ts'
import { openCatalog } from '../src/catalog/catalog.ts'
import type { PipelineData, ThreadData } from '../src/control/messages.ts'
import type { Provider } from '../src/core/provider.ts'
import type { ExchangeRecord } from '../src/core/record.ts'
import type { SnapshotData } from '../src/core/snapshot.ts'
import { Pipeline } from '../src/pipeline/pipeline.ts'
import { UnsupportedNotes } from '../src/pipeline/unsupported.ts'
import type { ThreadMetrics } from '../src/shared/metric-rows.ts'
import { RecordWriter } from '../src/shared/record-ring.ts'
import { TargetState } from '../src/shared/target-state.ts'
import { strategies } from '../src/strategies/index.ts'
import { surfaces } from '../src/surfaces/index.ts'
import { encodeRecord, maxRecordBytes } from '../src/telemetry/record-codec.ts'
import type { Log } from '../src/telemetry/worker-log.ts'
import { createUpstream } from '../src/upstream/index.ts'
import { createLocalOrigin } from '../src/upstream/local.ts'
import type { Origin, Upstream } from '../src/upstream/upstream.ts'

/** The pipeline with everything it needs, as a worker runs it, or an acceptor that has none. */
export interface PipelineThread {
  readonly pipeline: Pipeline
  /** Swaps when the providers that the snapshot names are there; in the order of the calls. */
  swap(snapshot: SnapshotData): void
  readonly upstream: Upstream
  /** Records lost because main did not read them in time. */
  readonly recordsDropped: () => number
}

const providersOf = ({ targets }: SnapshotData): Promise<Provider[]> =>
  loadProviders(targets.map(({ provider }) => provider))

export async function startPipeline(
  data: ThreadData,
  { snapshot, userAgent, heldBytesBudget }: PipelineData,
  metrics: ThreadMetrics,
  log: Log,
): Promise<PipelineThread> {
  let providers = await providersOf(snapshot)
  const locals = new Map<string, Origin>()
  const upstream = createUpstream({
    local(id) {
      let origin = locals.get(id)
      if (origin === undefined) {
        const answer = providers.find(provider => provider.id === id)?.answer
        if (answer === undefined) throw new Error(`provider ${id} answers nothing by itself`)
        origin = createLocalOrigin(id, answer)
        locals.set(id, origin)
      }
      return origin
    },
  })
  const writer = new RecordWriter(data.records, maxRecordBytes)
  const records = (record: ExchangeRecord): void => writer.write(record, encodeRecord)
  const pipeline = new Pipeline(
    {
      providers,
      strategies,
      surfaces,
      upstream,
      userAgent,
      metrics,
      buckets: data.memory.buckets,
      records,
      catalogOf: openCatalog,
      targetState: new TargetState(data.memory.targets),
      heldBytesBudget,
      unsupported: new UnsupportedNotes(log.warn),
    },
    snapshot,
  )
  let swapped = Promise.resolve()
  const swap = (next: SnapshotData): void => {
    swapped = swapped
      .then(async () => {
        providers = await providersOf(next)
        pipeline.swap(next, providers)
      })
      .catch(error => log.error('a new config is not in force in this thread', { error: String(error) }))
  }
  return { pipeline, swap, upstream, recordsDropped: () => writer.dropped }
}
