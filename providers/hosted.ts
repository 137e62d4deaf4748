import type { Auth, Setting } from '../src/core/provider.ts'
import { apiRoot, versionOf } from './base-url.ts'

export interface Host {
  /** API root, version segment included. */
  readonly root: string
  /** Begins the names of its variables: `GROQ` → `GROQ_API_KEY`, `GROQ_BASE_URL`. */
  readonly env: string
  /** Where these are called otherwise. */
  readonly keyEnv?: string
  readonly baseUrlEnv?: string
  /** Other variables of the key that are in use. */
  readonly keyAliases?: readonly string[]
  /** Where a key is made, or what it must be allowed to do. */
  readonly help?: string
}

/** Identity, address and bearer key of a host that has one public root: the part that most providers share. */
export function hosted({
  root,
  env,
  keyEnv = `${env}_API_KEY`,
  baseUrlEnv = `${env}_BASE_URL`,
  keyAliases,
  help,
}: Host) {
  return {
    settings: {
      apiKey: { env: keyEnv, aliases: keyAliases, secret: true, help } as Setting,
      baseUrl: { env: baseUrlEnv, default: root } as Setting,
    },
    origin: ({ baseUrl }: { readonly baseUrl: string }): string => apiRoot(baseUrl, versionOf(root)),
    // Without a key a base URL of one's own still works: then no header is sent.
    auth: ({ apiKey }: { readonly apiKey: string }): Auth => bearer(apiKey),
  }
}

export const bearer = (token: string): Auth => (token === '' ? { scheme: 'none' } : { scheme: 'bearer', token })
