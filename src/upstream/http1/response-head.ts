import { HeadParser } from '../../wire/head.ts'
import type { TransportHeaders } from '../call.ts'

const maxFields = 512

/** The head of a response as callers see it: a view that is filled again for the next response on its connection. */
export class ResponseHead implements TransportHeaders {
  readonly parser: HeadParser
  contentLength = -1
  #hidesCoding = false
  #isDetached = false

  constructor(maxHeadBytes: number) {
    this.parser = new HeadParser('response', { maxBytes: maxHeadBytes, maxFields })
  }

  get(name: string): string {
    if (this.#hidesCoding && (name === 'content-encoding' || name === 'content-length')) return ''
    return this.parser.fields.get(name)
  }

  hideCoding(): void {
    this.#hidesCoding = true
    this.contentLength = -1
  }

  detach(): void {
    this.parser.keep()
    this.#isDetached = true
  }

  /** Itself, empty; another one if someone still looks at this. */
  forNextResponse(maxHeadBytes: number): ResponseHead {
    if (this.#isDetached) return new ResponseHead(maxHeadBytes)
    this.parser.reset()
    this.contentLength = -1
    return this
  }
}
