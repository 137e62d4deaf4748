import { createHmac, hash } from 'node:crypto'
import type { AuthorizedRequest } from '../authorizer.ts'
import { canonicalTarget } from './canonical.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** '' for keys that don't expire. */
  readonly sessionToken: string
}

const algorithm = 'AWS4-HMAC-SHA256'
/** Paths hold model ids, which come from clients. */
const maxTargets = 256

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** SHA-256 of a body in hex. */
export const payloadHash = (body: Uint8Array | null): string => hash('sha256', body ?? '', 'hex')

/**
 * Signature Version 4 for one service in one region: what requests have in common (the date, the signing key of the
 * day, the canonical form of a path) is worked out once.
 */
export class Signer {
  readonly #service: string
  readonly #scopeEnd: string
  readonly #region: string
  readonly #targets = new Map<string, string>()
  #second = Number.NaN
  /** `20260115T120000Z` */
  #time = ''
  #keyDay = ''
  #keyOwner: AwsCredentials | null = null
  #key: Buffer = Buffer.alloc(0)

  constructor(service: string, region: string) {
    this.#service = service
    this.#region = region
    this.#scopeEnd = `/${region}/${service}/aws4_request`
  }

  /** Header lines that sign the request, `bodyHash` its body, as of `nowMs`. */
  sign(request: AuthorizedRequest, bodyHash: string, credentials: AwsCredentials, nowMs: number): string {
    const time = this.#timeOf(nowMs)
    const day = time.slice(0, 8)
    const { sessionToken } = credentials
    const hasType = request.contentType !== ''
    const names = `${hasType ? 'content-type;' : ''}host;x-amz-date${sessionToken === '' ? '' : ';x-amz-security-token'}`
    const canonical =
      `${request.method}\n${this.#targetOf(request.path)}\n` +
      (hasType ? `content-type:${collapse(request.contentType)}\n` : '') +
      `host:${collapse(request.host)}\nx-amz-date:${time}\n` +
      (sessionToken === '' ? '' : `x-amz-security-token:${sessionToken}\n`) +
      `\n${names}\n${bodyHash}`
    const toSign = `${algorithm}\n${time}\n${day}${this.#scopeEnd}\n${hash('sha256', canonical, 'hex')}`
    const signature = createHmac('sha256', this.#keyFor(day, credentials)).update(toSign).digest('hex')
    return (
      `x-amz-date: ${time}\r\n` +
      (sessionToken === '' ? '' : `x-amz-security-token: ${sessionToken}\r\n`) +
      `authorization: ${algorithm} Credential=${credentials.accessKeyId}/${day}${this.#scopeEnd}, ` +
      `SignedHeaders=${names}, Signature=${signature}\r\n`
    )
  }

  #timeOf(nowMs: number): string {
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#time = new Date(second * 1000).toISOString().replace(/[-:]|\.000/g, '')
    }
    return this.#time
  }

  #targetOf(path: string): string {
    let target = this.#targets.get(path)
    if (target === undefined) {
      target = canonicalTarget(path)
      if (this.#targets.size >= maxTargets) this.#targets.clear()
      this.#targets.set(path, target)
    }
    return target
  }

  #keyFor(day: string, credentials: AwsCredentials): Buffer {
    if (day !== this.#keyDay || credentials !== this.#keyOwner) {
      const ofRegion = hmac(hmac(`AWS4${credentials.secretAccessKey}`, day), this.#region)
      this.#key = hmac(hmac(ofRegion, this.#service), 'aws4_request')
      this.#keyDay = day
      this.#keyOwner = credentials
    }
    return this.#key
  }
}

const collapse = (value: string): string => (/^\s|\s\s|\s$/.test(value) ? value.trim().replace(/\s+/g, ' ') : value)
