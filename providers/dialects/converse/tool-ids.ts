/**
 * Ids of calls, as the wire takes them: 1 to 64 letters, digits, `_` and `-`, none twice. Ids of other vendors may hold
 * anything, and some give `call_0` to a call in every turn. What an id becomes depends only on the calls up to it, so
 * that the same history is the same prompt in every turn, and stays cached.
 */
export class ToolIds {
  readonly #unique = new UniqueNames('_', 56)
  readonly #calls = new Map<string, Calls>()

  call(id: string): string {
    const clean = id.replace(/[^\w-]/g, found => `_${found.charCodeAt(0).toString(16)}`).slice(0, 64) || 'call'
    const wire = this.#unique.of(clean)
    const calls = this.#calls.get(id)
    if (calls === undefined) this.#calls.set(id, { wire: [wire], answered: 0 })
    else calls.wire.push(wire)
    return wire
  }

  /** The call that a result answers: the oldest that has none yet, else the last; null = there is none. */
  answer(id: string): string | null {
    const calls = this.#calls.get(id)
    if (calls === undefined) return null
    if (calls.answered < calls.wire.length) calls.answered++
    return calls.wire[calls.answered - 1]
  }
}

/** Of one id of the client's. */
interface Calls {
  readonly wire: string[]
  /** So many, from the first. */
  answered: number
}

/** Tells equal names apart by a number, in one step each. */
export class UniqueNames {
  readonly #separator: string
  readonly #stemLength: number
  readonly #used = new Set<string>()
  readonly #numbers = new Map<string, number>()

  constructor(separator: string, stemLength: number) {
    this.#separator = separator
    this.#stemLength = stemLength
  }

  of(name: string): string {
    const stem = name.slice(0, this.#stemLength)
    let unique = name
    let number = this.#numbers.get(stem) ?? 1
    while (this.#used.has(unique)) unique = `${stem}${this.#separator}${++number}`
    this.#numbers.set(stem, number)
    this.#used.add(unique)
    return unique
  }
}
