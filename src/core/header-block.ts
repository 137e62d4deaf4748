import { decimalLength, writeDecimal, writeText } from './write-bytes.ts'

const idName = 'x-request-id: '
const emptyId = '0'.repeat(32)
const overheadName = 'x-gateway-overhead-ms: '

/** Header lines that are the same for many answers, in Latin-1, and before them the line for each one's id. */
export type FixedHeaders = string & { readonly fixed: true }

/** `lines`: `name: value\r\n` repeated. One flat text: V8 would put one of several pieces together again for each answer. */
export const fixedHeaders = (lines: string): FixedHeaders =>
  Buffer.from(`${idName}${emptyId}\r\n${lines}`, 'latin1').latin1Slice() as FixedHeaders

/**
 * The header lines of an answer: `x-request-id` first (engines rely on it), then those that it shares with others, then
 * its own. Kept apart until they are written where they belong, once.
 */
export class HeaderBlock {
  readonly #id: string
  readonly #fixed: FixedHeaders
  readonly #own: string
  readonly #overheadUs: number
  /** In bytes. */
  readonly length: number

  /**
   * `id`: 32 hex digits. `own`: `name: value\r\n` lines in Latin-1, or ''. `overheadMs`: what of the answer's time was
   * spent here; -1 = not told.
   */
  constructor(id: string, fixed: FixedHeaders, own: string, overheadMs = -1) {
    this.#id = id
    this.#fixed = fixed
    this.#own = own
    this.#overheadUs = overheadMs < 0 ? -1 : Math.round(overheadMs * 1000)
    this.length = fixed.length + this.#overheadLength() + own.length
  }

  write(target: Buffer, at: number): void {
    target.latin1Write(this.#fixed, at)
    writeText(target, at + idName.length, this.#id)
    let end = at + this.#fixed.length
    if (this.#overheadUs >= 0) end = this.#writeOverhead(target, end)
    if (this.#own !== '') target.latin1Write(this.#own, end)
  }

  toBuffer(): Buffer {
    const bytes = Buffer.allocUnsafe(this.length)
    this.write(bytes, 0)
    return bytes
  }

  #overheadLength(): number {
    const us = this.#overheadUs
    return us < 0 ? 0 : overheadName.length + decimalLength(Math.floor(us / 1000)) + '.000\r\n'.length
  }

  /** In ms with three digits behind the point. */
  #writeOverhead(target: Buffer, at: number): number {
    const whole = Math.floor(this.#overheadUs / 1000)
    const rest = this.#overheadUs - whole * 1000
    const point = writeDecimal(target, writeText(target, at, overheadName), whole)
    // The leading one makes room for zeros; the point takes its place.
    writeDecimal(target, point, 1000 + rest)
    target[point] = 0x2e
    return writeText(target, point + 4, '\r\n')
  }
}
