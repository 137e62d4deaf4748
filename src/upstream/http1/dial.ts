import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net'
import type * as tls from 'node:tls'
import { secureContextOptions } from '../tls.ts'
import type { OriginOptions } from '../upstream.ts'

export type ReadListener = (bytes: Buffer, length: number) => void

const readBufferBytes = 64 * 1024

/** libuv reads into it right before the callback, so all sockets of a thread share one. */
let sharedReadBuffer: Buffer | null = null

/** On Windows a read is under way while the loop turns: there each socket needs a buffer of its own. */
function readBuffer(): Buffer {
  if (process.platform === 'win32') return Buffer.allocUnsafeSlow(readBufferBytes)
  return (sharedReadBuffer ??= Buffer.allocUnsafeSlow(readBufferBytes))
}

/** Opens the connections of one origin. */
export class Dialer {
  /** Emitted by the socket when it can carry a request. */
  readonly readyEvent: 'connect' | 'secureConnect'
  readonly #host: string
  readonly #port: number
  readonly #options: OriginOptions
  /** Loaded only when some origin is https: it takes megabytes, in each thread. */
  readonly #tls: typeof tls | null
  #secureContext: tls.SecureContext | null = null
  /** The last ticket the origin gave: the next connection resumes it and saves a round trip and a signature. */
  #session: Buffer | undefined

  constructor(url: URL, options: OriginOptions) {
    const isSecure = url.protocol === 'https:'
    this.#tls = isSecure ? process.getBuiltinModule('node:tls') : null
    this.readyEvent = isSecure ? 'secureConnect' : 'connect'
    this.#host = url.hostname.replace(/^\[|\]$/g, '')
    this.#port = Number(url.port) || (isSecure ? 443 : 80)
    this.#options = options
  }

  /** Throws when certificate or key can't be read. */
  dial(onRead: ReadListener): Socket {
    const buffer = readBuffer()
    const onread: OnReadOpts = {
      buffer,
      callback: length => {
        onRead(buffer, length)
        return true
      },
    }
    const options = {
      host: this.#host,
      port: this.#port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      onread,
    }
    return this.#tls === null ? connectPlain(options) : this.#dialSecure(this.#tls, options)
  }

  /** A resumption that failed must not be tried again. */
  forgetSession(): void {
    this.#session = undefined
  }

  #dialSecure({ connect, createSecureContext }: typeof tls, options: tls.ConnectionOptions): Socket {
    const settings = this.#options.tls
    this.#secureContext ??= createSecureContext(secureContextOptions(settings))
    const socket = connect({
      ...options,
      secureContext: this.#secureContext,
      // SNI carries no addresses (RFC 6066 §3).
      servername: settings?.servername || (isIP(this.#host) === 0 ? this.#host : ''),
      rejectUnauthorized: settings?.rejectUnauthorized !== false,
      ALPNProtocols: ['http/1.1'],
      ...(this.#session ? { session: this.#session } : {}),
    })
    socket.on('session', session => {
      this.#session = session
    })
    return socket
  }
}
