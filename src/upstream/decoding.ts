import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  type Gunzip,
  type Inflate,
  type InflateRaw,
} from 'node:zlib'

export type ContentCoding = 'gzip' | 'deflate' | 'br'

const codings: ReadonlyMap<string, ContentCoding | null> = new Map([
  ['identity', null],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
])

/** What a `Content-Encoding` asks of us. Several codings on top of each other are `unknown`: nobody sends them. */
export function contentCoding(value: string): ContentCoding | null | 'unknown' {
  if (value === '') return null
  const coding = codings.get(value.trim().toLowerCase())
  return coding === undefined ? 'unknown' : coding
}

export interface DecoderOwner {
  /** Valid only during the call. */
  onDecoded(chunk: Uint8Array): void
  /** false: the decoder has enough, hold the transport back. */
  onDecoderFlow(isFlowing: boolean): void
  onDecoderEnd(): void
  onDecoderFailure(cause: string): void
}

type Inflater = Gunzip | Inflate | InflateRaw | BrotliDecompress

/** Most bytes that one turn of zlib yields. */
const chunkSize = 64 * 1024

/**
 * Undoes a content coding as the bytes arrive. Truncated data and data after the end are failures: a proxy or an
 * upstream that got confused must not pass for a short answer. The owner bounds what comes out; it comes in pieces, so a
 * bomb is seen long before it fills memory.
 */
export class BodyDecoder {
  /** It has asked its owner to hold the transport back. */
  isHeld = false
  readonly #coding: ContentCoding
  readonly #owner: DecoderOwner
  #inflater: Inflater | null = null
  #writtenBytes = 0
  #isPaused = false

  constructor(coding: ContentCoding, owner: DecoderOwner) {
    this.#coding = coding
    this.#owner = owner
  }

  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    const inflater = (this.#inflater ??= this.#open(chunk[0]))
    this.#writtenBytes += chunk.length
    // zlib works on another thread, and the chunk is only ours until we return.
    const hasRoom = inflater.write(Uint8Array.prototype.slice.call(chunk))
    if (hasRoom || this.isHeld) return
    this.isHeld = true
    this.#owner.onDecoderFlow(false)
  }

  end(): void {
    if (this.#inflater === null)
      this.#owner.onDecoderEnd() // an empty body is empty in every coding
    else this.#inflater.end()
  }

  pause(): void {
    this.#isPaused = true
    this.#inflater?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#inflater?.resume()
  }

  destroy(): void {
    this.#inflater?.destroy()
  }

  #open(firstByte: number): Inflater {
    const inflater = createInflater(this.#coding, firstByte)
    inflater.on('data', (chunk: Buffer) => this.#owner.onDecoded(chunk))
    inflater.on('drain', () => {
      this.isHeld = false
      this.#owner.onDecoderFlow(true)
    })
    inflater.on('error', (error: Error) => this.#owner.onDecoderFailure(`${this.#coding}: ${error.message}`))
    inflater.on('end', () => {
      if (inflater.bytesWritten === this.#writtenBytes) this.#owner.onDecoderEnd()
      else this.#owner.onDecoderFailure(`${this.#coding}: data after the end`)
    })
    if (this.#isPaused) inflater.pause()
    return inflater
  }
}

function createInflater(coding: ContentCoding, firstByte: number): Inflater {
  if (coding === 'gzip') return createGunzip({ chunkSize })
  if (coding === 'br') return createBrotliDecompress({ chunkSize })
  // RFC 9110 §8.4.1.2: deflate has a zlib header (its low nibble is 8), but some servers leave it out.
  return (firstByte & 0x0f) === 8 ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize })
}
