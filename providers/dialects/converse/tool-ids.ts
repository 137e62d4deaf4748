/**
 * Ids of calls, as the wire takes them: 1 to 64 letters, digits, `_` and `-`, none twice. Ids of other vendors may hold
 * anything, and some give `call_0` to a call in every turn. What an id becomes depends only on the calls up to it, so
 * that the same history is the same prompt in every turn, and stays cached.
 */
export class ToolIds {
  readonly #used = new Set<string>()
  /** Client's id → wire ids of its calls without an answer so far, oldest first. */
  readonly #open = new Map<string, string[]>()
  readonly #answered = new Map<string, string>()

  call(id: string): string {
    const clean = id.replace(/[^\w-]/g, found => `_${found.charCodeAt(0).toString(16)}`).slice(0, 64) || 'call'
    let wire = clean
    for (let n = 2; this.#used.has(wire); n++) wire = `${clean.slice(0, 56)}_${n}`
    this.#used.add(wire)
    const open = this.#open.get(id)
    if (open === undefined) this.#open.set(id, [wire])
    else open.push(wire)
    return wire
  }

  /** The call that a result answers; null = none. */
  answer(id: string): string | null {
    const wire = this.#open.get(id)?.shift() ?? this.#answered.get(id)
    if (wire === undefined) return null
    this.#answered.set(id, wire)
    return wire
  }
}
