import type { Auth } from '../../core/provider.ts'

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
