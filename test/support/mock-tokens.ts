import assert from 'node:assert/strict'
import { createVerify, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { json, type MockAnswer, type MockRequest } from './mock-openai.ts'
import { verifySigV4 } from './verify-sigv4.ts'

/**
 * Token services as their vendors run them, each an answer for `startMockOpenAi`. They refuse what the vendor would
 * refuse, and count what they give, so that no two tokens are alike.
 */

const formOf = (request: MockRequest): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(request.body.toString('utf8')))

const refuse = (error: string, description = ''): string => JSON.stringify({ error, error_description: description })

export interface ServiceAccount {
  /** As Google hands it out. */
  readonly json: string
  readonly publicKey: KeyObject
  readonly email: string
}

export function serviceAccount(tokenUrl: string): ServiceAccount {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const email = 'gateway@p1.iam.gserviceaccount.com'
  const json = JSON.stringify({
    type: 'service_account',
    project_id: 'p1',
    private_key_id: 'k1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email,
    token_uri: tokenUrl,
  })
  return { json, publicKey, email }
}

/** `ya29.1`, `ya29.2`… for a good assertion. `nowMs` is the vendor's clock. */
export function googleTokens(account: () => ServiceAccount, nowMs: () => number): MockAnswer {
  let given = 0
  return (request, response) => {
    const { grant_type, assertion = '' } = formOf(request)
    if (grant_type !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      return json(response, 400, refuse('unsupported_grant_type', `Invalid grant_type: ${grant_type}`))
    const problem = jwtProblem(assertion, account(), nowMs())
    if (problem !== null) return json(response, 400, refuse('invalid_grant', problem))
    json(response, 200, JSON.stringify({ access_token: `ya29.${++given}`, expires_in: 3599, token_type: 'Bearer' }))
  }
}

function jwtProblem(assertion: string, { publicKey, email, json: key }: ServiceAccount, nowMs: number): string | null {
  const [header = '', claims = '', signature = ''] = assertion.split('.')
  const verified = createVerify('RSA-SHA256')
    .update(`${header}.${claims}`)
    .verify(publicKey, Buffer.from(signature, 'base64url'))
  if (!verified) return 'Invalid JWT Signature.'
  const decode = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString())
  const { alg, typ, kid } = decode(header)
  if (alg !== 'RS256' || typ !== 'JWT' || kid !== 'k1') return 'Invalid JWT: header'
  const { iss, sub, aud, scope, iat, exp } = decode(claims)
  if (iss !== email || sub !== email) return 'Invalid JWT: iss'
  if (aud !== JSON.parse(key).token_uri) return 'Invalid JWT: aud'
  if (scope !== 'https://www.googleapis.com/auth/cloud-platform') return 'Invalid OAuth scope'
  if (Math.abs(Number(iat) - nowMs / 1000) > 300 || Number(exp) - Number(iat) !== 3600)
    return 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.'
  return null
}

/** Google's metadata server. */
export const googleMetadata: MockAnswer = (request, response) => {
  if (request.headers['metadata-flavor'] !== 'Google') return json(response, 403, '{}')
  const headers = { 'metadata-flavor': 'Google' }
  if (!request.path.includes('/service-accounts/default/token')) return json(response, 200, '"p1"', headers)
  const token = { access_token: 'ya29.metadata', expires_in: 3599, token_type: 'Bearer' }
  json(response, 200, JSON.stringify(token), headers)
}

export const entraTenant = {
  tenant: 'tenant-1',
  client: 'client-1',
  secret: 'entra-secret-canary~1',
  federated: 'eyJ.federated.canary',
}

/** Entra's token endpoint for a client with a secret or a federated token. */
export function entraTokens(scope: string): MockAnswer {
  let given = 0
  return (request, response) => {
    const { tenant, client, secret, federated } = entraTenant
    const form = formOf(request)
    if (request.method !== 'POST' || request.path !== `/${tenant}/oauth2/v2.0/token`) return json(response, 404, '{}')
    const isProven =
      form.client_secret === secret ||
      (form.client_assertion === federated &&
        form.client_assertion_type === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    if (form.client_id !== client || !isProven)
      // Hostile on purpose: it says what it was sent.
      return json(response, 401, refuse('invalid_client', `AADSTS7000215: ${JSON.stringify(form)}`))
    if (form.grant_type !== 'client_credentials' || form.scope !== scope)
      return json(response, 400, refuse('invalid_scope'))
    json(response, 200, JSON.stringify({ token_type: 'Bearer', expires_in: 3599, access_token: `entra.${++given}` }))
  }
}

/** Managed identity, on a machine and in an App Service. */
export function managedIdentity(nowMs: () => number): MockAnswer {
  return (request, response) => {
    const url = new URL(request.path, 'http://localhost')
    const onMachine =
      url.pathname === '/metadata/identity/oauth2/token' &&
      request.headers.metadata === 'true' &&
      url.searchParams.get('api-version') === '2018-02-01'
    const inService =
      url.pathname === '/msi/token' &&
      request.headers['x-identity-header'] === 'identity-canary' &&
      url.searchParams.get('api-version') === '2019-08-01'
    if (!onMachine && !inService)
      return json(response, 400, refuse('invalid_request', 'Required metadata header not specified'))
    const resource = url.searchParams.get('resource')
    const client = url.searchParams.get('client_id') ?? 'system'
    // Numbers are strings here, and `expires_in` counts from when the token was made.
    const expires = { expires_in: '86399', expires_on: String(Math.floor(nowMs() / 1000) + 7200) }
    json(
      response,
      200,
      JSON.stringify({ access_token: `managed.${client}`, ...expires, resource, token_type: 'Bearer' }),
    )
  }
}

export const databricksClient = { id: 'c0ffee00-1111-2222-3333-444455556666', secret: 'dose0123456789abcdef' }

export function databricksTokens(): MockAnswer {
  let given = 0
  return (request, response) => {
    const basic = Buffer.from(`${databricksClient.id}:${databricksClient.secret}`).toString('base64')
    if (request.headers.authorization !== `Basic ${basic}`)
      return json(response, 401, refuse('invalid_client', 'Client authentication failed'))
    const { grant_type, scope } = formOf(request)
    if (request.path !== '/oidc/v1/token' || grant_type !== 'client_credentials' || scope !== 'all-apis')
      return json(response, 400, refuse('invalid_request'))
    json(response, 200, JSON.stringify({ access_token: `dbx.${++given}`, token_type: 'Bearer', expires_in: 3600 }))
  }
}

export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
}

