import type { Auth, EntraAuth, Setting } from '../src/core/provider.ts'

/**
 * What Microsoft's own libraries read of the environment, for services that are asked with a token in place of a key.
 * https://learn.microsoft.com/azure/developer/go/sdk/authentication/credential-chains, https://azure.github.io/azure-workload-identity
 */
export const entraSettings = {
  tenantId: { env: 'AZURE_TENANT_ID', required: false, help: 'Entra ID, in place of a key' },
  clientId: { env: 'AZURE_CLIENT_ID', required: false, help: 'the app registration, or the managed identity to use' },
  clientSecret: { env: 'AZURE_CLIENT_SECRET', secret: true, required: false },
  federatedTokenFile: { env: 'AZURE_FEDERATED_TOKEN_FILE', required: false, help: 'workload identity' },
  authorityHost: { env: 'AZURE_AUTHORITY_HOST', required: false, help: 'of another cloud than the public one' },
  identityEndpoint: { env: 'IDENTITY_ENDPOINT', required: false, help: 'managed identity of an App Service' },
  identityHeader: { env: 'IDENTITY_HEADER', secret: true, required: false },
  metadataHost: { env: 'AZURE_POD_IDENTITY_AUTHORITY_HOST', required: false, help: 'of the instance metadata service' },
} satisfies Record<string, Setting>

/** A key, or what asks for a token in its place. */
export const keyOrEntra = ['apiKey', 'auth', 'tenantId']

export const authHelp = '`entra`: a token even where there is a key, or the managed identity of the machine'

type EntraSettings = { readonly [name in keyof typeof entraSettings]: string }

interface KeyOrToken extends EntraSettings {
  readonly apiKey: string
  /** `entra`, `key` or ''. */
  readonly auth: string
  readonly scope: string
}

/** A key wins, unless the operator says otherwise. */
export function keyOrToken(settings: KeyOrToken): Auth {
  const { apiKey, auth, tenantId, clientId, clientSecret, federatedTokenFile, authorityHost, scope } = settings
  if (auth !== 'entra' && (auth || apiKey || !tenantId)) return { scheme: 'header', name: 'api-key', value: apiKey }
  const { identityEndpoint, identityHeader, metadataHost } = settings
  return {
    scheme: 'entra',
    tenantId,
    clientId,
    clientSecret,
    federatedTokenFile,
    authorityHost,
    scope,
    ...(identityEndpoint && { identityEndpoint, identityHeader }),
    ...(metadataHost && { metadataHost }),
  } satisfies EntraAuth
}

/** Throws for a choice that is none, in words for whoever wrote the config. */
export function checkChoice({ auth, apiKey, tenantId, clientSecret, federatedTokenFile }: KeyOrToken): void {
  if (auth && auth !== 'key' && auth !== 'entra') throw new Error('auth must be key or entra')
  if (auth === 'key' && !apiKey) throw new Error('auth is key, and there is no api_key')
  if ((clientSecret || federatedTokenFile) && auth === 'entra' && !tenantId)
    throw new Error('tenant_id is needed next to client_secret or federated_token_file')
}
