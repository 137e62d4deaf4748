import { isatty } from 'node:tty'
import type { Logger } from 'pino'
import type { ExchangeRecord } from '../core/record.ts'
import type { Redactor } from '../core/redact.ts'
import { openSink } from './line-sink.ts'
import { createLineWriter } from './line-writer.ts'
import { type LogFields, plainFields } from './log-fields.ts'
import { requestLevel, requestLine } from './request-line.ts'
import { type Log, type LogEntry, type LogLevel, logLevels } from './worker-log.ts'

export { requestLevel, requestLine } from './request-line.ts'

/** Main's log: the only place in the process that writes log lines, for all threads. */
export interface MainLog extends Log {
  /** A line of another thread. */
  entry(entry: LogEntry): void
  /** The access line of a finished exchange. */
  request(record: ExchangeRecord): void
  /** false: not everything could be written in time. */
  flush(timeoutMs: number): Promise<boolean>
  /** Lines lost because nothing took them fast enough. */
  readonly dropped: number
}

export interface LogOptions {
  readonly level: LogLevel
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly format: 'json' | 'text' | 'auto'
  readonly redact: Redactor
  /** Default: standard output. */
  readonly fd?: number
  readonly maxQueueBytes?: number
}

export async function createLog({ level, format, redact, fd = 1, maxQueueBytes }: LogOptions): Promise<MainLog> {
  const writer = createLineWriter({
    sink: openSink(fd),
    maxQueueBytes,
    onRecovered: count => write('warn', 'log records dropped', { count }),
  })
  const asText = format === 'text' || (format === 'auto' && isatty(fd))
  const clean = asText ? (text: string) => printable(redact(text)) : redact
  let logger: Logger | null = null
  const open = async (): Promise<Logger> => {
    const render = asText ? await textRenderer(isatty(fd)) : (line: string) => line
    const { default: pino } = await import('pino')
    logger = pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: label => ({ level: label }) },
      },
      { write: line => writer.write(render(line)) },
    )
    for (const write of early.splice(0)) write(logger)
    return logger
  }
  // A log that only has something to say when something goes wrong costs nothing until then.
  const early: ((logger: Logger) => void)[] = []
  let opening: Promise<Logger> | null = null
  const lowest = logLevels.indexOf(level)
  const isEnabled = (level: LogLevel): boolean => logLevels.indexOf(level) >= lowest
  if (isEnabled('info')) await open()
  const write = (level: LogLevel, msg: string, fields: LogFields = {}): void => {
    if (!isEnabled(level)) return
    if (logger !== null) return logger[level](plainFields(fields, clean), clean(msg))
    const line = [plainFields(fields, clean), clean(msg)] as const
    early.push(logger => logger[level](...line))
    opening ??= open()
  }
  return {
    isEnabled,
    debug: (msg, fields) => write('debug', msg, fields),
    info: (msg, fields) => write('info', msg, fields),
    warn: (msg, fields) => write('warn', msg, fields),
    error: (msg, fields) => write('error', msg, fields),
    entry: ({ level, msg, fields }) => write(level, msg, fields),
    request(record) {
      const level = requestLevel(record.status)
      if (isEnabled(level)) write(level, 'http request', requestLine(record))
    },
    async flush(timeoutMs) {
      await opening
      return writer.flush(timeoutMs)
    },
    get dropped() {
      return writer.dropped
    },
  }
}

/** For people at a terminal; loaded only then. */
async function textRenderer(colorize: boolean): Promise<(line: string) => string> {
  // The default export: bundled, a CommonJS package has no other.
  const { prettyFactory } = (await import('pino-pretty')).default
  const pretty = prettyFactory({ colorize, singleLine: true, translateTime: 'SYS:HH:MM:ss.l' })
  return line => pretty(line) ?? line
}

/** JSON escapes control characters; at a terminal they would act. Errors keep the lines of their stack. */
const printable = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd')
