import { Failure } from '../../../core/failures.ts'
import type { SigV4Auth } from '../../../core/provider.ts'
import type { AuthParts, Clock } from '../authorizer.ts'
import { authFailure, guarded } from '../cause.ts'
import type { Fetch } from '../credential.ts'
import { readSmallFile } from '../small-file.ts'
import type { AwsCredentials } from './signer.ts'
import { askSts, awsCredentials } from './sts.ts'

/** Of the whole chain: a machine without any of its sources answers nothing, slowly. */
const chainTimeoutMs = 20_000

/** The first source that the settings name, and the role that is assumed with what it gives. */
export function awsSource(auth: SigV4Auth, parts: AuthParts, clock: Clock): Fetch<AwsCredentials> {
  const { accessKeyId, secretAccessKey, profile, roleArn, webIdentityTokenFile } = auth
  if (accessKeyId !== '' || secretAccessKey !== '') return assuming(auth, staticKeys(auth), parts, clock)
  if (profile === '' && webIdentityTokenFile !== '' && roleArn !== '') return webIdentity(auth, parts, clock)
  return assuming(auth, defaultChain(auth), parts, clock)
}

function staticKeys({ accessKeyId, secretAccessKey, sessionToken }: SigV4Auth): Fetch<AwsCredentials> {
  const credentials = awsCredentials(accessKeyId, secretAccessKey, sessionToken, Number.POSITIVE_INFINITY)
  return async () => credentials ?? authFailure('the AWS access key is incomplete or not one')
}

/** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html */
function webIdentity(auth: SigV4Auth, parts: AuthParts, clock: Clock): Fetch<AwsCredentials> {
  // The file is written anew long before the token in it ends, so it is read each time.
  return async () =>
    askSts(
      {
        action: 'AssumeRoleWithWebIdentity',
        ...stsOptions(auth),
        more: { WebIdentityToken: await readSmallFile(auth.webIdentityTokenFile) },
        signedWith: null,
      },
      parts,
      clock,
    )
}

function assuming(
  auth: SigV4Auth,
  source: Fetch<AwsCredentials>,
  parts: AuthParts,
  clock: Clock,
): Fetch<AwsCredentials> {
  // Next to a token file the role is the token's, whether or not that source was reached.
  if (auth.roleArn === '' || auth.webIdentityTokenFile !== '') return source
  const more = { ...(auth.externalId && { ExternalId: auth.externalId }) }
  return async () => {
    const found = await source()
    if (found instanceof Failure) return found
    return askSts({ action: 'AssumeRole', ...stsOptions(auth), more, signedWith: found.value }, parts, clock)
  }
}

const stsOptions = ({ region, stsEndpoint, roleArn, roleSessionName }: SigV4Auth) => ({
  region,
  endpoint: stsEndpoint ?? '',
  roleArn,
  sessionName: roleSessionName,
})

/** AWS's own chain: environment, SSO, shared files, `credential_process`, web identity, container, IMDSv2. */
function defaultChain({ region, profile }: SigV4Auth): Fetch<AwsCredentials> {
  return guarded('AWS credential chain', chainTimeoutMs, [], async () => {
    // Loaded by whoever needs it, as it takes megabytes. The default export: bundled, a CommonJS package has no other.
    const { defaultProvider } = (await import('@aws-sdk/credential-provider-node')).default
    const found = await defaultProvider({
      ...(profile !== '' && { profile }),
      clientConfig: { region },
      ignoreCache: true,
      ec2MetadataV1Disabled: true,
      timeout: 2_000,
      maxRetries: 2,
    })()
    const { accessKeyId, secretAccessKey, sessionToken = '', expiration } = found
    return (
      awsCredentials(accessKeyId, secretAccessKey, sessionToken, expiration?.getTime() ?? Number.NaN) ??
      authFailure('AWS credential chain: what it gave can not sign')
    )
  })
}
