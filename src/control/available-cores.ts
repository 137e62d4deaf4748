import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/**
 * Cores this process may keep busy: those it may run on, or fewer where a container's quota says so (`docker run --cpus`,
 * Kubernetes' `limits.cpu`), rounded up. Node counts the machine's, of which a container may have 64 and a quota of two.
 *
 * https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
 * https://docs.kernel.org/scheduler/sched-bwc.html
 */
export function availableCores(read: ReadText = readText, cores = availableParallelism()): number {
  return Math.max(1, Math.min(cores, Math.ceil(quotaOf(read))))
}

/** The text of a file; null where there is none. */
export type ReadText = (path: string) => string | null

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // another system, or another version of cgroups
  }
}

const mount = '/sys/fs/cgroup'

/** In cores; the least of all groups that this process is in. */
function quotaOf(read: ReadText): number {
  let least = Number.POSITIVE_INFINITY
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (path === undefined) continue
    // The second version names no controllers. Of the first only this one has quotas.
    const isSecond = controllers === ''
    if (!isSecond && !controllers!.split(',').includes('cpu')) continue
    for (const folder of upwards(path)) {
      const quota = isSecond ? secondVersion(read, `${mount}${folder}`) : firstVersion(read, `${mount}/cpu${folder}`)
      least = Math.min(least, quota)
    }
  }
  return least
}

/** `/a/b` → `/a/b`, `/a`, ``. Inside a container the path may be the host's: then only its root is there. */
function upwards(path: string): string[] {
  const names = path.split('/').filter(name => name !== '')
  return [...names.map((_, i) => `/${names.slice(0, names.length - i).join('/')}`), '']
}

const secondVersion = (read: ReadText, folder: string): number => {
  const [quota, period] = (read(`${folder}/cpu.max`) ?? '').trim().split(' ')
  return share(quota, period)
}

const firstVersion = (read: ReadText, folder: string): number =>
  share(read(`${folder}/cpu.cfs_quota_us`)?.trim(), read(`${folder}/cpu.cfs_period_us`)?.trim())

/** `max` and −1 are no limit; neither is what can't be read. */
function share(quota: string | undefined, period: string | undefined): number {
  const cores = Number(quota) / Number(period)
  return cores > 0 ? cores : Number.POSITIVE_INFINITY
}
