import { cpus } from 'node:os'
import { availableCores } from '../../src/control/available-cores.ts'

export interface CorePlan {
  readonly gateway?: string
  readonly mock?: string
  readonly generator?: string
}

export type Pinning = 'auto' | 'none' | 'split'

/**
 * Which cores each part may use, in taskset's notation: half the machine for the gateway, a quarter each for mock and
 * load. With fewer than four cores the scheduler decides: on two, pinning did not narrow the spread of the ratios, and
 * starved whatever shared a core with the load.
 */
export function planCores(pinning: Pinning, cores = availableCores(), all = cpus().length): CorePlan {
  if (pinning === 'split' && (cores < 4 || cores < all))
    throw new Error(`--pin split needs four cores and the whole machine; this process may use ${cores} of ${all}`)
  // Cores are named by number, so all have to be ours.
  if (pinning === 'none' || cores < 4 || cores < all) return {}
  const half = cores >> 1
  const quarter = cores >> 2
  return {
    gateway: range(0, half - 1),
    mock: range(half, half + quarter - 1),
    generator: range(half + quarter, cores - 1),
  }
}

function range(first: number, last: number): string {
  return first === last ? String(first) : `${first}-${last}`
}
