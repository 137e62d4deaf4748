import { Failure } from '../../core/failures.ts'
import { isObject, type JsonObject } from '../../core/json.ts'
import type { OriginOptions } from '../upstream.ts'
import type { AuthParts } from './authorizer.ts'
import { authFailure, quote } from './cause.ts'
import type { Fetched } from './credential.ts'

/** A call of a token endpoint. */
export interface TokenRequest {
  /** For the log: which endpoint. */
  readonly what: string
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
  readonly form?: Readonly<Record<string, string>>
  /** Never quoted from the answer. */
  readonly secrets: readonly string[]
}

export interface Answer {
  readonly status: number
  readonly text: string
}

const connectTimeoutMs = 5_000
const totalTimeoutMs = 10_000
const maxAnswerBytes = 256 * 1024

/** Credentials go out encrypted, or stay on the machine. null: not a URL for them. */
export function credentialUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return null
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)) ? url : null
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)

/** The status and the whole body, whatever they are; a failure when there was no complete answer. */
export function ask(request: TokenRequest, { upstream, proxy, ca }: AuthParts): Promise<Answer | Failure> {
  const url = new URL(request.url)
  const isSecure = url.protocol === 'https:'
  const body = request.form === undefined ? null : Buffer.from(new URLSearchParams(request.form).toString())
  const fields: (readonly [string, string])[] = [['accept', 'application/json'], ...(request.headers ?? [])]
  if (body !== null) fields.push(['content-type', 'application/x-www-form-urlencoded'])
  const fail = (cause: string): Failure => authFailure(`${request.what}: ${cause}`)
  return new Promise(resolve => {
    const origin = upstream.origin(originOptions(url, isSecure && !isLoopback(url.hostname) ? (proxy ?? '') : '', ca))
    const pieces: Buffer[] = []
    let status = 0
    const end = (): void => resolve({ status, text: Buffer.concat(pieces).toString('utf8') })
    origin.send(
      {
        head: origin.prepare(request.method, url.pathname + url.search, fields),
        trace: null,
        spanId: '',
        extraHeaders: '',
        body,
        maxBodyBytes: maxAnswerBytes,
        firstByteTimeoutMs: totalTimeoutMs,
        idleTimeoutMs: totalTimeoutMs,
        totalTimeoutMs,
      },
      {
        onSent() {},
        onHead(code, _headers, whole) {
          status = code
          if (whole !== null) pieces.push(Buffer.from(whole))
        },
        onData: chunk => pieces.push(Buffer.from(chunk)),
        onEnd: end,
        onFailure: failure => resolve(fail(quote(failure.details.cause ?? failure.message, request.secrets))),
      },
    )
  })
}

const originOptions = (url: URL, proxy: string, ca: readonly string[] | undefined): OriginOptions => ({
  url: url.origin,
  maxConnections: 8,
  maxQueue: 64,
  connectTimeoutMs,
  idleTimeoutMs: 5_000,
  maxConnectionAgeMs: 60_000,
  maxHeadBytes: 16 * 1024,
  retryStale: true,
  http2: false,
  proxy,
  tls: ca === undefined || ca.length === 0 ? null : { ca },
})

/** The answer of an endpoint that gives OAuth tokens, as header lines. */
export async function askForToken(
  request: TokenRequest,
  parts: AuthParts,
  nowMs: () => number,
): Promise<Fetched<string> | Failure> {
  const answer = await ask(request, parts)
  if (answer instanceof Failure) return answer
  const body = parseObject(answer.text)
  if (answer.status !== 200) return refusal(request, answer, body)
  if (body === null) return authFailure(`${request.what}: the answer is not a JSON object`)
  const token = parseToken(body, nowMs())
  return typeof token === 'string' ? authFailure(`${request.what}: ${token}`) : token
}

export function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null // not JSON: the caller says what it makes of that
  }
}

/** RFC 6749 §5.2, and what metadata services say instead. */
function refusal({ what, secrets }: TokenRequest, { status, text }: Answer, body: JsonObject | null): Failure {
  const said =
    body === null
      ? text.slice(0, 200)
      : [body.error, body.error_description, body.message].filter(part => typeof part === 'string').join(': ')
  return authFailure(`${what}: status ${status}${said === '' ? '' : `, ${quote(said, secrets)}`}`)
}

const assumedLifeS = 600
const longestLifeS = 86_400

/** RFC 6749 §5.1; `expires_on` (seconds since the epoch) is Azure's. Its numbers may be strings. The problem, in words. */
function parseToken(body: JsonObject, nowMs: number): Fetched<string> | string {
  const { access_token: token, token_type: type } = body
  if (typeof token !== 'string' || token === '') return 'the answer has no access_token'
  if (!isHeaderSafe(token) || token.length > 16_384) return 'the access_token can not stand in a header'
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer') return 'the token is not a bearer token'
  // A metadata service counts `expires_in` from when the token was made, which may be long ago.
  const on = toNumber(body.expires_on)
  const lifeS = on > 0 ? on - nowMs / 1000 : toNumber(body.expires_in)
  const boundedS = Number.isNaN(lifeS) ? assumedLifeS : Math.min(Math.max(lifeS, 0), longestLifeS)
  return { value: bearerLine(token), expiresAtMs: nowMs + boundedS * 1000 }
}

export const bearerLine = (token: string): string => `authorization: Bearer ${token}\r\n`
export const isHeaderSafe = (value: string): boolean => /^[\x21-\x7e]*$/.test(value)

const toNumber = (value: unknown): number =>
  typeof value === 'number' ? value : typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
