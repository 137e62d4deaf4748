import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { SignatureV4 } from '@smithy/signature-v4'
import { canonicalTarget } from '../../../../src/upstream/auth/aws/canonical.ts'
import { payloadHash, Signer } from '../../../../src/upstream/auth/aws/signer.ts'
import { verifySigV4 } from '../../../support/verify-sigv4.ts'

const credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: '',
}
const region = 'us-east-1'
const host = `bedrock-runtime.${region}.amazonaws.com`
const nowMs = Date.UTC(2026, 0, 15, 12)

interface Case {
  readonly method: string
  readonly path: string
  readonly contentType: string
  readonly body: Buffer | null
  readonly sessionToken: string
  readonly nowMs: number
}

const parse = (lines: string): Record<string, string> =>
  Object.fromEntries(
    lines
      .trimEnd()
      .split('\r\n')
      .map(line => line.split(/: (.*)/s).slice(0, 2)),
  )

function signed({ sessionToken, ...request }: Case, signer = new Signer('bedrock', region)): Record<string, string> {
  const lines = signer.sign(
    { ...request, host },
    payloadHash(request.body),
    { ...credentials, sessionToken },
    request.nowMs,
  )
  return parse(lines)
}

test('the published example is signed to the byte', () => {
  const body = Buffer.from(
    '{"anthropic_version":"bedrock-2023-05-31","max_tokens":16,"messages":[{"role":"user","content":"Hi"}]}',
  )
  assert.equal(payloadHash(body), '4ce463b5c3d9ec921b15bafe17cf28cc4d188c93bf720c68e1dee3905c9fd0f8')
  const path = '/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke'
  assert.deepEqual(signed({ method: 'POST', path, contentType: 'application/json', body, sessionToken: '', nowMs }), {
    'x-amz-date': '20260115T120000Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260115/us-east-1/bedrock/aws4_request, ' +
      'SignedHeaders=content-type;host;x-amz-date, ' +
      'Signature=a90f4d2464f51391222b9428aa1c78869947ae9def4350c5971f869067f72fec',
  })
})

test('a colon of a model id and a slash of an ARN are encoded twice in the canonical path', () => {
  assert.equal(canonicalTarget('/model/a%3A0/invoke'), '/model/a%253A0/invoke\n')
  assert.equal(
    canonicalTarget('/model/arn%3Aaws%3Abedrock%3A%3Ax%2Fy/converse'),
    '/model/arn%253Aaws%253Abedrock%253A%253Ax%252Fy/converse\n',
  )
})

test('parameters are sorted by name, then value, and encoded once however they were written', () => {
  assert.equal(canonicalTarget('/?b=2&a-=1&a=2&a=1&c&d=x:y%3az+%7e'), '/\na=1&a=2&a-=1&b=2&c=&d=x%3Ay%3Az%2B~')
  assert.equal(canonicalTarget('/x?%zz=%&=&&é'), '/x\n=&%25zz=%25&%C3%A9=')
})

/** A linear congruential generator: the same cases in each run. */
function randomCases(count: number): Case[] {
  let seed = 20260115
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const pick = <T>(values: readonly T[]): T => values[next(values.length)]
  const bits = [
    'a',
    'B9',
    '-',
    '.',
    '_',
    '~',
    '%3A',
    '%2F',
    '%20',
    ':',
    '*',
    "'",
    '(',
    '!',
    '@',
    '+',
    ',',
    ';',
    '$',
    '%C3%A9',
    '%25',
  ]
  const text = (most: number): string => Array.from({ length: next(most) }, () => pick(bits)).join('')
  const segment = (): string => pick([() => text(5), () => '..', () => '.', () => '', () => text(9)])()
  const parameter = (): string =>
    pick([() => `${text(4)}k=${text(4)}`, () => `k${text(3)}=`, () => `z${next(3)}=${next(9)}`])()
  return Array.from({ length: count }, () => {
    const path = `/${Array.from({ length: next(6) }, segment).join('/')}`
    const query = Array.from({ length: next(5) }, parameter).join('&')
    return {
      method: pick(['GET', 'POST', 'PUT', 'DELETE']),
      path: query === '' ? path : `${path}?${query}`,
      contentType: pick(['', 'application/json', 'application/json;  charset=utf-8 ', 'text/plain']),
      body: pick([null, Buffer.alloc(0), Buffer.from(text(40)), Buffer.from([0, 255, next(256), 10, 13])]),
      sessionToken: pick(['', 'FwoGZXIvYXdzEA+/token==']),
      nowMs: nowMs + next(400) * 86_399_999,
    }
  })
}

