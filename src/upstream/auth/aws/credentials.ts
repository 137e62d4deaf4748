import { Failure } from '../../../core/failures.ts'
import type { SigV4Auth } from '../../../core/provider.ts'
import type { AuthParts, Clock } from '../authorizer.ts'
import { authFailure, guarded } from '../cause.ts'
import type { Fetch, Fetched } from '../credential.ts'
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

/** What needs no fetching: given keys that sign by themselves. Else null. */
export function givenKeys(auth: SigV4Auth): Fetched<AwsCredentials> | null {
  const { accessKeyId, secretAccessKey, sessionToken, roleArn, webIdentityTokenFile } = auth
  if (roleArn !== '' && webIdentityTokenFile === '') return null
  return awsCredentials(accessKeyId, secretAccessKey, sessionToken, Number.POSITIVE_INFINITY)
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
    const reasons = new Reasons()
    const provide = defaultProvider({
      ...(profile !== '' && { profile }),
      clientConfig: { region },
      ignoreCache: true,
      ec2MetadataV1Disabled: true,
      timeout: 2_000,
      maxRetries: 2,
      logger: reasons,
    })
    const found = await provide().catch(error => reasons.extend(error))
    const { accessKeyId, secretAccessKey, sessionToken = '', expiration } = found
    return (
      awsCredentials(accessKeyId, secretAccessKey, sessionToken, expiration?.getTime() ?? Number.NaN) ??
      authFailure('AWS credential chain: what it gave can not sign')
    )
  })
}

/** Why each link of the chain had nothing: the error at its end says only that none had. */
class Reasons {
  readonly #found: string[] = []

  /** `@smithy/property-provider -> Could not read profile x` */
  readonly debug = (text: unknown): void => {
    const reason = typeof text === 'string' ? /^\S+ (?:->|\(!\)) (.*)/s.exec(text)?.[1] : undefined
    if (reason === undefined || this.#found.length >= 12) return
    // The whole command line, and what the program wrote.
    this.#found.push(reason.startsWith('Command failed') ? 'the command failed' : reason.replace(/\.?$/, ''))
  }
  readonly trace = (): void => undefined
  readonly info = (): void => undefined
  readonly warn = (): void => undefined
  readonly error = (): void => undefined

  extend(error: unknown): never {
    const message = error instanceof Error ? error.message : 'failed'
    const others = this.#found.filter(reason => reason !== message)
    throw new Error(others.length === 0 ? message : `${message}: ${others.join('; ')}`)
  }
}
