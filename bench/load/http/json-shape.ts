/** Whether an answer begins and ends as a JSON object does: a page that comes with a 200 is no answer of a model. */
export class JsonShape {
  /** The first and the last byte that are not blank; 0 = none came yet. */
  #first = 0
  #last = 0

  reset(): void {
    this.#first = 0
    this.#last = 0
  }

  see(bytes: Buffer, start: number, end: number): void {
    for (let i = start; this.#first === 0 && i < end; i++) if (!isBlank(bytes[i])) this.#first = bytes[i]
    let last = end - 1
    while (last >= start && isBlank(bytes[last])) last--
    if (last >= start) this.#last = bytes[last]
  }

  get isObject(): boolean {
    return this.#first === 0x7b && this.#last === 0x7d
  }
}

const isBlank = (byte: number): boolean => byte <= 0x20
