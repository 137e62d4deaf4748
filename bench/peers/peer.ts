import type { Running } from '../measure/launch.ts'
import type { Scenario } from '../scenarios.ts'

/** What stands between load and mock in one run. */
export interface Peer {
  readonly name: string
  /** Why it can't take part on this machine; null when it can. May install what was asked for by name. */
  prepare(): Promise<string | null>
  supports(scenario: Scenario): boolean
  start(context: PeerContext): Promise<StartedPeer>
}

export interface PeerContext {
  readonly upstreamPort: number
  /** Its own, empty, removed afterwards. */
  readonly directory: string
  readonly scenario: Scenario
  /** A request it must answer with 200 before it counts as started. */
  readonly probe: string
  /** Cores it may use, as taskset takes them. */
  readonly cores?: string
}

export interface StartedPeer {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Null: nothing to measure (the direct run, or a gateway somebody else started). */
  readonly running: Running | null
  readonly version: string
  /** From the start of the process to its first 200. */
  readonly startMs: number | null
}

export const CHAT_PATH = '/v1/chat/completions'
export const jsonHeaders: Readonly<Record<string, string>> = { 'Content-Type': 'application/json' }
