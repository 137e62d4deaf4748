import { copyInto } from '../../core/copy-bytes.ts'
import { isBodiless, statusText } from '../refusals.ts'

/** How an answer is put on the wire. */
export interface AnswerFrame {
  readonly isHead: boolean
  /** The client speaks HTTP/1.0: no chunks, and persistence is announced. */
  readonly isOld: boolean
  readonly closes: boolean
}

/** `chunked` for a stream to HTTP/1.1, `raw` where a length or the connection's end frames the body, `none` without one. */
export type BodyFraming = 'chunked' | 'raw' | 'none'

export function bodyFraming(status: number, length: number, frame: AnswerFrame): BodyFraming {
  if (frame.isHead || isBodiless(status)) return 'none'
  return length < 0 && !frame.isOld ? 'chunked' : 'raw'
}

const statusLines: readonly string[] = statusText.map(text => `HTTP/1.1 ${text}\r\n`)
const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')
export const interim = (): Buffer => continueLine

let dateSecond = 0
let dateLine = ''

function currentDate(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateLine = `date: ${new Date(second * 1000).toUTCString()}\r\n`
  }
  return dateLine
}

interface Latin1Writable {
  latin1Write(text: string, at: number): number
}

/** A head and the first bytes of its body in one buffer: all of what is handed in is copied. `length` < 0: unknown. */
export function composeAnswer(
  status: number,
  headers: Uint8Array,
  length: number,
  frame: AnswerFrame,
  body: Uint8Array | null,
): Buffer {
  const line = statusLines[status]
  const tail = currentDate() + framingHeaders(status, length, frame)
  const bodyBytes = body === null ? 0 : body.length
  const answer = Buffer.allocUnsafe(line.length + headers.length + tail.length + bodyBytes)
  const text = answer as unknown as Latin1Writable
  text.latin1Write(line, 0)
  copyInto(answer, line.length, headers)
  text.latin1Write(tail, line.length + headers.length)
  if (bodyBytes > 0) copyInto(answer, answer.length - bodyBytes, body!)
  return answer
}

function framingHeaders(status: number, length: number, frame: AnswerFrame): string {
  const connection = frame.closes
    ? 'connection: close\r\n\r\n'
    : frame.isOld
      ? 'connection: keep-alive\r\n\r\n'
      : '\r\n'
  if (isBodiless(status)) return connection
  if (length >= 0) return `content-length: ${length}\r\n${connection}`
  return frame.isOld ? connection : `transfer-encoding: chunked\r\n${connection}`
}

/** One chunk with its framing, after what `before` holds. */
export function composeChunk(before: Buffer | null, chunk: Uint8Array): Buffer {
  const size = `${chunk.length.toString(16)}\r\n`
  const start = before === null ? 0 : before.length
  const framed = Buffer.allocUnsafe(start + size.length + chunk.length + 2)
  before?.copy(framed)
  const text = framed as unknown as Latin1Writable
  text.latin1Write(size, start)
  copyInto(framed, start + size.length, chunk)
  text.latin1Write('\r\n', framed.length - 2)
  return framed
}

export const lastChunk = Buffer.from('0\r\n\r\n')
