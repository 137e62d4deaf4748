import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import { type Outcome, openOrigin, send } from '../collect.ts'
import { corpus } from '../corpus.ts'

/** mulberry32: the same sequence on every machine, so that a failure can be repeated from its number. */
function createRandom(seed: number): (below: number) => number {
  return below => {
    seed = (seed + 0x6d2b79f5) | 0
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) % below
  }
}

const splices = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  ':',
  ';',
  '0\r\n\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'ffffffff',
  'HTTP/1.1 ',
]

function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  let mutated = bytes
  for (let count = 1 + random(3); count > 0; count--) {
    const at = random(mutated.length + 1)
    const length = random(6)
    const inserted = [
      () => Buffer.from([random(256)]),
      () => Buffer.from(splices[random(splices.length)], 'latin1'),
      () => Buffer.alloc(0),
      () => mutated.subarray(random(mutated.length + 1)).subarray(0, 20),
    ][random(4)]()
    mutated = Buffer.concat([mutated.subarray(0, at), inserted, mutated.subarray(at + (random(2) === 0 ? 0 : length))])
  }
  return mutated
}

const rounds = 1500

test('whatever an upstream sends, a call ends exactly once, the same wherever the bytes are cut', async t => {
  const random = createRandom(20_240_229)
  const inputs = Array.from({ length: rounds }, () => {
    const { bytes, method } = corpus[random(corpus.length)]
    const mutated = mutate(bytes, random)
    return { method, bytes: mutated, cut: 1 + random(mutated.length + 1) }
  })
  const upstream = await startRawUpstream(t, {
    onRequest(connection, { head }) {
      const [, number, isCut] = /^[A-Z]+ \/(\d+)\/(cut)?/.exec(head)!
      const { bytes, cut } = inputs[Number(number)]
      void connection.writeCut(bytes, isCut && cut < bytes.length ? [cut] : []).then(() => connection.end())
    },
  })
  const origin = openOrigin(t, { ...upstream, maxConnectionAgeMs: 0 })
  const summary = ({ result, status, body }: Outcome): string =>
    result === 'end' ? `${status} ${body.toString('latin1')}` : 'failure'
  const width = 50
  for (let from = 0; from < rounds; from += width) {
    await Promise.all(
      inputs.slice(from, from + width).map(async ({ method, bytes }, index) => {
        const number = from + index
        const whole = await send(origin, { method, path: `/${number}/whole` })
        const cut = await send(origin, { method, path: `/${number}/cut` })
        const told = `input ${number}: ${JSON.stringify(bytes.toString('latin1'))}`
        for (const outcome of [whole, cut])
          assert.ok(outcome.result === 'end' || outcome.result === 'upstream_error', told)
        assert.equal(summary(cut), summary(whole), told)
      }),
    )
  }
  assert.deepEqual([origin.stats().queued, origin.stats().open - origin.stats().idle], [0, 0])
})
