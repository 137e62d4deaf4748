import { type LogFields, plainFields } from './log-fields.ts'

export type { LogFields } from './log-fields.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/** How every part writes to the log. `msg` is a constant; what varies goes into the fields. */
export interface Log {
  isEnabled(level: LogLevel): boolean
  debug(msg: string, fields?: LogFields): void
  info(msg: string, fields?: LogFields): void
  warn(msg: string, fields?: LogFields): void
  error(msg: string, fields?: LogFields): void
}

/** A line on its way to main, which redacts and writes it. Plain data: it crosses threads by structured clone. */
export interface LogEntry {
  readonly level: LogLevel
  readonly msg: string
  readonly fields: LogFields
}

export interface WorkerLogOptions {
  readonly level: LogLevel
  readonly post: (entry: LogEntry) => void
  /** Lines above the rate are counted, and the count is posted once there is allowance again. */
  readonly linesPerSecond?: number
  readonly burst?: number
  readonly onSuppressed?: () => void
  /** Monotonic, ms. */
  readonly now?: () => number
}

/** The log of a data-plane thread: bounded, because a failing upstream must not flood main with messages. */
export function createWorkerLog(options: WorkerLogOptions): Log {
  const { level, post, linesPerSecond = 20, burst = 100, onSuppressed, now = () => performance.now() } = options
  const lowest = logLevels.indexOf(level)
  let allowance = burst
  let refilledAt = now()
  let suppressed = 0
  let reminder: NodeJS.Timeout | undefined

  const mayPost = (): boolean => {
    const time = now()
    allowance = Math.min(burst, allowance + ((time - refilledAt) / 1000) * linesPerSecond)
    refilledAt = time
    if (allowance < 1) return false
    allowance--
    return true
  }
  const reportSuppressed = (): void => {
    clearTimeout(reminder)
    reminder = undefined
    if (suppressed === 0) return
    post({ level: 'warn', msg: 'log records suppressed', fields: { count: suppressed } })
    suppressed = 0
  }
  const write = (level: LogLevel, msg: string, fields: LogFields = {}): void => {
    if (logLevels.indexOf(level) < lowest) return
    if (mayPost()) {
      reportSuppressed()
      post({ level, msg, fields: plainFields(fields, bounded) })
      return
    }
    suppressed++
    onSuppressed?.()
    // In case nothing more is logged that could bring the count along.
    reminder ??= setTimeout(reportSuppressed, 2_000).unref()
  }
  return {
    isEnabled: level => logLevels.indexOf(level) >= lowest,
    debug: (msg, fields) => write('debug', msg, fields),
    info: (msg, fields) => write('info', msg, fields),
    warn: (msg, fields) => write('warn', msg, fields),
    error: (msg, fields) => write('error', msg, fields),
  }
}

/** Twice what the redactor looks at, so that its own cut, which takes care of credentials, comes first. */
const maxChars = 128 * 1024
const bounded = (text: string): string => (text.length > maxChars ? text.slice(0, maxChars) : text)
