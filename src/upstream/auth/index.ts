import type { Failure } from '../../core/failures.ts'
import type { Auth } from '../../core/provider.ts'

/** The request that is to be authorised, as it goes out. */
export interface AuthorizedRequest {
  readonly method: string
  readonly host: string
  /** Query included. */
  readonly path: string
  readonly contentType: string
  readonly body: Uint8Array | null
  readonly nowMs: number
}

export interface Authorizer {
  /** Headers that are the same for every request; names in lower case. */
  readonly fixed: readonly (readonly [name: string, value: string])[]
  /** Header lines of one request; a promise only while a credential must first be fetched. null: `fixed` is all. */
  readonly authorize: null | ((request: AuthorizedRequest) => string | Failure | Promise<string | Failure>)
}

/** The headers an auth scheme adds to each request; names in lower case. A missing credential adds none. */
export function applyAuth(auth: Auth): [name: string, value: string][] {
  switch (auth.scheme) {
    case 'none':
      return []
    case 'bearer':
      return auth.token === '' ? [] : [['authorization', `Bearer ${auth.token}`]]
    case 'header':
      return auth.value === '' ? [] : [[auth.name.toLowerCase(), auth.value]]
  }
}

export const createAuthorizer = (auth: Auth): Authorizer => ({ fixed: applyAuth(auth), authorize: null })
