import type { ChatCodec, Provider, TargetContext } from './provider.ts'
import type { TargetData } from './snapshot.ts'

/** A configured upstream, compiled: what a strategy orders and an attempt calls. `Call` is the transport's side of it. */
export interface Target<Transport = unknown> {
  readonly key: string
  readonly provider: Provider
  readonly data: TargetData
  readonly transport: Transport
}

export type { ChatCodec, TargetContext }
