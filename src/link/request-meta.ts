import { type ForwardedHeader, forwardedHeaders } from '../core/incoming.ts'
import type { RequestHead } from '../downstream/engine.ts'

/**
 * A request's head on a ring: lines of UTF-8 text in a fixed order. Neither a header value nor a target can hold a line
 * feed, so the worker cuts out only the lines it looks at.
 *
 *   method ⏎ target ⏎ peer address (empty when nobody reads it) ⏎ body length ⏎ accepted at ⏎ one line per forwarded header (empty when absent)
 */
const fixedLines = 5
const lineOf = Object.fromEntries(forwardedHeaders.map((name, index) => [name, index + fixedLines])) as Record<ForwardedHeader, number>

export function encodeRequestMeta(head: RequestHead, remote: string, acceptedAtMs: number): string {
  let text = `${head.method}\n${head.target}\n${remote}\n${head.bodyLength}\n${acceptedAtMs}`
  for (let i = 0; i < forwardedHeaders.length; i++) text += `\n${head.header(forwardedHeaders[i]!)}`
  return text
}

export class RequestMeta {
  readonly #text: string
  readonly method: string
  readonly target: string
  readonly remote: string
  readonly bodyLength: number
  readonly acceptedAtMs: number
  readonly #headersAt: number

  constructor(text: string) {
    this.#text = text
    const method = text.indexOf('\n')
    const target = text.indexOf('\n', method + 1)
    const remote = text.indexOf('\n', target + 1)
    const length = text.indexOf('\n', remote + 1)
    const accepted = text.indexOf('\n', length + 1)
    this.method = text.slice(0, method)
    this.target = text.slice(method + 1, target)
    this.remote = text.slice(target + 1, remote)
    this.bodyLength = Number(text.slice(remote + 1, length))
    this.acceptedAtMs = Number(text.slice(length + 1, accepted))
    this.#headersAt = accepted + 1
  }

  header(name: ForwardedHeader): string {
    let from = this.#headersAt
    for (let line = lineOf[name] - fixedLines; line > 0; line--) from = this.#text.indexOf('\n', from) + 1
    const to = this.#text.indexOf('\n', from)
    return to < 0 ? this.#text.slice(from) : this.#text.slice(from, to)
  }
}
