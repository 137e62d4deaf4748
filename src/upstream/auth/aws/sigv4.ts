import { Failure } from '../../../core/failures.ts'
import type { SigV4Auth } from '../../../core/provider.ts'
import type { AuthorizedRequest, Authorizer, Clock, Rejection } from '../authorizer.ts'
import type { Credential } from '../credential.ts'
import { type AwsCredentials, payloadHash, Signer } from './signer.ts'

/** AWS takes signatures up to five minutes old, or early. */
const skewWorthMs = 60_000
/** A clock further off than any time zone is not corrected: that would sign a request for another day to replay. */
const longestSkewMs = 24 * 3_600_000

/** What a refusal says of our clock. */
const skewCodes = ['InvalidSignatureException', 'RequestExpired', 'RequestTimeTooSkewed', 'SignatureDoesNotMatch']
/** What it says of the credentials. `InvalidSignatureException` also means a secret that was replaced. */
const credentialCodes = [
  'ExpiredToken',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'MissingAuthenticationToken',
]

export class SigV4Authorizer implements Authorizer {
  readonly fixed = []
  readonly readsBody = true
  readonly authorize: (request: AuthorizedRequest) => string | Failure | Promise<string | Failure>
  readonly #signer: Signer
  readonly #credential: Credential<AwsCredentials>
  readonly #clock: Clock
  /** Fetching again would bring the same. */
  readonly #isConstant: boolean
  /** Theirs less ours. */
  #skewMs = 0

  constructor(auth: SigV4Auth, credential: Credential<AwsCredentials>, clock: Clock) {
    this.#signer = new Signer(auth.service, auth.region)
    this.#credential = credential
    this.#clock = clock
    this.#isConstant = auth.accessKeyId !== '' && auth.roleArn === ''
    this.authorize = request => this.#authorize(request)
  }

  warmUp(): void {
    this.#credential.warmUp()
  }

  rejected(rejection: Rejection): boolean {
    const { status, lines } = rejection
    const says = (codes: readonly string[]): boolean =>
      codes.some(code => rejection.errorType.includes(code) || rejection.body.includes(code))
    if (says(skewCodes) && this.#adjust(rejection)) return true
    if (this.#isConstant || (status !== 401 && !says(credentialCodes))) return false
    return this.#credential.reject(({ accessKeyId }) => lines.includes(` Credential=${accessKeyId}/`), false)
  }

  /** True when the time that was signed was off: the next signature is made by their clock. */
  #adjust({ lines, date, nowMs }: Rejection): boolean {
    const theirMs = Date.parse(date)
    const isOff = Math.abs(theirMs - signedMs(lines)) >= skewWorthMs
    const skewMs = theirMs - nowMs
    // NaN, for a date that is none, is never within bounds.
    if (!isOff || !(Math.abs(skewMs) <= longestSkewMs)) return false
    this.#skewMs = skewMs
    return true
  }

  #authorize(request: AuthorizedRequest): string | Failure | Promise<string | Failure> {
    const credentials = this.#credential.get(request.nowMs)
    const bodyHash = payloadHash(request.body)
    if (!(credentials instanceof Promise)) return this.#sign(request, bodyHash, credentials, request.nowMs)
    return credentials.then(fetched => this.#sign(request, bodyHash, fetched, this.#clock.now()))
  }

  #sign(request: AuthorizedRequest, bodyHash: string, credentials: AwsCredentials | Failure, nowMs: number) {
    if (credentials instanceof Failure) return credentials
    return this.#signer.sign(request, bodyHash, credentials, nowMs + this.#skewMs)
  }
}

/** Of `x-amz-date: 20260115T120000Z`; NaN when the lines have none. */
function signedMs(lines: string): number {
  const [, year, month, day, hour, minute, second] =
    /^x-amz-date: (\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/m.exec(lines)?.map(Number) ?? []
  return year === undefined ? Number.NaN : Date.UTC(year, month - 1, day, hour, minute, second)
}
