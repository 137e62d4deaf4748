import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createEngine, uwsAvailable } from '../../src/downstream/create-engine.ts'
import type { EngineOptions, TlsOptions } from '../../src/downstream/engine.ts'
import { RawClient } from '../support/raw-client.ts'
import { certificate, clientTls, startEngine } from './harness.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url))
const caFile = fixture('ca.pem')

const options = (tls: TlsOptions | null): EngineOptions => ({
  host: '127.0.0.1',
  port: 0,
  sharedPort: false,
  maxHeadBytes: 16_384,
  maxConnections: 10,
  headTimeoutMs: 1000,
  keepAliveTimeoutMs: 1000,
  tls,
  onRequest: () => assert.fail('no request was sent'),
})

async function nameOf(tls: TlsOptions | null): Promise<string> {
  const engine = await createEngine('auto', options(tls))
  await engine.listen()
  await engine.close()
  return engine.name
}

test('auto takes uWebSockets.js where it is available and can do what is asked', async () => {
  const best = uwsAvailable().available ? 'uws' : 'node'
  assert.equal(await nameOf(null), best)
  assert.equal(await nameOf(certificate), best)
  assert.equal(await nameOf({ ...certificate, minVersion: 'TLSv1.3' }), 'node')
  assert.equal(await nameOf({ ...certificate, caFile }), 'node')
})

test('uws by name refuses what it cannot enforce', { skip: !uwsAvailable().available }, async () => {
  await assert.rejects(createEngine('uws', options({ ...certificate, minVersion: 'TLSv1.3' })), /TLS 1\.3/)
  await assert.rejects(createEngine('uws', options({ ...certificate, caFile })), /certificates of clients/)
})

test('with a CA file only clients that show a certificate of it are heard', async t => {
  const { port, heard } = await startEngine(t, 'node', undefined, { tls: { ...certificate, caFile } })
  const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const nobody = await RawClient.connect(t, port, clientTls)
  await nobody.send(request)
  await nobody.closed()
  assert.equal(heard.length, 0)
  const known = { cert: readFileSync(fixture('client.pem')), key: readFileSync(fixture('client.key')) }
  const client = await RawClient.connect(t, port, { ...clientTls, ...known })
  await client.send(request)
  assert.equal((await client.response()).status, 200)
})
