import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { type Family, renderLabels } from './exposition.ts'

/**
 * Process metrics under the names all Prometheus clients use. Read at scrape time: no observer, histogram or timer
 * stays alive between scrapes.
 */
export async function processFamilies(): Promise<Family[]> {
  const { user, system } = process.cpuUsage()
  const families = [
    family(
      'process_cpu_seconds_total',
      'counter',
      'User and system CPU time spent, all threads.',
      (user + system) / 1e6,
    ),
    family('process_start_time_seconds', 'gauge', 'Start of the process, seconds since the epoch.', startedAt),
    family('process_resident_memory_bytes', 'gauge', 'Resident memory.', process.memoryUsage.rss()),
    family('nodejs_version_info', 'gauge', 'The version of Node.js.', 1, renderLabels({ version: process.version })),
  ]
  const openDescriptors = await countDescriptors()
  if (openDescriptors > 0) families.push(family('process_open_fds', 'gauge', 'Open file descriptors.', openDescriptors))
  if (maxDescriptors > 0)
    families.push(family('process_max_fds', 'gauge', 'Most file descriptors the process may open.', maxDescriptors))
  return families
}

const family = (name: string, type: Family['type'], help: string, value: number, labels = ''): Family => ({
  name,
  type,
  help,
  samples: [{ labels, value }],
})

const startedAt = Math.round(Date.now() / 1000 - process.uptime())

/** 0 where there is no /proc. */
async function countDescriptors(): Promise<number> {
  try {
    return (await readdir('/proc/self/fd')).length - 1 // less the one that reads the directory
  } catch {
    return 0
  }
}

const maxDescriptors = readMaxDescriptors()

/** 0 where there is no /proc, or no limit. */
function readMaxDescriptors(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
