import type { ClientCredentialsAuth } from '../../core/provider.ts'
import type { AuthParts, Clock } from './authorizer.ts'
import { authFailure } from './cause.ts'
import type { Fetch } from './credential.ts'
import { askForToken, credentialUrl } from './token-endpoint.ts'

/** RFC 6749 §2.3.1: both are form-encoded before they become Basic credentials. */
const formEncode = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)

/** https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m */
export function clientCredentials(auth: ClientCredentialsAuth, parts: AuthParts, clock: Clock): Fetch<string> {
  const { tokenUrl, clientId, clientSecret, scope } = auth
  const basic = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
  return async () => {
    const url = credentialUrl(tokenUrl)
    if (url === null) return authFailure('the token URL must be an https URL')
    return askForToken(
      {
        what: `token endpoint ${url.host}`,
        method: 'POST',
        url: url.href,
        headers: [['authorization', `Basic ${basic}`]],
        form: { grant_type: 'client_credentials', ...(scope !== '' && { scope }) },
        secrets: [clientSecret, basic],
      },
      parts,
      clock.now,
    )
  }
}
