import type { SnapshotData } from '../core/snapshot.ts'
import type { EngineOptions } from '../downstream/engine.ts'
import type { AcceptorLimits } from '../link/acceptor-side.ts'
import type { PairLayout } from '../shared/layout.ts'
import type { MetricMemory } from '../shared/metric-rows.ts'
import type { LogEntry, LogLevel } from '../telemetry/worker-log.ts'

/** What main and its threads tell each other, besides what goes over rings: rare, and plain data. */

/** Memory that all threads see. */
export interface SharedMemory {
  readonly roster: SharedArrayBuffer
  readonly metrics: MetricMemory
  readonly buckets: SharedArrayBuffer
  /** Laid out by `shared/target-state.ts`. */
  readonly targets: SharedArrayBuffer
}

/** One acceptor–consumer pair of rings; `peer` is the thread at the other end. */
export interface PairMessage {
  readonly kind: 'pair'
  readonly peer: number
  readonly role: 'worker' | 'control'
  readonly buffer: SharedArrayBuffer
  readonly layout: PairLayout
}

export interface ThreadData {
  readonly thread: number
  readonly memory: SharedMemory
  readonly logLevel: LogLevel
  /** Exchange records towards main. */
  readonly records: SharedArrayBuffer
  readonly stuckAfterMs: number
}

export interface PipelineData {
  readonly snapshot: SnapshotData
  readonly userAgent: string
  /** What may be kept of request bodies under way, in all. */
  readonly heldBytesBudget: number
}

export interface WorkerData extends ThreadData, PipelineData {}

export interface AcceptorData extends ThreadData {
  readonly engine: 'uws' | 'node'
  readonly listen: Omit<EngineOptions, 'onRequest' | 'onRefused'>
  readonly limits: AcceptorLimits
  /** Not null: the pipeline runs in this thread. */
  readonly pipeline: PipelineData | null
}

export type ToWorker =
  | PairMessage
  | { readonly kind: 'acceptor-gone'; readonly thread: number }
  | { readonly kind: 'snapshot'; readonly snapshot: SnapshotData }
  | { readonly kind: 'stop'; readonly graceMs: number }

export type ToAcceptor =
  | PairMessage
  | { readonly kind: 'listen' }
  | { readonly kind: 'worker-gone'; readonly thread: number }
  | { readonly kind: 'snapshot'; readonly snapshot: SnapshotData }
  | { readonly kind: 'limits'; readonly limits: AcceptorLimits }
  /** Accept nothing new; answers carry `Connection: close`. */
  | { readonly kind: 'drain' }
  /** Cut what is left and end. */
  | { readonly kind: 'close' }

export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'log'; readonly entry: LogEntry }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'listen-failed'; readonly message: string }
  /** The acceptor has let go of a dead worker's rings. */
  | { readonly kind: 'released'; readonly thread: number }
  | { readonly kind: 'drained' }
  /** An exception; the thread closes its connections and ends. */
  | { readonly kind: 'fault'; readonly message: string }
  | { readonly kind: 'closed' }
