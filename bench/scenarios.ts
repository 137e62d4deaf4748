import type { Behaviour } from './load/mock/behaviour.ts'

export type Load =
  | { readonly kind: 'closed'; readonly connections: number }
  /** Open arrival, rate after rate, until one can't be held. */
  | { readonly kind: 'sweep'; readonly perSecond: readonly number[]; readonly maxConnections: number }
  | {
      readonly kind: 'clients'
      readonly connections: number
      readonly streamShare: number
      readonly abortShare?: number
      readonly slowReaders?: number
      readonly slowBytesPerSecond?: number
      readonly churn?: boolean
    }

export interface Scenario {
  readonly name: string
  readonly about: string
  /** `reference`: named and loaded as in the reference suite, so that tables can be laid side by side. */
  readonly suite: 'reference' | 'ours'
  readonly load: Load
  readonly mock: Partial<Behaviour>
  /** Size of the request's prompt; 0: one short sentence. */
  readonly promptBytes?: number
  /** In place of `--duration`. */
  readonly seconds?: number
  readonly rounds?: number
  /** Share of answers that are meant to be errors. */
  readonly expectedErrors?: number
  /** What a side must be able to do to take part. */
  readonly needs?: 'fallback' | 'translation'
  /** Only when asked for by name. */
  readonly onRequest?: boolean
}

const delayed = { delay: 60 }
const streamed = { delay: 60, chunks: 20 }
const ticking = { chunks: 50, every: 20 }

export const scenarios: readonly Scenario[] = [
  closed('smoke', 10),
  closed('baseline', 50),
  closed('stress', 150),
  closed('300', 300),
  closed('high-concurrency-500', 500),
  closed('high-concurrency-1000', 1000),
  streams('streaming-baseline', 50),
  streams('streaming-stress', 100),
  {
    name: 'throughput-ceiling',
    about: '2,000 connections against a 60 ms mock: more than most machines of this kind can serve',
    suite: 'reference',
    load: { kind: 'closed', connections: 2000 },
    mock: delayed,
  },

  {
    name: 'one-connection',
    about: 'one connection, no delay: what a request costs in time when nothing else happens',
    suite: 'ours',
    load: { kind: 'closed', connections: 1 },
    mock: {},
  },
  {
    name: 'saturation',
    about: '64 connections, no delay: as fast as the machine goes',
    suite: 'ours',
    load: { kind: 'closed', connections: 64 },
    mock: {},
  },
  {
    name: 'connections-100',
    about: '100 connections, 60 ms mock: memory with a usual number of clients',
    suite: 'ours',
    load: { kind: 'closed', connections: 100 },
    mock: delayed,
  },
  ticks('streams-400', 400),
  ticks('streams-800', 800),
  {
    name: 'open-arrival',
    about: 'requests at fixed rates, rising until one is no longer held (the knee); latency from the intended start',
    suite: 'ours',
    load: {
      kind: 'sweep',
      perSecond: [500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 12_000, 15_000, 20_000, 30_000, 40_000],
      maxConnections: 4000,
    },
    mock: delayed,
  },
  body('body-16k', 16_384),
  body('body-256k', 262_144),
  {
    name: 'errors-1-percent',
    about: '300 connections, 60 ms mock, one answer in a hundred is a 500',
    suite: 'ours',
    load: { kind: 'closed', connections: 300 },
    mock: { delay: 60, errors: 0.01 },
    expectedErrors: 0.01,
  },
  {
    name: 'slow-readers',
    about: '200 streams of 200 KB, 50 of their readers take 4 KB a second: do the others notice?',
    suite: 'ours',
    load: { kind: 'clients', connections: 200, streamShare: 1, slowReaders: 50, slowBytesPerSecond: 4096 },
    mock: { chunks: 200, every: 10, size: 1024 },
  },
  {
    name: 'client-churn',
    about: '200 clients, a new connection for each request, half of the streams left midway',
    suite: 'ours',
    load: { kind: 'clients', connections: 200, streamShare: 0.5, abortShare: 0.5, churn: true },
    mock: { delay: 20, chunks: 20, every: 10 },
  },
  {
    name: 'fallback',
    about: '300 connections, 60 ms mock, the first target refuses connections: every request goes on to the second',
    suite: 'ours',
    load: { kind: 'closed', connections: 300 },
    mock: delayed,
    needs: 'fallback',
  },
  {
    name: 'translation',
    about: '64 connections, no delay, an upstream that speaks Anthropic’s Messages: what it costs to translate',
    suite: 'ours',
    load: { kind: 'closed', connections: 64 },
    mock: {},
    needs: 'translation',
  },
  {
    name: 'translation-streams',
    about: '200 streams of 50 events, 50 events a second each, translated from Anthropic’s Messages',
    suite: 'ours',
    load: { kind: 'clients', connections: 200, streamShare: 1 },
    mock: ticking,
    needs: 'translation',
  },
  {
    name: 'soak',
    about: '500 clients for 10 minutes, JSON and streams, a fifth of the streams left midway: does anything grow?',
    suite: 'ours',
    load: { kind: 'clients', connections: 500, streamShare: 0.5, abortShare: 0.2 },
    mock: { delay: 60, jitter: 20, chunks: 50, every: 20 },
    seconds: 600,
    rounds: 1,
    onRequest: true,
  },
]

/** What `--quick` runs: one of each kind, in about a minute. */
export const quickScenarios = ['baseline', 'high-concurrency-1000', 'saturation', 'one-connection', 'streams-400']

export function selectScenarios(names: readonly string[]): Scenario[] {
  return names.map(name => {
    const found = scenarios.find(scenario => scenario.name === name)
    if (found === undefined) throw new Error(`no scenario "${name}"; --list shows them`)
    return found
  })
}

export function connectionsOf({ load }: Scenario): number {
  return load.kind === 'sweep' ? load.maxConnections : load.connections
}

/** A chat request of ordinary size, or with a prompt of as many bytes as asked for. */
export function requestBody(scenario: Pick<Scenario, 'promptBytes'>, model = 'gpt-4o-mini'): string {
  const sentence = 'Return one short line with ten words about latency percentiles. '
  const size = scenario.promptBytes ?? 0
  const content = size === 0 ? sentence.trim() : sentence.repeat(Math.ceil(size / sentence.length)).slice(0, size)
  return JSON.stringify({ model, messages: [{ role: 'user', content }], max_tokens: 64 })
}

function closed(name: string, connections: number): Scenario {
  return {
    name,
    about: `${connections} connections, 60 ms mock`,
    suite: 'reference',
    load: { kind: 'closed', connections },
    mock: delayed,
  }
}

function streams(name: string, connections: number): Scenario {
  return {
    name,
    about: `${connections} clients, streamed answers of 20 events after 60 ms`,
    suite: 'reference',
    load: { kind: 'clients', connections, streamShare: 1 },
    mock: streamed,
  }
}

function ticks(name: string, connections: number): Scenario {
  return {
    name,
    about: `${connections} streams of 50 events, 50 events a second each`,
    suite: 'ours',
    load: { kind: 'clients', connections, streamShare: 1 },
    mock: ticking,
  }
}

function body(name: string, bytes: number): Scenario {
  return {
    name,
    about: `50 connections, 60 ms mock, prompt and answer of ${bytes / 1024} KB`,
    suite: 'ours',
    load: { kind: 'closed', connections: 50 },
    mock: { delay: 60, size: bytes },
    promptBytes: bytes,
  }
}
