import { forwardedHeaders } from '../../src/core/incoming.ts'
import type { ExchangeEvents, Reply, RequestHead, RequestListener } from '../../src/downstream/engine.ts'
import type { Random } from '../core/random.ts'
import { answerTo, type Order, targetOf } from './fake-pipeline.ts'

/** How an exchange ended for its client. */
export type Outcome = 'answered' | 'cut' | 'left' | `refused ${number}` | 'error event'

export interface Plan extends Order {
  readonly body: Buffer
  readonly isChunked: boolean
  /** Leaves after about so many of its own steps; -1 = stays. */
  readonly leavesAt: number
  /** How often it is behind with reading. */
  readonly slowness: number
  readonly random: Random
}

/**
 * Stands in for an engine and a client behind it: sends a body in pieces and respects pauses, takes the answer at its
 * own pace, may leave at any moment, and knows what an engine guarantees and what it must never be asked to do.
 */
export class FakeClient implements Reply {
  outcome: Outcome | null = null
  readonly problems: string[] = []
  /** Most bytes written to it while it took none. */
  mostBehind = 0
  readonly #plan: Plan
  readonly #onOver: () => void
  #events: ExchangeEvents | null = null
  #sent = 0
  #steps = 0
  #isPaused = false
  #isBodyDone = false
  #received: Buffer[] = []
  #status = 0
  #length = -1
  #hasHead = false
  #isBehind = false
  #behind = 0

  constructor(plan: Plan, listener: RequestListener, onOver: () => void) {
    this.#plan = plan
    this.#onOver = onOver
    const { body, isChunked, seed } = plan
    const headers: Record<string, string> = { 'user-agent': `client-${seed}`, 'content-type': 'text/plain' }
    const head: RequestHead = {
      method: 'POST',
      target: targetOf(plan),
      remoteAddress: '127.0.0.1',
      bodyLength: isChunked ? -1 : body.length,
      header: name => headers[name] ?? '',
      forwarded: forwardedHeaders.map(name => headers[name] ?? ''),
    }
    const events = listener(head, this)
    if (this.outcome !== null) return
    this.#events = events
    this.#step()
  }

  #problem(text: string): void {
    this.problems.push(`${targetOf(this.#plan)}: ${text}`)
  }

  #step(): void {
    if (this.outcome !== null) return
    const { body, random, leavesAt } = this.#plan
    if (leavesAt >= 0 && this.#steps++ >= leavesAt) {
      this.#over('left')
      this.#events!.onClosed()
      return
    }
    if (!this.#isBodyDone && !this.#isPaused) {
      const size = Math.min(body.length - this.#sent, random.below(random.chance(0.5) ? 300 : 200_000))
      const piece = body.subarray(this.#sent, this.#sent + size)
      this.#sent += size
      // Like an engine's: good for this call only.
      const lent = Buffer.from(piece)
      this.#isBodyDone = this.#sent === body.length && random.chance(0.7)
      this.#events!.onBody(lent, this.#isBodyDone)
      lent.fill(0xee)
    }
    if (this.#isBodyDone && leavesAt < 0) return
    setImmediate(() => this.#step())
  }

  pauseBody(): void {
    if (this.outcome !== null) this.#problem('paused after the end')
    this.#isPaused = true
  }
  resumeBody(): void {
    this.#isPaused = false
  }

  #over(outcome: Outcome): void {
    if (this.outcome !== null) this.#problem(`ended twice: ${this.outcome}, then ${outcome}`)
    this.outcome = outcome
    this.#onOver()
  }

  whole(status: number, _headers: Uint8Array, body: Uint8Array): void {
    if (this.#hasHead) this.#problem('a second head')
    this.#status = status
    this.#hasHead = true
    this.#received.push(Buffer.from(body))
    this.#conclude()
  }

  head(status: number, _headers: Uint8Array, length: number): void {
    if (this.outcome !== null) this.#problem('a head after the end')
    if (this.#hasHead) this.#problem('a second head')
    this.#hasHead = true
    this.#status = status
    this.#length = length
  }

  write(chunk: Uint8Array): boolean {
    if (this.outcome !== null) this.#problem('bytes after the end')
    if (!this.#hasHead) this.#problem('bytes before the head')
    this.#received.push(Buffer.from(chunk))
    if (this.#isBehind) {
      this.#behind += chunk.length
      this.mostBehind = Math.max(this.mostBehind, this.#behind)
      return false
    }
    const { random, slowness } = this.#plan
    if (!random.chance(slowness)) return true
    this.#isBehind = true
    this.#behind = chunk.length
    let turns = 1 + random.below(20)
    const read = (): void => {
      if (this.outcome !== null) return
      if (turns-- > 0) return void setImmediate(read)
      this.#isBehind = false
      this.#events!.onDrain()
    }
    setImmediate(read)
    return false
  }

  end(): void {
    this.#conclude()
  }

  abort(): void {
    this.#over('cut')
  }

  #conclude(): void {
    const { body } = this.#plan
    const received = Buffer.concat(this.#received)
    this.#received = []
    if (this.#length >= 0 && received.length !== this.#length) this.#problem('not as long as promised')
    if (this.#status !== 200) return this.#over(`refused ${this.#status}`)
    const wanted = answerTo(body, this.#plan)
    if (received.equals(wanted)) return this.#over('answered')
    const text = received.subarray(-300).toString('latin1')
    if (this.#plan.mode === 'stream' && text.includes('data: {"error"')) {
      const at = received.lastIndexOf('data: {"error"')
      const before = received.subarray(0, at)
      const trimmed =
        before.subarray(-2).equals(Buffer.from('\n\n')) && !wanted.subarray(0, at).equals(before)
          ? before.subarray(0, -2)
          : before
      if (!wanted.subarray(0, trimmed.length).equals(trimmed)) this.#problem('other bytes before the error event')
      return this.#over('error event')
    }
    this.#problem(`other bytes: ${received.length} in place of ${wanted.length}`)
    this.#over('answered')
  }
}
