import { commonHeaderCount, type ForwardedHeader, forwardedHeaders } from '../core/incoming.ts'
import type { RequestHead } from '../downstream/engine.ts'

/**
 * A request's head on a ring, as lines of UTF-8 text. Neither a header value nor a target can hold a line feed.
 *
 *   method ␠ target ⏎ peer address (empty when nobody reads it) ⏎ { letter value ⏎ } …
 *
 * A header's letter is its place in `forwardedHeaders`; those that are absent or empty take no room.
 */
const firstLetter = 0x41
const marks = forwardedHeaders.map((_, index) => `\n${String.fromCharCode(firstLetter + index)}`)
const markOf = Object.fromEntries(forwardedHeaders.map((name, index) => [name, marks[index]])) as Record<
  ForwardedHeader,
  string
>

/** What nearly every request asks for is served by a codec: no header of it is forwarded beyond the common ones. */
const hotPath = '/v1/chat/completions'

export function encodeRequestMeta(head: RequestHead, remote: string): string {
  let text = `${head.method} ${head.target}\n${remote}`
  const count = head.target === hotPath ? commonHeaderCount : forwardedHeaders.length
  for (let i = 0; i < count; i++) {
    const value = head.header(forwardedHeaders[i]!)
    if (value !== '') text += marks[i]! + value
  }
  return `${text}\n`
}

/** Most requests ask for what the one before asked for: its strings serve again, with their hashes. */
let lastLine = ''
let lastMethod = ''
let lastTarget = ''

export class RequestMeta {
  readonly #text: string
  readonly #remoteAt: number
  readonly #headersAt: number
  readonly method: string
  readonly target: string

  constructor(text: string) {
    this.#text = text
    if (lastLine === '' || !text.startsWith(lastLine)) readLine(text)
    this.#remoteAt = lastLine.length
    this.#headersAt = text.indexOf('\n', this.#remoteAt)
    this.method = lastMethod
    this.target = lastTarget
  }

  get remote(): string {
    return this.#text.slice(this.#remoteAt, this.#headersAt)
  }

  header(name: ForwardedHeader): string {
    const at = this.#text.indexOf(markOf[name], this.#headersAt)
    return at < 0 ? '' : this.#text.slice(at + 2, this.#text.indexOf('\n', at + 2))
  }
}

function readLine(text: string): void {
  const method = text.indexOf(' ')
  lastLine = text.slice(0, text.indexOf('\n') + 1)
  lastMethod = lastLine.slice(0, method)
  lastTarget = lastLine.slice(method + 1, -1)
}
