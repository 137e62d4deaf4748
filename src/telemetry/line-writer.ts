import { isTemporary, type Sink } from './line-sink.ts'

/**
 * Lines to a descriptor that may be slow, full or gone, without ever holding up the thread.
 *
 * Whole lines wait in a bounded queue, one batch is on its way at a time. When the queue is full the newest line is
 * dropped and counted. A full disk is tried again; a closed pipe is the end: from then on every line is dropped.
 */
export interface LineWriter {
  /** `line` ends with its newline. */
  write(line: string): void
  /** Resolves when everything is written (true), or can't be, or the time is up (false). */
  flush(timeoutMs: number): Promise<boolean>
  /** Lines lost so far. */
  readonly dropped: number
}

export interface LineWriterOptions {
  readonly sink: Sink
  readonly maxQueueBytes?: number
  /** There is room again after `lost` lines were dropped. May write. */
  readonly onRecovered?: (lost: number) => void
}

export const createLineWriter = (options: LineWriterOptions): LineWriter => new QueuedLineWriter(options)

const maxBatchChars = 64 * 1024
const firstRetryMs = 50
const lastRetryMs = 5_000

class QueuedLineWriter implements LineWriter {
  dropped = 0

  readonly #sink: Sink
  readonly #maxQueueBytes: number
  readonly #onRecovered: LineWriterOptions['onRecovered']
  #queue: string[] = []
  /** Of the queue and the batch on its way. */
  #waitingBytes = 0
  #state: 'idle' | 'scheduled' | 'writing' | 'waiting' | 'stopped' = 'idle'
  /** What is on its way, or has to be tried again. */
  #batch: Buffer | null = null
  #batchLines = 0
  #batchBytes = 0
  #unreported = 0
  #retryMs = firstRetryMs
  #retry: NodeJS.Timeout | undefined
  #flushes: (() => void)[] = []

  constructor({ sink, maxQueueBytes = 8 * 1024 * 1024, onRecovered }: LineWriterOptions) {
    this.#sink = sink
    this.#maxQueueBytes = maxQueueBytes
    this.#onRecovered = onRecovered
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#state === 'stopped' || this.#waitingBytes + bytes > this.#maxQueueBytes) {
      this.#lose(1)
      return
    }
    this.#waitingBytes += bytes
    this.#queue.push(line)
    if (this.#state !== 'idle') return
    // The lines of one turn of the loop go out together.
    this.#state = 'scheduled'
    setImmediate(() => this.#state === 'scheduled' && this.#send())
  }

  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#state === 'scheduled' || this.#state === 'waiting') this.#send()
    if (this.#isBusy()) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, timeoutMs)
        this.#flushes.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return this.#state === 'idle'
  }

  #isBusy(): boolean {
    return this.#state === 'scheduled' || this.#state === 'writing' || this.#state === 'waiting'
  }

  #send(): void {
    clearTimeout(this.#retry)
    this.#batch ??= this.#nextBatch()
    this.#state = 'writing'
    this.#sink(this.#batch, (error, rest) => {
      if (error === null) this.#sent()
      else if (isTemporary(error)) this.#tryLater(rest)
      else this.#stop()
    })
  }

  #nextBatch(): Buffer {
    let chars = 0
    let lines = 0
    while (lines < this.#queue.length && chars < maxBatchChars) chars += this.#queue[lines++].length
    const batch = Buffer.from(this.#queue.splice(0, lines).join(''))
    this.#batchLines = lines
    this.#batchBytes = batch.length
    return batch
  }

  #sent(): void {
    this.#retryMs = firstRetryMs
    this.#batch = null
    this.#waitingBytes -= this.#batchBytes
    this.#state = 'idle'
    if (this.#unreported > 0 && this.#waitingBytes <= this.#maxQueueBytes / 2) {
      const lost = this.#unreported
      this.#unreported = 0
      this.#onRecovered?.(lost)
    }
    if (this.#queue.length > 0) this.#send()
    else this.#settleFlushes()
  }

  #tryLater(rest: Buffer): void {
    this.#batch = rest
    this.#state = 'waiting'
    this.#retry = setTimeout(() => this.#send(), this.#retryMs).unref()
    this.#retryMs = Math.min(lastRetryMs, this.#retryMs * 2)
  }

  #stop(): void {
    this.#state = 'stopped'
    this.#lose(this.#batchLines + this.#queue.length)
    this.#batch = null
    this.#queue = []
    this.#waitingBytes = 0
    this.#settleFlushes()
  }

  #lose(lines: number): void {
    this.dropped += lines
    this.#unreported += lines
  }

  #settleFlushes(): void {
    for (const settle of this.#flushes.splice(0)) settle()
  }
}
