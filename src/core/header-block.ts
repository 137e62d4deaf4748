const idName = 'x-request-id: '
const idLength = 32

/** Header lines that are the same for many answers: `name: value\r\n` repeated, in Latin-1. */
export type FixedHeaders = string & { readonly fixed: true }

/** One flat text: V8 would put one of several pieces together again for each answer. */
export const fixedHeaders = (lines: string): FixedHeaders => Buffer.from(lines, 'latin1').latin1Slice() as FixedHeaders

/**
 * The header lines of an answer: `x-request-id` first (engines rely on it), then this answer's own, then those that it
 * shares with others. Kept apart until they are written where they belong, once.
 */
export class HeaderBlock {
  readonly #own: string
  readonly #fixed: FixedHeaders
  /** In bytes. */
  readonly length: number

  /** `id`: 32 hex digits. `own`: `name: value\r\n` lines in Latin-1, or ''. */
  constructor(id: string, fixed: FixedHeaders, own: string) {
    this.#own = `${idName}${id}\r\n${own}`
    this.#fixed = fixed
    this.length = idName.length + idLength + 2 + fixed.length + own.length
  }

  write(target: Buffer, at: number): void {
    target.latin1Write(this.#own, at)
    target.latin1Write(this.#fixed, at + this.#own.length)
  }

  toBuffer(): Buffer {
    return Buffer.from(this.#own + this.#fixed, 'latin1')
  }
}
