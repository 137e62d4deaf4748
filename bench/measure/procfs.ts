import { readdirSync, readFileSync } from 'node:fs'

// What Linux tells about processes. Everywhere else each function answers null or an empty list, and the reports say so.
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html

/** Kernel ticks per second of the times in /proc/<pid>/stat: 100 on every Linux that runs Node. */
const TICKS_PER_SECOND = 100

export interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** CPU seconds of all its threads. */
  readonly cpu: number
  /** CPU seconds of children that ended and were waited for. */
  readonly childrenCpu: number
  readonly threads: number
}

/** The command name may hold spaces and parentheses; the fields start after the last one. */
export function parseStat(text: string): ProcessStat {
  const close = text.lastIndexOf(')')
  const fields = text.slice(close + 2).split(' ')
  const ticks = (index: number) => Number(fields[index]) / TICKS_PER_SECOND
  return {
    pid: Number(text.slice(0, text.indexOf(' '))),
    parent: Number(fields[1]),
    cpu: ticks(11) + ticks(12),
    childrenCpu: ticks(13) + ticks(14),
    threads: Number(fields[17]),
  }
}

/** Kilobytes of a `VmRSS:   123 kB` line. */
export function parseStatus(text: string, field: 'VmRSS' | 'VmHWM'): number | null {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)
  return found === null ? null : Number(found[1])
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // the process ended, or this is not Linux
  }
}

export function readStat(pid: number): ProcessStat | null {
  const text = read(`/proc/${pid}/stat`)
  return text === null ? null : parseStat(text)
}

/** The process and all its descendants. */
export function processTree(root: number): ProcessStat[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  const all = names.filter(name => /^\d+$/.test(name)).map(name => readStat(Number(name)))
  const byParent = new Map<number, ProcessStat[]>()
  let tree: ProcessStat[] = []
  for (const stat of all) {
    if (stat === null) continue
    if (stat.pid === root) tree = [stat]
    byParent.set(stat.parent, [...(byParent.get(stat.parent) ?? []), stat])
  }
  for (const stat of tree) tree.push(...(byParent.get(stat.pid) ?? []))
  return tree
}

/** CPU seconds a process tree has used so far; null where unknown. */
export function treeCpu(root: number): number | null {
  const tree = processTree(root)
  return tree.length === 0 ? null : tree.reduce((sum, stat) => sum + stat.cpu + stat.childrenCpu, 0)
}

/** Resident megabytes of these processes; memory they share is counted in each. */
export function residentMb(pids: readonly number[]): number | null {
  let total: number | null = null
  for (const pid of pids) {
    const text = read(`/proc/${pid}/status`)
    const kb = text === null ? null : parseStatus(text, 'VmRSS')
    if (kb !== null) total = (total ?? 0) + kb / 1024
  }
  return total
}

/** CPU seconds of each thread of these processes, by thread id. */
export function threadCpu(pids: readonly number[]): Map<number, number> {
  const result = new Map<number, number>()
  for (const pid of pids) {
    let tasks: string[]
    try {
      tasks = readdirSync(`/proc/${pid}/task`)
    } catch {
      continue // ended
    }
    for (const task of tasks) {
      const text = read(`/proc/${pid}/task/${task}/stat`)
      if (text !== null) result.set(Number(task), parseStat(text).cpu)
    }
  }
  return result
}
