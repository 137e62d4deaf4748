import { hash } from 'node:crypto'
import type { KeyData, SnapshotData } from './snapshot.ts'

const masterKey = 'master-key'

/** The key behind a bearer token, or null: unknown, revoked or expired. */
export type Authenticate = (token: string, nowMs: number) => KeyData | null

export function authenticator(auth: SnapshotData['auth']): Authenticate {
  const byDigest = new Map<string, KeyData>(auth.keys.map(key => [key.sha256, key]))
  if (auth.masterKeySha256 !== '') {
    // The fingerprint makes a rotation of the key visible wherever the id is shown.
    const id = `${masterKey}:${auth.masterKeySha256.slice(0, 16)}`
    byDigest.set(auth.masterKeySha256, { id, sha256: auth.masterKeySha256, name: masterKey, scopes: ['admin'], expiresAtMs: 0 })
  }
  // Only a digest is looked up, never the token: how long that takes says nothing about any stored key.
  return (token, nowMs) => {
    const key = byDigest.get(hash('sha256', token))
    return key === undefined || (key.expiresAtMs > 0 && key.expiresAtMs <= nowMs) ? null : key
  }
}

/** RFC 9110 §11.1: the scheme's name has no case. '' for anything that is not a bearer token. */
export function bearerToken(header: string): string {
  if (header.length < 8 || header.charCodeAt(6) !== 0x20) return ''
  return header.startsWith('Bearer') || header.slice(0, 6).toLowerCase() === 'bearer' ? header.slice(7).trim() : ''
}
