import { Failure } from '../core/failures.ts'
import type { Origin, UpstreamHandler } from './upstream.ts'

/** One request whose answer is wanted whole: rare, and not on anybody's data path. */
export interface FetchOptions {
  readonly timeoutMs: number
  readonly maxBytes: number
}

export interface Fetched {
  readonly status: number
  readonly location: string
  readonly body: Buffer
}

export function fetchWhole(
  origin: Origin,
  path: string,
  headers: readonly (readonly [string, string])[],
  { timeoutMs, maxBytes }: FetchOptions,
): Promise<Fetched | Failure> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let [status, location] = [0, '']
    const handler: UpstreamHandler = {
      onSent() {},
      onHead(code, fields, whole) {
        status = code
        location = fields.get('location')
        if (whole !== null) chunks.push(Buffer.from(whole))
      },
      onData: chunk => void chunks.push(Buffer.from(chunk)),
      onEnd: () => resolve({ status, location, body: Buffer.concat(chunks) }),
      onFailure: resolve,
    }
    try {
      const head = origin.prepare('GET', path, headers)
      origin.send(
        {
          head,
          trace: null,
          spanId: '',
          extraHeaders: '',
          body: null,
          maxBodyBytes: maxBytes,
          firstByteTimeoutMs: timeoutMs,
          idleTimeoutMs: timeoutMs,
          totalTimeoutMs: timeoutMs,
        },
        handler,
      )
    } catch (error) {
      // A header that can't be sent.
      resolve(new Failure('upstream_unreachable', { cause: error instanceof Error ? error.message : String(error) }))
    }
  })
}