/** What Smithy's signer and the mocks' verifier need: whole pieces, decoded. */
function queryOf(path: string): Record<string, string[]> {
  const query: Record<string, string[]> = {}
  const mark = path.indexOf('?')
  for (const part of mark < 0 ? [] : path.slice(mark + 1).split('&')) {
    const [name, value] = part.split(/=(.*)/s)
    ;(query[decodeURIComponent(name)] ??= []).push(decodeURIComponent(value ?? ''))
  }
  return query
}

class Sha256 {
  readonly #hash
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = secret instanceof ArrayBuffer ? new Uint8Array(secret) : (secret as string | Uint8Array | undefined)
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', key)
  }
  update(data: string | Uint8Array): void {
    this.#hash.update(data)
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }
  reset(): void {}
}

test('signatures are those of the vendor’s signer, for 2,000 odd requests by one signer', async () => {
  const signer = new Signer('bedrock', region)
  for (const each of randomCases(2000)) {
    const smithy = new SignatureV4({
      service: 'bedrock',
      region,
      sha256: Sha256 as never,
      applyChecksum: false,
      credentials: { ...credentials, ...(each.sessionToken && { sessionToken: each.sessionToken }) },
    })
    const theirs = await smithy.sign(
      {
        method: each.method,
        protocol: 'https:',
        hostname: host,
        path: each.path.split('?')[0],
        query: queryOf(each.path),
        headers: { host, ...(each.contentType && { 'content-type': each.contentType }) },
        body: each.body ?? undefined,
      },
      { signingDate: new Date(each.nowMs) },
    )
    const ours = signed(each, signer)
    assert.equal(ours.authorization, theirs.headers.authorization, each.path)
    assert.equal(ours['x-amz-security-token'], theirs.headers['x-amz-security-token'])
  }
})

test('the verifier of the mocks agrees, and sees each change of what was signed', () => {
  for (const each of randomCases(300)) {
    const headers: Record<string, string> = { host, 'content-type': each.contentType, ...signed(each) }
    if (each.contentType === '') delete headers['content-type']
    const request = {
      method: each.method,
      url: each.path,
      headers,
      body: each.body ?? new Uint8Array(0),
      secretAccessKey: credentials.secretAccessKey,
      region,
      service: 'bedrock',
      nowMs: each.nowMs,
    }
    assert.equal(verifySigV4(request), null, each.path)
    const mismatch = /does not match/
    assert.match(String(verifySigV4({ ...request, method: 'PATCH' })), mismatch)
    assert.match(
      String(verifySigV4({ ...request, url: `${each.path}${each.path.includes('?') ? '&' : '?'}added=1` })),
      mismatch,
    )
    assert.match(String(verifySigV4({ ...request, body: Buffer.from('another') })), mismatch)
    assert.match(String(verifySigV4({ ...request, secretAccessKey: 'another' })), mismatch)
    assert.match(String(verifySigV4({ ...request, headers: { ...headers, host: 'another' } })), mismatch)
    assert.match(String(verifySigV4({ ...request, region: 'eu-west-1' })), /region/)
    assert.match(String(verifySigV4({ ...request, service: 'sts' })), /service/)
    assert.match(String(verifySigV4({ ...request, nowMs: each.nowMs + 301_000 })), /expired/)
    assert.match(
      String(verifySigV4({ ...request, headers: { ...headers, 'x-amz-security-token': 'added' } })),
      /Exception/,
    )
    assert.match(String(verifySigV4({ ...request, headers: {} })), /^MissingAuthenticationToken/)
  }
})

test('no path makes the signer throw', () => {
  const paths = ['', '?', '%', '/%', '/\ud800?\udfff=%', '//..//', '/é\n', `/${'x'.repeat(5000)}`]
  for (const path of paths)
    assert.match(
      signed({ method: 'GET', path, contentType: '', body: null, sessionToken: '', nowMs }).authorization,
      /Signature=/,
    )
})
