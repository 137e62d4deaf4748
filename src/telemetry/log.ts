import { isatty } from 'node:tty'
import type { ExchangeRecord } from '../core/record.ts'
import type { Redactor } from '../core/redact.ts'
import { openSink } from './line-sink.ts'
import { createLineWriter } from './line-writer.ts'
import { type LogFields, plainFields } from './log-fields.ts'
import { requestLevel, requestLine } from './request-line.ts'
import type { Log, LogEntry, LogLevel } from './worker-log.ts'

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
  const render = asText ? await textRenderer(isatty(fd)) : (line: string) => line
  const clean = asText ? (text: string) => printable(redact(text)) : redact
  const { default: pino } = await import('pino')
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } },
    { write: line => writer.write(render(line)) },
  )
  const isEnabled = (level: LogLevel): boolean => logger.isLevelEnabled(level)
  const write = (level: LogLevel, msg: string, fields: LogFields = {}): void => {
    if (isEnabled(level)) logger[level](plainFields(fields, clean), clean(msg))
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
    flush: timeoutMs => writer.flush(timeoutMs),
    get dropped() {
      return writer.dropped
    },
  }
}

/** For people at a terminal; loaded only then. */
async function textRenderer(colorize: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({ colorize, singleLine: true, translateTime: 'SYS:HH:MM:ss.l' })
  return line => pretty(line) ?? line
}

/** JSON escapes control characters; at a terminal they would act. Errors keep the lines of their stack. */
const printable = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd')
