import type { Failure } from '../../core/failures.ts'
import type { Auth } from '../../core/provider.ts'
import type { Upstream } from '../upstream.ts'
import {
  type AuthorizedRequest,
  type Authorizer,
  type AuthParts,
  type Clock,
  type Rejection,
  systemClock,
} from './authorizer.ts'
import { awsSource, givenKeys } from './aws/credentials.ts'
import type { AwsCredentials } from './aws/signer.ts'
import { SigV4Authorizer } from './aws/sigv4.ts'
import { guarded } from './cause.ts'
import { clientCredentials } from './client-credentials.ts'
import { Credential, type Fetch, type Fetched } from './credential.ts'
import { entra } from './entra.ts'
import { google, userProjectHeader } from './google.ts'

export type { AuthorizedRequest, Authorizer, AuthParts, Clock, Rejection } from './authorizer.ts'

/** Of a fetch with all its steps; the steps have bounds of their own. */
const fetchTimeoutMs = 45_000

/** What an auth scheme puts into requests. A missing constant credential adds no header. */
export function createAuthorizer(auth: Auth, parts: AuthParts): Authorizer {
  const clock = parts.clock ?? systemClock
  switch (auth.scheme) {
    case 'none':
    case 'bearer':
    case 'header':
      return { fixed: applyAuth(auth), authorize: null }
    case 'sigv4': {
      const fetch = (): Fetch<AwsCredentials> => awsSource(auth, parts, clock)
      return new SigV4Authorizer(auth, shared(auth, parts, clock, 'AWS credentials', fetch, givenKeys(auth)), clock)
    }
    case 'google': {
      const fetch = (): Fetch<string> => google(auth, parts, clock)
      const fixed = auth.userProject ? [[userProjectHeader, auth.userProject] as const] : []
      return new TokenAuthorizer(shared(auth, parts, clock, 'Google credentials', fetch), fixed)
    }
    case 'entra': {
      const fetch = (): Fetch<string> => entra(auth, parts, clock)
      return new TokenAuthorizer(shared(auth, parts, clock, 'Entra credentials', fetch), [])
    }
    case 'oauth-client-credentials': {
      const fetch = (): Fetch<string> => clientCredentials(auth, parts, clock)
      return new TokenAuthorizer(shared(auth, parts, clock, 'OAuth client credentials', fetch), [])
    }
  }
}

/** The headers of a scheme that is constant; names in lower case. A missing credential adds none. */
export function applyAuth(auth: Auth): [name: string, value: string][] {
  if (auth.scheme === 'bearer') return auth.token === '' ? [] : [['authorization', `Bearer ${auth.token}`]]
  if (auth.scheme === 'header') return auth.value === '' ? [] : [[auth.name.toLowerCase(), auth.value]]
  return []
}

/** A bearer token that expires. */
class TokenAuthorizer implements Authorizer {
  readonly fixed: Authorizer['fixed']
  readonly authorize: (request: AuthorizedRequest) => string | Failure | Promise<string | Failure>
  readonly #credential: Credential<string>

  constructor(credential: Credential<string>, fixed: Authorizer['fixed']) {
    this.fixed = fixed
    this.#credential = credential
    this.authorize = ({ nowMs }) => credential.get(nowMs)
  }

  warmUp(): void {
    this.#credential.warmUp()
  }

  rejected({ status, lines }: Rejection): boolean {
    return this.#credential.reject(value => value === lines, status === 401)
  }
}

type Known = Map<string, WeakRef<Credential<unknown>>>
const known = new WeakMap<Upstream, Known>()

/** Equal descriptions share one credential, for as long as someone uses it: a reload fetches nothing again. */
function shared<T>(
  auth: Auth,
  parts: AuthParts,
  clock: Clock,
  what: string,
  fetch: () => Fetch<T>,
  initial: Fetched<T> | null = null,
): Credential<T> {
  let credentials = known.get(parts.upstream)
  if (credentials === undefined) {
    credentials = new Map()
    known.set(parts.upstream, credentials)
  }
  for (const [key, weak] of credentials) if (weak.deref() === undefined) credentials.delete(key)
  const key = JSON.stringify([sorted(auth), parts.proxy ?? '', parts.ca ?? []])
  const found = credentials.get(key)?.deref()
  // The key begins with the scheme, which decides what is fetched.
  if (found !== undefined) return found as Credential<T>
  const credential = new Credential(guarded(what, fetchTimeoutMs, [], fetch()), clock, initial)
  credentials.set(key, new WeakRef(credential as Credential<unknown>))
  return credential
}

/** Independent of the order in which a provider writes the fields down. */
const sorted = (auth: Auth): [string, unknown][] => Object.entries(auth).sort(([a], [b]) => (a < b ? -1 : 1))
