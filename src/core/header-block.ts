const idName = 'x-request-id: '
const idLength = 32

/** Header lines that are the same for many answers: `name: value\r\n` repeated, in Latin-1. */
export type FixedHeaders = string & { readonly fixed: true }

/** One flat text: what is put together from pieces would be put together again for each answer. */
export const fixedHeaders = (lines: string): FixedHeaders => Buffer.from(lines, 'latin1').latin1Slice() as FixedHeaders

/**
 * The header lines of an answer: `x-request-id` first (engines rely on it), then those that many answers share, then
 * this answer's own. One text, written where it belongs in one go.
 */
export class HeaderBlock {
  readonly #text: string
  /** In bytes. */
  readonly length: number

  /** `id`: 32 hex digits. `own`: `name: value\r\n` lines in Latin-1, or ''. */
  constructor(id: string, fixed: FixedHeaders, own: string) {
    this.#text = `${idName}${id}\r\n${fixed}${own}`
    this.length = idName.length + idLength + 2 + fixed.length + own.length
  }

  write(target: Buffer, at: number): void {
    target.latin1Write(this.#text, at)
  }

  toBuffer(): Buffer {
    return Buffer.from(this.#text, 'latin1')
  }
}
