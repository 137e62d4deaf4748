import type { EntraAuth } from '../../core/provider.ts'
import type { AuthParts, Clock } from './authorizer.ts'
import { authFailure } from './cause.ts'
import type { Fetch } from './credential.ts'
import { readSmallFile } from './small-file.ts'
import { askForToken, credentialUrl, isHeaderSafe } from './token-endpoint.ts'

const publicAuthority = 'https://login.microsoftonline.com'
const instanceMetadata = 'http://169.254.169.254'

export function entra(auth: EntraAuth, parts: AuthParts, clock: Clock): Fetch<string> {
  if (auth.clientSecret !== '')
    return fromAuthority(auth, parts, clock, async () => ({ client_secret: auth.clientSecret }))
  if (auth.federatedTokenFile !== '') return fromAuthority(auth, parts, clock, () => assertion(auth.federatedTokenFile))
  return auth.identityEndpoint ? appServiceIdentity(auth, parts, clock) : machineIdentity(auth, parts, clock)
}

/** The file is written anew long before the token in it ends, so it is read each time. */
async function assertion(file: string): Promise<Record<string, string>> {
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await readSmallFile(file),
  }
}

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
function fromAuthority(
  { tenantId, clientId, authorityHost, scope }: EntraAuth,
  parts: AuthParts,
  clock: Clock,
  proof: () => Promise<Record<string, string>>,
): Fetch<string> {
  return async () => {
    const authority = credentialUrl(authorityHost || publicAuthority)
    if (authority === null) return authFailure('the Entra authority must be an https URL')
    if (!/^[\w.-]+$/.test(tenantId) || clientId === '') return authFailure('Entra needs a tenant id and a client id')
    const proven = await proof()
    return askForToken(
      {
        what: `Entra token endpoint ${authority.host}`,
        method: 'POST',
        url: `${authority.href.replace(/\/+$/, '')}/${tenantId}/oauth2/v2.0/token`,
        form: { grant_type: 'client_credentials', client_id: clientId, scope, ...proven },
        secrets: Object.values(proven),
      },
      parts,
      clock.now,
    )
  }
}

/** https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
function machineIdentity(auth: EntraAuth, parts: AuthParts, clock: Clock): Fetch<string> {
  return () =>
    askManaged('Azure instance metadata', parts, clock, {
      url: `${auth.metadataHost || instanceMetadata}/metadata/identity/oauth2/token`,
      query: { 'api-version': '2018-02-01', ...managedQuery(auth) },
      header: ['metadata', 'true'],
    })
}

/** https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference */
function appServiceIdentity(auth: EntraAuth, parts: AuthParts, clock: Clock): Fetch<string> {
  return async () => {
    const secret = auth.identityHeader ?? ''
    if (secret === '' || !isHeaderSafe(secret)) return authFailure('IDENTITY_ENDPOINT is given without IDENTITY_HEADER')
    return askManaged('App Service identity', parts, clock, {
      url: auth.identityEndpoint!,
      query: { 'api-version': '2019-08-01', ...managedQuery(auth) },
      header: ['x-identity-header', secret],
    })
  }
}

/** A managed identity is asked for by resource, which is the scope without its last part. */
const managedQuery = ({ scope, clientId }: EntraAuth): Record<string, string> => ({
  resource: scope.replace(/\/\.default$/, ''),
  ...(clientId !== '' && { client_id: clientId }),
})

interface ManagedRequest {
  readonly url: string
  readonly query: Record<string, string>
  readonly header: readonly [name: string, value: string]
}

async function askManaged(what: string, parts: AuthParts, clock: Clock, { url, query, header }: ManagedRequest) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return authFailure(`${what}: not a URL`)
  const full = new URL(url)
  for (const [name, value] of Object.entries(query)) full.searchParams.set(name, value)
  return askForToken(
    // The machine's own: never by way of a proxy.
    { what, method: 'GET', url: full.href, headers: [header], secrets: [header[1]] },
    { ...parts, proxy: '' },
    clock.now,
  )
}
