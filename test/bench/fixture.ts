import type { Cell, Metrics, ResultFile } from '../../bench/result.ts'

const nothing: Metrics = {
  requestsPerSecond: 0,
  eventsPerSecond: null,
  p50Ms: null,
  p90Ms: null,
  p95Ms: null,
  p99Ms: null,
  p999Ms: null,
  addedP50Ms: null,
  addedP99Ms: null,
  firstByteP50Ms: null,
  firstByteP99Ms: null,
  gapP99Ms: null,
  cpuUsPerRequest: null,
  cpuUsPerEvent: null,
  instructionsPerRequest: null,
  cores: null,
  rssIdleMb: null,
  rssPeakMb: null,
  rssSlopeMbPerMinute: null,
  startMs: null,
  errors: 0,
  errorShare: 0,
  kneePerSecond: null,
  generatorShare: 0.2,
  mockShare: 0.3,
}

export function cell(
  scenario: string,
  side: string,
  metrics: Partial<Metrics>,
  rest: Partial<Omit<Cell, 'metrics'>> = {},
): Cell {
  return {
    scenario,
    side,
    round: 0,
    version: side === 'direct' ? '' : '1',
    generator: 'wrk 4',
    latency: [],
    firstByte: [],
    rss: [],
    flags: [],
    ...rest,
    metrics: { ...nothing, ...metrics },
  }
}

export function resultFile(cells: readonly Cell[]): ResultFile {
  return {
    format: 1,
    startedAt: '2030-01-02T03:04:05.000Z',
    finishedAt: '2030-01-02T04:00:00.000Z',
    machine: { cpu: 'CPU <X> & Co', cores: 2, memoryGb: 8, system: 'Linux 6', node: 'v20.0.0', load: 0.1 },
    commit: 'abc123',
    command: 'npm run bench --',
    pinning: 'none',
    seconds: 8,
    rounds: 3,
    full: true,
    cells,
    failed: [],
  }
}
