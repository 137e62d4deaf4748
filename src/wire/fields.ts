import { lower } from './characters.ts'
import { latin1 } from './latin1.ts'

/**
 * The field lines of one head, as offsets into its bytes. Nothing is turned into a string until it is asked for:
 * of the twenty headers of an answer a gateway looks at three.
 *
 * Four numbers per field, relative to `base`: name start, name end, value start, value end (without OWS around it).
 */
export class Fields {
  count = 0
  #bytes: Buffer = Buffer.alloc(0)
  #base = 0
  #offsets = new Int32Array(4 * 32)

  /** By lower-case name; '' when absent; repeated fields joined with ', ' (RFC 9110 §5.3). */
  get(name: string): string {
    const first = this.find(name, 0)
    if (first < 0) return ''
    let value = this.valueAt(first)
    for (let index = this.find(name, first + 1); index >= 0; index = this.find(name, index + 1)) {
      value += ', ' + this.valueAt(index)
    }
    return value
  }

  all(name: string): string[] {
    const values: string[] = []
    for (let index = this.find(name, 0); index >= 0; index = this.find(name, index + 1))
      values.push(this.valueAt(index))
    return values
  }

  has(name: string): boolean {
    return this.find(name, 0) >= 0
  }

  /** The index of the first field of this lower-case name at or after `from`; -1 when there is none. */
  find(name: string, from: number): number {
    const { length } = name
    const offsets = this.#offsets
    for (let index = from; index < this.count; index++) {
      if (offsets[index * 4 + 1] - offsets[index * 4] === length && this.#isNamed(index, name)) return index
    }
    return -1
  }

  #isNamed(index: number, name: string): boolean {
    const bytes = this.#bytes
    const start = this.#base + this.#offsets[index * 4]
    for (let at = name.length - 1; at >= 0; at--) {
      if (lower[bytes[start + at]] !== name.charCodeAt(at)) return false
    }
    return true
  }

  /** Lower case. */
  nameAt(index: number): string {
    return this.#slice(index, 0).toLowerCase()
  }

  /** Bytes above 0x7f become the Latin-1 characters of the same number. */
  valueAt(index: number): string {
    return this.#slice(index, 2)
  }

  #slice(index: number, part: 0 | 2): string {
    const offsets = this.#offsets
    const at = index * 4 + part
    return latin1(this.#bytes, this.#base + offsets[at], this.#base + offsets[at + 1])
  }

  /** Length of a value in bytes, to rule it out before reading it. */
  valueLength(index: number): number {
    return this.#offsets[index * 4 + 3] - this.#offsets[index * 4 + 2]
  }

  /** A value as a decimal number: -1 when it is not just digits, Infinity when it is beyond 2^53 - 1. */
  numberAt(index: number): number {
    const offsets = this.#offsets
    const end = this.#base + offsets[index * 4 + 3]
    let at = this.#base + offsets[index * 4 + 2]
    if (at === end) return -1
    let value = 0
    for (; at < end; at++) {
      const digit = this.#bytes[at] - 0x30
      if (digit < 0 || digit > 9) return -1
      value = value * 10 + digit
    }
    return value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value
  }

  // What follows is for the parser that fills it.

  clear(): void {
    this.count = 0
  }

  add(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const at = this.count * 4
    if (at === this.#offsets.length) {
      const grown = new Int32Array(at * 2)
      grown.set(this.#offsets)
      this.#offsets = grown
    }
    const offsets = this.#offsets
    offsets[at] = nameStart
    offsets[at + 1] = nameEnd
    offsets[at + 2] = valueStart
    offsets[at + 3] = valueEnd
    this.count++
  }

  /** Says in which bytes, and from where in them, the offsets count. */
  place(bytes: Buffer, base: number): void {
    this.#bytes = bytes
    this.#base = base
  }
}
