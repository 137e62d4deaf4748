/** More are not kept: by then the first of them should be on its way. */
export const mostKept = 32

export interface Sender {
  /** Whoever has closed meanwhile writes nothing. */
  writeKept(bytes: Buffer): void
}

/**
 * Requests that begin in the same tick are written one right after the other at its end, in the order in which they
 * began. A peer on this machine is woken by each write that finds it asleep; so the first wakes it for all, and what
 * the system does for a write is done while it is warm (docs/decisions/0011).
 */
export class Outbox {
  #senders: Sender[] = []
  #bytes: Buffer[] = []
  readonly #flush = (): void => this.flush()

  /** `bytes` must stay as they are until they are written. */
  add(sender: Sender, bytes: Buffer): void {
    const kept = this.#senders.push(sender)
    this.#bytes.push(bytes)
    if (kept === 1) process.nextTick(this.#flush)
    else if (kept === mostKept) this.flush()
  }

  flush(): void {
    if (this.#senders.length === 0) return
    const senders = this.#senders
    const bytes = this.#bytes
    this.#senders = []
    this.#bytes = []
    for (let i = 0; i < senders.length; i++) senders[i].writeKept(bytes[i])
  }
}