/** Never the same twice. */
export function awsKeys(source: string, number: number): AwsKeys {
  const name = source.toUpperCase()
  return {
    accessKeyId: `ASIA${name}${number}`,
    secretAccessKey: `secret-canary-${source}-${number}`,
    sessionToken: `session-canary-${source}-${number}+/=`,
  }
}

export interface StsOptions {
  readonly region: string
  readonly nowMs: () => number
  /** Who may call AssumeRole. */
  readonly callers: () => readonly AwsKeys[]
  readonly webIdentityToken: string
  readonly externalId?: string
}

export function sts({ region, nowMs, callers, webIdentityToken, externalId = '' }: StsOptions): MockAnswer {
  let given = 0
  return (request, response) => {
    const form = formOf(request)
    const problem =
      form.Action === 'AssumeRoleWithWebIdentity'
        ? form.WebIdentityToken === webIdentityToken
          ? null
          : `InvalidIdentityToken: no such token: ${form.WebIdentityToken}`
        : callerProblem(request, region, callers())
    const refused = problem ?? ((form.ExternalId ?? '') === externalId ? null : 'AccessDenied: external id')
    const [code, message] = refused?.split(/: (.*)/s) ?? []
    response.setHeader('content-type', 'text/xml')
    if (refused !== null) {
      response.statusCode = 403
      response.end(
        `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
      )
      return
    }
    assert.equal(form.Version, '2011-06-15')
    assert.match(form.RoleArn, /^arn:aws:iam::123456789012:role\//)
    const keys = awsKeys('sts', ++given)
    const expiration = new Date(nowMs() + 3_600_000).toISOString()
    response.end(
      `<${form.Action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${form.Action}Result>` +
        `<AssumedRoleUser><Arn>${form.RoleArn}/${form.RoleSessionName}</Arn></AssumedRoleUser><Credentials>` +
        `<AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey>` +
        `<SessionToken>${keys.sessionToken}</SessionToken><Expiration>${expiration}</Expiration>` +
        `</Credentials></${form.Action}Result></${form.Action}Response>`,
    )
  }
}

function callerProblem(request: MockRequest, region: string, callers: readonly AwsKeys[]): string | null {
  const caller = callers.find(({ accessKeyId }) => request.headers.authorization?.includes(`=${accessKeyId}/`))
  if (caller === undefined) return 'InvalidClientTokenId: The security token included in the request is invalid.'
  if ((request.headers['x-amz-security-token'] ?? '') !== caller.sessionToken) return 'InvalidClientTokenId: session'
  const { method, path, headers, body } = request
  const { secretAccessKey } = caller
  return verifySigV4({ method, url: path, headers, body, secretAccessKey, region, service: 'sts' })
}

/** What the container and instance endpoints say of keys. */
const keysAnswer = ({ accessKeyId, secretAccessKey, sessionToken }: AwsKeys, expiresMs: number): string =>
  JSON.stringify({
    Code: 'Success',
    Type: 'AWS-HMAC',
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: new Date(expiresMs).toISOString(),
  })

/** The instance metadata service, version 2 only. */
export function instanceMetadata(keys: AwsKeys, expiresMs: () => number): MockAnswer {
  const role = '/latest/meta-data/iam/security-credentials/'
  return (request, response) => {
    if (request.method === 'PUT' && request.path === '/latest/api/token') {
      if (request.headers['x-aws-ec2-metadata-token-ttl-seconds'] === undefined) return json(response, 400, '')
      response.end('imds-token')
      return
    }
    if (request.headers['x-aws-ec2-metadata-token'] !== 'imds-token') return json(response, 401, '')
    if (request.path === role) response.end('gateway-role')
    else if (request.path === `${role}gateway-role`) json(response, 200, keysAnswer(keys, expiresMs()))
    else json(response, 404, '')
  }
}

/** The endpoint of ECS tasks and EKS pods. */
export function containerCredentials(keys: AwsKeys, token: string, expiresMs: () => number): MockAnswer {
  return (request, response) => {
    if (request.path !== '/creds' || request.headers.authorization !== token) return json(response, 403, '{}')
    json(response, 200, keysAnswer(keys, expiresMs()))
  }
}
