import { HeadParser } from '../../wire/head.ts'
import type { TransportHeaders } from '../call.ts'

const maxFields = 512

/** The head of a response as callers see it: a view that is filled again for another response. */
export class ResponseHead implements TransportHeaders {
  readonly parser: HeadParser
  contentLength = -1
  #hidesCoding = false
  /** Someone still looks at it after its call: it can't be filled again. */
  isDetached = false

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
    this.isDetached = true
  }

  reset(): void {
    this.parser.reset()
    this.contentLength = -1
  }
}
