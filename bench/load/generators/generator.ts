import type { Cdf } from '../../stats/histogram.ts'

/** What to send, and where. */
export interface Target {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Cores the generator may use, as taskset takes them. */
  readonly cores?: string
}

/** N connections, each asking again as soon as it was answered. */
export interface ClosedLoad extends Target {
  readonly connections: number
  readonly seconds: number
  /** For files a generator needs. */
  readonly directory: string
}

/** Requests at fixed times, however the answers come. Latency counts from the time a request was meant to start. */
export interface OpenLoad extends Target {
  readonly perSecond: number
  readonly maxConnections: number
  readonly seconds: number
  /** Never above the rate, and nothing after the end: what a stall held back then counts as unanswered. */
  readonly paced?: boolean
}

/** Clients of ours that understand streams. */
export interface ClientLoad extends Target {
  readonly connections: number
  readonly seconds: number
  /** Share of requests that ask for a stream; `body` must then be without `stream`. */
  readonly streamShare: number
  /** Share of streams that the client leaves midway. */
  readonly abortShare: number
  /** How many of the connections read slowly, and how slowly. */
  readonly slowReaders: number
  readonly slowBytesPerSecond: number
  /** A new connection for each request. */
  readonly churn: boolean
  /** Content events of one stream, to choose a moment to leave. */
  readonly eventsPerStream: number
  /** Most requests all clients together begin in a second; unset: no limit. */
  readonly perSecond?: number
}

export interface LoadErrors {
  /** Couldn't connect. */
  readonly connect: number
  /** Cut, malformed or incomplete answers, and those of our own clients that are no JSON object. */
  readonly broken: number
  readonly timeout: number
  /** Answers with another status than 200 to 299. */
  readonly status: number
}

export interface LoadResult {
  /** Name and version of what made the load. */
  readonly generator: string
  readonly seconds: number
  /** Answers with a status of 200 to 299, and streams that came to their end. */
  readonly requests: number
  readonly events: number
  /** Streams the client left on purpose. */
  readonly aborted: number
  readonly errors: LoadErrors
  /** All in milliseconds; empty where the load has none. */
  readonly latency: Cdf
  readonly firstByte: Cdf
  readonly gaps: Cdf
  /** The busiest thread's share of a core; above 0.9 the load measures its own generator. */
  readonly busiestThread: number | null
}

/** A program that makes closed-loop load. */
export interface ClosedGenerator {
  readonly name: string
  available(): boolean
  run(load: ClosedLoad): Promise<LoadResult>
}

export const noErrors: LoadErrors = { connect: 0, broken: 0, timeout: 0, status: 0 }

export function errorCount(errors: LoadErrors): number {
  return errors.connect + errors.broken + errors.timeout + errors.status
}
