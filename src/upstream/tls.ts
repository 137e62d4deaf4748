import type * as tls from 'node:tls'
import type { UpstreamTls } from './upstream.ts'

/** What both transports make of an origin's TLS settings. */
export function secureContextOptions(settings: UpstreamTls | null): tls.SecureContextOptions {
  return {
    minVersion: 'TLSv1.2',
    ...(settings?.ca?.length ? { ca: [...systemRoots(), ...settings.ca] } : {}),
    ...(settings?.cert ? { cert: settings.cert } : {}),
    ...(settings?.key ? { key: settings.key } : {}),
    ...(settings?.passphrase ? { passphrase: settings.passphrase } : {}),
  }
}

/** Node's `ca` replaces the default roots; ours is in addition to them. */
function systemRoots(): readonly string[] {
  const tls = process.getBuiltinModule('node:tls')
  // Node 22.15 and later also knows what NODE_EXTRA_CA_CERTS added.
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] }
  return getCACertificates?.('default') ?? tls.rootCertificates
}
