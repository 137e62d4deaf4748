import { createHash, createHmac } from 'node:crypto'

export interface SignedRequest {
  readonly method: string
  /** As it stood in the request line: path and query. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
  readonly secretAccessKey: string
  readonly region: string
  readonly service: string
  /** Of whoever receives it; no look at the clock without it. */
  readonly nowMs?: number
}

const form =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/

/** What AWS would have against a request that is signed in its headers; null for nothing. */
export function verifySigV4(request: SignedRequest): string | null {
  const header = (name: string): string => String(request.headers[name] ?? '')
  const match = form.exec(header('authorization'))
  if (match === null) return 'MissingAuthenticationToken: no signature of version 4'
  const [, , day, region, service, list, signature] = match
  const time = header('x-amz-date')
  if (!/^\d{8}T\d{6}Z$/.test(time)) return 'InvalidSignatureException: no x-amz-date'
  if (!time.startsWith(day)) return 'InvalidSignatureException: the date of the scope is not the date of the request'
  if (region !== request.region) return `InvalidSignatureException: signed for the region ${region}`
  if (service !== request.service) return `InvalidSignatureException: signed for the service ${service}`
  const names = list.split(';')
  const needed = ['host', 'x-amz-date', 'content-type', 'x-amz-security-token'].filter(name => header(name) !== '')
  const unsigned = needed.find(name => !names.includes(name))
  if (unsigned !== undefined) return `InvalidSignatureException: ${unsigned} is not signed`
  if (names.join() !== [...names].sort().join()) return 'InvalidSignatureException: the signed headers are not in order'
  if (request.nowMs !== undefined) {
    const signedMs = Date.parse(time.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5'))
    if (Math.abs(signedMs - request.nowMs) > 300_000) return `InvalidSignatureException: Signature expired: ${time}`
  }
  const headers = names.map(name => `${name}:${header(name).split(/\s+/).filter(Boolean).join(' ')}\n`).join('')
  const canonical = [request.method, ...target(request.url), headers, list, sha256(request.body)].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, `${day}/${region}/${service}/aws4_request`, sha256(canonical)].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${request.secretAccessKey}`),
  )
  const expected = createHmac('sha256', key).update(toSign).digest('hex')
  return expected === signature
    ? null
    : 'InvalidSignatureException: The request signature we calculated does not match the signature you provided.'
}

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

/** Octet by octet: unreserved characters stay, all others become `%XX`. */
const percentEncode = (octets: Buffer): string =>
  Array.from(octets, octet => {
    const character = String.fromCharCode(octet)
    return /[A-Za-z0-9_.~-]/.test(character) ? character : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')

/** Octet by octet: `%XX` becomes its octet. */
function octetsOf(text: string): Buffer {
  const octets: number[] = []
  for (let at = 0; at < text.length; at++) {
    const hex = text.slice(at + 1, at + 3)
    if (text[at] === '%' && /^[0-9a-fA-F]{2}$/.test(hex)) {
      octets.push(Number.parseInt(hex, 16))
      at += 2
    } else octets.push(text.charCodeAt(at))
  }
  return Buffer.from(octets)
}

function target(url: string): [path: string, query: string] {
  const [path, ...rest] = url.split('?')
  const segments: string[] = []
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(percentEncode(Buffer.from(segment, 'latin1')))
  }
  const tail = segments.length > 0 && path.endsWith('/') ? '/' : ''
  const parameters = rest
    .join('?')
    .split('&')
    .filter(part => part !== '')
    .map(part => {
      const [name, ...value] = part.split('=')
      return [percentEncode(octetsOf(name)), percentEncode(octetsOf(value.join('=')))]
    })
    .sort(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1))
  return [`/${segments.join('/')}${tail}`, parameters.map(([name, value]) => `${name}=${value}`).join('&')]
}
