import { hash } from 'node:crypto'
import type { KeyData } from './snapshot.ts'

const masterKey = 'master-key'

/** The key behind a bearer token, or null: unknown, revoked or expired. */
export type Authenticate = (token: string, nowMs: number) => KeyData | null

/** `findKey` looks a key up by the SHA-256 of its token, as 32 characters of a byte each. */
export function authenticator(masterKeySha256: string, findKey: (digest: string) => KeyData | null): Authenticate {
  const masterDigest = Buffer.from(masterKeySha256, 'hex').latin1Slice()
  // The fingerprint makes a rotation of the key visible wherever the id is shown.
  const master: KeyData = {
    id: `${masterKey}:${masterKeySha256.slice(0, 16)}`,
    name: masterKey,
    scopes: ['admin'],
    expiresAtMs: 0,
  }
  // Only a digest is looked up, never the token: how long that takes says nothing about any stored key.
  return (token, nowMs) => {
    const digest = hash('sha256', token, 'binary')
    if (digest === masterDigest) return master
    const key = findKey(digest)
    return key === null || (key.expiresAtMs > 0 && key.expiresAtMs <= nowMs) ? null : key
  }
}

/** RFC 9110 §11.1: the scheme's name has no case. '' for anything that is not a bearer token. */
export function bearerToken(header: string): string {
  if (header.length < 8 || header.charCodeAt(6) !== 0x20) return ''
  return header.startsWith('Bearer') || header.slice(0, 6).toLowerCase() === 'bearer' ? trimmed(header.slice(7)) : ''
}

/** Nearly always there is nothing to trim. */
const trimmed = (text: string): string =>
  text.charCodeAt(0) > 0x20 && text.charCodeAt(text.length - 1) > 0x20 && text.charCodeAt(text.length - 1) < 0x7f
    ? text
    : text.trim()
