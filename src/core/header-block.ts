const idName = 'x-request-id: '
const idLength = 32

/** Header lines that are the same for many answers, serialised once. */
export type FixedHeaders = Buffer

export const fixedHeaders = (lines: string): FixedHeaders => Buffer.from(lines, 'latin1')

/**
 * The header lines of an answer: `x-request-id` first (engines rely on it), then what was serialised before, then what
 * is this answer's own. Kept apart until they are written where they belong, once.
 */
export class HeaderBlock {
  readonly #id: string
  readonly #fixed: FixedHeaders
  readonly #own: string
  /** In bytes. */
  readonly length: number

  /** `id`: 32 hex digits. `own`: `name: value\r\n` lines in Latin-1, or ''. */
  constructor(id: string, fixed: FixedHeaders, own: string) {
    this.#id = id
    this.#fixed = fixed
    this.#own = own
    this.length = idName.length + idLength + 2 + fixed.length + own.length
  }

  write(target: Buffer, at: number): void {
    at += target.latin1Write(`${idName}${this.#id}\r\n`, at)
    target.set(this.#fixed, at)
    if (this.#own !== '') target.latin1Write(this.#own, at + this.#fixed.length)
  }

  toBuffer(): Buffer {
    const block = Buffer.allocUnsafe(this.length)
    this.write(block, 0)
    return block
  }
}
