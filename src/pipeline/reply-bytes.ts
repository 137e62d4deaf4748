import { Failure } from '../core/failures.ts'
import type { Exchange } from './exchange.ts'
import type { AnswerHead, Flow, Reply } from './reply.ts'

/** An answer that is no JSON and goes through as it comes: sound, subtitles. It commits with its first byte. */
export class BytesRelay implements Reply {
  readonly #exchange: Exchange
  readonly #head: AnswerHead
  readonly #flow: Flow

  constructor(exchange: Exchange, head: AnswerHead, flow: Flow) {
    this.#exchange = exchange
    this.#head = head
    this.#flow = flow
  }

  data(chunk: Uint8Array): Failure | null {
    const exchange = this.#exchange
    if (chunk.length === 0) return null
    if (!exchange.committed)
      exchange.begin(200, this.#head.fixed, this.#head.forwarded, this.#head.contentLength, false)
    if (!exchange.write(chunk)) this.#flow.hold()
    return null
  }

  end(): Failure | null {
    if (!this.#exchange.committed) return new Failure('upstream_error', { cause: 'the answer is empty' })
    this.#exchange.end()
    return null
  }

  whole(body: Uint8Array): Failure | null {
    if (body.length === 0) return new Failure('upstream_error', { cause: 'the answer is empty' })
    this.#exchange.answer(200, this.#head.fixed, this.#head.forwarded, body)
    return null
  }
}

/** Safe to repeat in a header; anything else would be the upstream writing our answer's head. */
const contentType =
  /^[\w!#$&^.+-]{1,64}\/[\w!#$&^.+-]{1,64}(?:\s*;\s*[\w!#$&^.+-]{1,64}=(?:[\w!#$&^.+-]{1,128}|"[\w !#$&^.+-]{0,128}"))*$/

/** The header line of an upstream's content type; octets when it says none that could be repeated. */
export const contentTypeLine = (type: string): string =>
  `content-type: ${contentType.test(type) ? type : 'application/octet-stream'}\r\n`

const jsonType = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

/** Nearly all are spelt in the one way. */
export const isJsonType = (type: string): boolean => type === 'application/json' || jsonType.test(type)
