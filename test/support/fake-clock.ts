import type { Clock } from '../../src/upstream/auth/authorizer.ts'
import { turn } from './raw-upstream.ts'

/** Time that passes when the test says so, and runs what became due, in order. */
export class FakeClock implements Clock {
  nowMs: number
  readonly #due: { atMs: number; run: () => void }[] = []

  constructor(nowMs = Date.UTC(2026, 0, 15, 12)) {
    this.nowMs = nowMs
  }

  readonly now = (): number => this.nowMs

  after(delayMs: number, run: () => void): void {
    this.#due.push({ atMs: this.nowMs + delayMs, run })
    this.#due.sort((a, b) => a.atMs - b.atMs)
  }

  advance(ms: number): void {
    const until = this.nowMs + ms
    while (this.#due.length > 0 && this.#due[0].atMs <= until) {
      const { atMs, run } = this.#due.shift()!
      this.nowMs = Math.max(this.nowMs, atMs)
      run()
    }
    this.nowMs = until
  }
}

const longestWaitMs = 5_000

/** Turns of the event loop until it holds: what it waits for is on its way over loopback. */
export async function until(condition: () => boolean): Promise<void> {
  const startedMs = performance.now()
  while (!condition()) {
    if (performance.now() - startedMs > longestWaitMs) throw new Error(`did not come true: ${condition}`)
    await turn()
  }
}
