import { slope } from '../stats/summary.ts'
import { processTree, residentMb, threadCpu, treeCpu } from './procfs.ts'

export interface Usage {
  /** CPU seconds of the whole tree between start and stop. */
  readonly cpuSeconds: number | null
  /** CPU seconds per second of wall time, all threads together. */
  readonly cores: number | null
  /** The busiest thread's share of a core. */
  readonly busiestThread: number | null
  readonly peakMb: number | null
  readonly endMb: number | null
  /** Over the second half of the samples, when there are enough of them to mean something. */
  readonly slopeMbPerMinute: number | null
  /** [seconds since start, megabytes]. */
  readonly rss: readonly (readonly [number, number])[]
}

const INTERVAL_MS = 250
const MAX_POINTS = 600
const MIN_SLOPE_SECONDS = 30

/** Watches one process tree from `startSampling` to the first `stop`; the next ones answer the same. */
export interface Sampler {
  stop(): Usage
}

export function startSampling(root: number): Sampler {
  const startedAt = performance.now()
  const cpuBefore = treeCpu(root)
  let pids = processTree(root).map(stat => stat.pid)
  const threadsBefore = threadCpu(pids)
  let threadsNow = threadsBefore
  let rss: [number, number][] = []
  let interval = INTERVAL_MS
  let peakMb: number | null = null
  let samples = 0

  const sample = () => {
    // Looking through all of /proc is the dear part, and process trees rarely change.
    if (samples++ % 8 === 0) pids = processTree(root).map(stat => stat.pid)
    threadsNow = new Map([...threadsNow, ...threadCpu(pids)])
    const mb = residentMb(pids)
    if (mb === null) return
    peakMb = Math.max(peakMb ?? 0, mb)
    rss.push([(performance.now() - startedAt) / 1000, Math.round(mb * 100) / 100])
    if (rss.length < MAX_POINTS) return
    rss = rss.filter((_, index) => index % 2 === 0)
    interval *= 2
  }
  sample()
  let timer = setTimeout(function again() {
    sample()
    timer = setTimeout(again, interval)
  }, interval)

  let usage: Usage | null = null
  return { stop: () => (usage ??= finish()) }

  function finish(): Usage {
    clearTimeout(timer)
    sample()
    const seconds = (performance.now() - startedAt) / 1000
    const cpuAfter = treeCpu(root)
    const cpuSeconds = cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore
    let busiest: number | null = null
    for (const [thread, cpu] of threadsNow) {
      busiest = Math.max(busiest ?? 0, (cpu - (threadsBefore.get(thread) ?? 0)) / seconds)
    }
    const late = rss.filter(([at]) => at >= seconds / 2)
    return {
      cpuSeconds,
      cores: cpuSeconds === null ? null : cpuSeconds / seconds,
      busiestThread: busiest,
      peakMb,
      endMb: rss.at(-1)?.[1] ?? null,
      slopeMbPerMinute: seconds >= MIN_SLOPE_SECONDS && late.length >= 10 ? slope(late) * 60 : null,
      rss,
    }
  }
}
