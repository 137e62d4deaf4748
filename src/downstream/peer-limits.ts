import { readFileSync } from 'node:fs'

/** Where the limit can't be read: what common systems start a process with. Windows has no such limit. */
export const defaultFileLimit = process.platform === 'win32' ? 65_536 : 1024

/**
 * Files and sockets that are neither a client's nor an upstream's: listeners, pipes, logs, stores, and the backlog of
 * one `accept` round, which is already open when the cap is seen to be exceeded.
 */
const reservedFiles = 128
const backlogFiles = 512

/**
 * How many client connections a process may hold: its limit of open files, less what upstream connections may take
 * and a reserve. A process without descriptors left can't accept, and one engine then spins at full load.
 * Never below 16, so that a tiny limit still serves someone.
 */
export function connectionCap(softLimit: number, upstreamShare: number): number {
  const left = softLimit - upstreamShare - reservedFiles - Math.min(backlogFiles, Math.floor(softLimit / 8))
  return Math.max(16, left)
}

/** The soft limit of open files of this process: from `/proc` on Linux, the default elsewhere. */
export function readFileLimit(): number {
  try {
    return parseFileLimit(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    // Not Linux, or a container without /proc.
    return defaultFileLimit
  }
}

/** `Max open files   1024   524288   files`. Without a limit: what a kernel allows one process by default. */
export function parseFileLimit(limits: string): number {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(limits)
  if (match === null) return defaultFileLimit
  return match[1] === 'unlimited' ? 1_048_576 : Number(match[1])
}
