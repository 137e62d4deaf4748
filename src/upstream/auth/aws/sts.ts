import { Failure } from '../../../core/failures.ts'
import type { AuthParts, Clock } from '../authorizer.ts'
import { authFailure, quote } from '../cause.ts'
import type { Fetched } from '../credential.ts'
import { ask, credentialUrl, isHeaderSafe } from '../token-endpoint.ts'
import { type AwsCredentials, payloadHash, Signer } from './signer.ts'

export interface StsRequest {
  readonly region: string
  /** '' = the region's. */
  readonly endpoint: string
  readonly action: 'AssumeRole' | 'AssumeRoleWithWebIdentity'
  readonly roleArn: string
  /** '' = `ferrite` */
  readonly sessionName: string
  readonly more: Readonly<Record<string, string>>
  /** null: the request carries its own proof. */
  readonly signedWith: AwsCredentials | null
}

const suffixes = [
  ['cn-', 'amazonaws.com.cn'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['us-iso-', 'c2s.ic.gov'],
  ['', 'amazonaws.com'],
] as const

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html; the answer is XML. */
export async function askSts(
  request: StsRequest,
  parts: AuthParts,
  clock: Clock,
): Promise<Fetched<AwsCredentials> | Failure> {
  const { action, region, signedWith, more } = request
  if (!/^[a-z0-9-]+$/.test(region)) return authFailure(`${action}: the region is not one`)
  const suffix = suffixes.find(([prefix]) => region.startsWith(prefix))![1]
  const url = credentialUrl(request.endpoint || `https://sts.${region}.${suffix}`)
  if (url === null) return authFailure(`${action}: the endpoint must be an https URL`)
  const form = {
    Action: action,
    Version: '2011-06-15',
    RoleArn: request.roleArn,
    RoleSessionName: request.sessionName || 'ferrite',
    ...more,
  }
  const secrets = [
    ...Object.values(more),
    ...(signedWith === null ? [] : [signedWith.secretAccessKey, signedWith.sessionToken]),
  ]
  const what = `${action} at ${url.host}`
  const headers = signedWith === null ? [] : sign(url, form, region, signedWith, clock.now())
  const answer = await ask({ what, method: 'POST', url: url.href, headers, form, secrets }, parts)
  if (answer instanceof Failure) return answer
  if (answer.status !== 200) {
    const said = [field(answer.text, 'Code'), field(answer.text, 'Message')].filter(part => part !== '').join(': ')
    return authFailure(`${what}: status ${answer.status}${said === '' ? '' : `, ${quote(said, secrets)}`}`)
  }
  return parseCredentials(answer.text) ?? authFailure(`${what}: the answer holds no credentials`)
}

function sign(url: URL, form: Record<string, string>, region: string, credentials: AwsCredentials, nowMs: number) {
  const body = Buffer.from(new URLSearchParams(form).toString())
  const contentType = 'application/x-www-form-urlencoded'
  const request = { method: 'POST', host: url.host, path: url.pathname + url.search, contentType, body, nowMs }
  const lines = new Signer('sts', region).sign(request, payloadHash(body), credentials, nowMs)
  return lines
    .trimEnd()
    .split('\r\n')
    .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const)
}

function parseCredentials(xml: string): Fetched<AwsCredentials> | null {
  return awsCredentials(
    field(xml, 'AccessKeyId'),
    field(xml, 'SecretAccessKey'),
    field(xml, 'SessionToken'),
    Date.parse(field(xml, 'Expiration')),
  )
}

/** null: they can't be used, as they would break a header or are incomplete. `expiresAtMs` NaN: unknown. */
export function awsCredentials(
  accessKeyId: string,
  secretAccessKey: string,
  sessionToken: string,
  expiresAtMs: number,
): Fetched<AwsCredentials> | null {
  if (!/^\w{1,128}$/.test(accessKeyId) || secretAccessKey === '' || secretAccessKey.length > 1024) return null
  if (!isHeaderSafe(sessionToken) || sessionToken.length > 16_384) return null
  return {
    value: { accessKeyId, secretAccessKey, sessionToken },
    expiresAtMs: Number.isNaN(expiresAtMs) ? Number.POSITIVE_INFINITY : expiresAtMs,
  }
}

/** The text of the first element of that name; '' when there is none. */
function field(xml: string, name: string): string {
  const start = xml.indexOf(`<${name}>`)
  if (start < 0) return ''
  const end = xml.indexOf(`</${name}>`, start)
  return end < 0 ? '' : xml.slice(start + name.length + 2, end).trim()
}
