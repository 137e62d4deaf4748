import { commonHeaderCount, type ForwardedHeader, forwardedHeaders, placeOfHeader } from '../core/incoming.ts'
import type { RequestHead } from '../downstream/engine.ts'

/**
 * A request's head on a ring, as lines of UTF-8 text. Neither a header value nor a target can hold a line feed.
 *
 *   presence ␠ method ␠ target ⏎ peer address (empty when nobody reads it) ⏎ { letter value ⏎ } …
 *
 * A header's letter is its place in `forwardedHeaders`; those that are absent or empty take no room, and nobody looks for
 * them: the presence has a bit for each, six to a character.
 */
const firstLetter = 0x41
const marks = forwardedHeaders.map((_, index) => `\n${String.fromCharCode(firstLetter + index)}`)

const firstDigit = 0x30
const digitBits = 6
const presenceLength = Math.ceil(forwardedHeaders.length / digitBits)

/** What nearly every request asks for is served by a codec: no header of it is forwarded beyond the common ones. */
const hotPath = '/v1/chat/completions'

export function encodeRequestMeta({ method, target, forwarded }: RequestHead, remote: string): string {
  const count = target === hotPath ? commonHeaderCount : forwardedHeaders.length
  let presence = 0
  let headers = ''
  for (let i = 0; i < count; i++) {
    const value = forwarded[i]!
    if (value === '') continue
    presence |= 1 << i
    headers += marks[i]! + value
  }
  return `${presenceText(presence)} ${method} ${target}\n${remote}${headers}\n`
}

/** Most requests are like the one before: what was made for it serves again. */
let lastPresence = -1
let lastPresenceText = ''

function presenceText(presence: number): string {
  if (presence !== lastPresence) {
    lastPresenceText = ''
    for (let i = 0; i < presenceLength; i++)
      lastPresenceText += String.fromCharCode(firstDigit + ((presence >> (i * digitBits)) & 63))
    lastPresence = presence
  }
  return lastPresenceText
}

let lastLine = ''
let last = { method: '', target: '', presence: 0 }

export class RequestMeta {
  readonly #text: string
  readonly #remoteAt: number
  readonly #presence: number
  readonly method: string
  readonly target: string

  constructor(text: string) {
    this.#text = text
    if (lastLine === '' || !text.startsWith(lastLine)) readLine(text)
    this.#remoteAt = lastLine.length
    this.#presence = last.presence
    this.method = last.method
    this.target = last.target
  }

  get remote(): string {
    return this.#text.slice(this.#remoteAt, this.#text.indexOf('\n', this.#remoteAt))
  }

  header(name: ForwardedHeader): string {
    const place = placeOfHeader(name)
    if ((this.#presence & (1 << place)) === 0) return ''
    const at = this.#text.indexOf(marks[place]!, this.#remoteAt) + 2
    return this.#text.slice(at, this.#text.indexOf('\n', at))
  }
}

function readLine(text: string): void {
  lastLine = text.slice(0, text.indexOf('\n') + 1)
  const method = presenceLength + 1
  const target = text.indexOf(' ', method) + 1
  let presence = 0
  for (let i = 0; i < presenceLength; i++) presence |= (text.charCodeAt(i) - firstDigit) << (i * digitBits)
  last = { presence, method: text.slice(method, target - 1), target: lastLine.slice(target, -1) }
}
