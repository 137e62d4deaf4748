import { readFileSync } from 'node:fs'

const read = (name: string): string =>
  // From the build output, which mirrors the tree one level down.
  readFileSync(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url), 'utf8')

export const testCa = read('ca.pem')
/** For `localhost` and 127.0.0.1. */
export const localhostCertificate = { cert: read('localhost.pem'), key: read('localhost.key') }
/** For `elsewhere.test`. */
export const elsewhereCertificate = { cert: read('elsewhere.pem'), key: read('elsewhere.key') }
export const clientCertificate = { cert: read('client.pem'), key: read('client.key') }
