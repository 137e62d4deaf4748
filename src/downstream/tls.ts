import { readFileSync } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import type { TlsOptions } from './engine.ts'

/**
 * Reads the files. Throws the system's error when one can't be read. With a `caFile` a client must show a certificate
 * that one of its authorities signed.
 */
export function secureContextOptions(tls: TlsOptions): SecureContextOptions & { requestCert: boolean } {
  return {
    cert: readFileSync(tls.certFile),
    key: readFileSync(tls.keyFile),
    passphrase: tls.passphrase,
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
    requestCert: tls.caFile !== undefined,
    minVersion: tls.minVersion ?? 'TLSv1.2',
  }
}
