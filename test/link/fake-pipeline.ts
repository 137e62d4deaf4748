import { createHash } from 'node:crypto'
import { fixedHeaders, HeaderBlock } from '../../src/core/header-block.ts'
import type { Accept, Incoming, IncomingListener } from '../../src/core/incoming.ts'
import { lengthUnit } from '../../src/shared/layout.ts'
import { type Random, random } from '../core/random.ts'

/**
 * Stands in for the pipeline behind a `ConsumerLink`. The request's query says how to answer; the answer is the digest of
 * the body that came, and then as many bytes of a known sequence as were asked for.
 */
export interface Order {
  /** `whole`: in one call. `length`: in pieces of known length. `stream`: in pieces. `never`: until the client leaves. */
  readonly mode: 'whole' | 'length' | 'stream' | 'never'
  readonly bytes: number
  readonly seed: number
}

export const targetOf = ({ mode, bytes, seed }: Order): string => `/v1/any?${mode}&${bytes}&${seed}`

function orderOf(target: string): Order {
  const [mode, bytes, seed] = target.slice(target.indexOf('?') + 1).split('&')
  return { mode: mode as Order['mode'], bytes: Number(bytes), seed: Number(seed) }
}

/** Differs at every offset and for every seed. */
export function sequence(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')
export const answerTo = (body: Uint8Array, { bytes, seed }: Order): Buffer =>
  Buffer.concat([Buffer.from(digest(body)), sequence(bytes, seed)])

const id = '0123456789abcdef0123456789abcdef'
const fixed = fixedHeaders('content-type: text/plain\r\n')

export class FakePipeline {
  accepted = 0
  cancelled = 0
  /** Answers under way. */
  open = 0
  /** Requests that told how long their bodies would be. */
  announced = 0
  /** Most bytes an answer was ahead of its credit when it was told to hold back. */
  readonly problems: string[] = []

  readonly accept: Accept = incoming => {
    this.accepted++
    this.open++
    return new FakeExchange(this, incoming)
  }
}

class FakeExchange implements IncomingListener {
  readonly #pipeline: FakePipeline
  readonly #incoming: Incoming
  readonly #hash = createHash('sha1')
  readonly #order: Order
  readonly #random: Random
  #answer: Buffer | null = null
  #sent = 0
  #isHeld = false
  #hasAll = false
  #bodyBytes = 0
  #isOver = false

  constructor(pipeline: FakePipeline, incoming: Incoming) {
    this.#pipeline = pipeline
    this.#incoming = incoming
    this.#order = orderOf(incoming.target)
    this.#random = random(this.#order.seed)
    if (incoming.header('user-agent') !== `client-${this.#order.seed}`) this.#problem('a header is another request’s')
  }

  #problem(text: string): void {
    this.#pipeline.problems.push(`${this.#incoming.target}: ${text}`)
  }

  onBody(chunk: Uint8Array, last: boolean): void {
    if (this.#isOver) this.#problem('a body after the end')
    if (this.#hasAll) this.#problem('a body after its last piece')
    this.#hash.update(chunk)
    this.#bodyBytes += chunk.length
    if (!last) return
    this.#hasAll = true
    const { expectedBytes } = this.#incoming
    if (expectedBytes > 0) {
      this.#pipeline.announced++
      if (this.#bodyBytes > expectedBytes || this.#bodyBytes <= expectedBytes - lengthUnit)
        this.#problem(`a body of ${this.#bodyBytes} bytes was announced as ${expectedBytes}`)
    }
    const { mode, bytes, seed } = this.#order
    if (this.#random.chance(0.5)) this.#incoming.sent()
    if (mode === 'never') return
    const begin = (): void => {
      if (this.#isOver) return
      const answer = Buffer.concat([Buffer.from(this.#hash.digest('hex')), sequence(bytes, seed)])
      const headers = new HeaderBlock(id, fixed, '')
      if (mode === 'whole') {
        this.#incoming.whole(200, headers, answer)
        this.#over()
        return
      }
      this.#answer = answer
      this.#incoming.head(200, headers, mode === 'length' ? answer.length : -1, mode === 'stream')
      this.#write()
    }
    // Sometimes at once, from within the request's own frame.
    if (this.#random.chance(0.3)) begin()
    else setImmediate(begin)
  }

  #write(): void {
    const answer = this.#answer!
    while (!this.#isOver && !this.#isHeld && this.#sent < answer.length) {
      const size = Math.min(answer.length - this.#sent, 1 + this.#random.below(this.#random.chance(0.5) ? 500 : 90_000))
      this.#isHeld = !this.#incoming.write(answer.subarray(this.#sent, this.#sent + size))
      this.#sent += size
      if (!this.#isHeld && this.#sent < answer.length && this.#random.chance(0.2)) {
        setImmediate(() => this.#write())
        return
      }
    }
    if (this.#isOver || this.#sent < answer.length) return
    this.#incoming.end()
    this.#over()
  }

  onDrain(): void {
    if (this.#isOver) return
    if (!this.#isHeld) this.#problem('drained without having been held')
    this.#isHeld = false
    this.#write()
  }

  onCancel(): void {
    if (this.#isOver) return this.#problem('cancelled after the end')
    this.#pipeline.cancelled++
    this.#over()
  }

  #over(): void {
    this.#isOver = true
    this.#answer = null
    this.#pipeline.open--
  }
}
