import { createPrivateKey, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { Failure } from '../../core/failures.ts'
import type { JsonObject } from '../../core/json.ts'
import type { GoogleAuth } from '../../core/provider.ts'
import type { AuthParts, Clock } from './authorizer.ts'
import { authFailure, guarded } from './cause.ts'
import type { Fetch, Fetched } from './credential.ts'
import { readSmallFile } from './small-file.ts'
import { askForToken, bearerLine, credentialUrl, isHeaderSafe, parseObject } from './token-endpoint.ts'

const scope = 'https://www.googleapis.com/auth/cloud-platform'
const defaultTokenUrl = 'https://oauth2.googleapis.com/token'
const jwtLifeS = 3600
const libraryTimeoutMs = 20_000
const assumedLifeMs = 10 * 60_000

/** A service account's key is used by ourselves; what else Google has, its library knows. */
export function google(auth: GoogleAuth, parts: AuthParts, clock: Clock): Fetch<string> {
  const { credentials, userProject = '' } = auth
  if (credentials.trim() === '') return fromLibrary(null, userProject === '', clock)
  return guarded('Google credentials', 2 * libraryTimeoutMs, [], async () => {
    const isInline = credentials.trimStart().startsWith('{')
    const json = parseObject(isInline ? credentials : await readSmallFile(credentials))
    if (json === null) return authFailure('Google credentials: not a JSON object')
    if (json.type === 'service_account') return fromServiceAccount(json, parts, clock)
    return fromLibrary(json, userProject === '', clock)()
  })
}

/** https://developers.google.com/identity/protocols/oauth2/service-account#httprest */
async function fromServiceAccount(
  json: JsonObject,
  parts: AuthParts,
  clock: Clock,
): Promise<Fetched<string> | Failure> {
  const { client_email: email, private_key: pem, private_key_id: kid, token_uri: tokenUri } = json
  if (typeof email !== 'string' || typeof pem !== 'string')
    return authFailure('Google service account: client_email or private_key is missing')
  const audience = typeof tokenUri === 'string' && tokenUri !== '' ? tokenUri : defaultTokenUrl
  const url = credentialUrl(audience)
  if (url === null) return authFailure('Google service account: token_uri must be an https URL')
  const key = parseKey(pem)
  if (key === null) return authFailure('Google service account: private_key is not an RSA key in PEM')
  const iat = Math.floor(clock.now() / 1000)
  const unsigned = `${encode({ alg: 'RS256', typ: 'JWT', ...(typeof kid === 'string' && { kid }) })}.${encode({
    iss: email,
    sub: email,
    aud: audience,
    scope,
    iat,
    exp: iat + jwtLifeS,
  })}`
  // In the thread pool: a signature takes a millisecond, in which this thread carries other requests.
  const signature = await promisify(sign)('sha256', Buffer.from(unsigned), key)
  const assertion = `${unsigned}.${signature.toString('base64url')}`
  return askForToken(
    {
      what: `Google token endpoint ${url.host}`,
      method: 'POST',
      url: url.href,
      form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion },
      secrets: [assertion],
    },
    parts,
    clock.now,
  )
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function parseKey(pem: string) {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'rsa' ? key : null
  } catch {
    return null // the caller says that it is no key; OpenSSL's words would say no more
  }
}

/** `json` null: Application Default Credentials, as the environment and the machine have them. */
function fromLibrary(json: JsonObject | null, wantsProject: boolean, clock: Clock): Fetch<string> {
  const secrets = json === null ? [] : stringsOf(json)
  return guarded('Google credentials', libraryTimeoutMs, secrets, async () => {
    // Loaded by whoever needs it, as it takes megabytes. The default export: bundled, a CommonJS package has no other.
    const { GoogleAuth: Library } = (await import('google-auth-library')).default
    const given = json === null ? {} : { credentials: json }
    // A new one each time notices new files. No token depends on the project; without one it goes looking for it.
    const client = await new Library({ scopes: scope, projectId: 'none', ...given }).getClient()
    const { token } = await client.getAccessToken()
    if (typeof token !== 'string' || token === '' || !isHeaderSafe(token) || token.length > 16_384)
      return authFailure('Google credentials: no usable access token')
    const project = wantsProject ? (client.quotaProjectId ?? '') : ''
    const billed = project !== '' && isHeaderSafe(project) ? `${userProjectHeader}: ${project}\r\n` : ''
    const expiresAtMs = client.credentials.expiry_date ?? clock.now() + assumedLifeMs
    return { value: bearerLine(token) + billed, expiresAtMs }
  })
}

/** https://cloud.google.com/docs/quotas/set-quota-project */
export const userProjectHeader = 'x-goog-user-project'

const secretFields = ['client_secret', 'refresh_token', 'private_key']

function stringsOf(json: JsonObject): string[] {
  const { source_credentials: source } = json
  const inner = typeof source === 'object' && source !== null && !Array.isArray(source) ? stringsOf(source) : []
  return [...secretFields.map(name => json[name]).filter(value => typeof value === 'string'), ...inner]
}
