import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Origin } from '../../src/upstream/upstream.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { type Outcome, openOrigin, send } from './collect.ts'
import { type CorpusEntry, corpus } from './corpus.ts'

/** Answers `GET /<entry>/<cut>` with that entry of the corpus, cut there. */
async function startCorpus(t: TestContext): Promise<{ http1: Origin; undici: Origin }> {
  const upstream = await startRawUpstream(t, {
    onRequest(connection, { head }) {
      const [, index, cut] = /^[A-Z]+ \/(\d+)\/(\d+) /.exec(head)!
      const { bytes, close } = corpus[Number(index)]
      const isCut = Number(cut) > 0 && Number(cut) < bytes.length
      void connection.writeCut(bytes, isCut ? [Number(cut)] : []).then(() => {
        if (close) connection.end()
      })
    },
  })
  // Each request has a connection of its own: what one entry leaves behind is the pool tests' business.
  const options = { ...upstream, idleTimeoutMs: 1, maxConnectionAgeMs: 0, retryStale: false }
  return { http1: openOrigin(t, options), undici: openOrigin(t, { ...options, http2: true }) }
}

const ask = (origin: Origin, index: number, cut: number): Promise<Outcome> =>
  send(origin, { method: corpus[index].method, path: `/${index}/${cut}` })

/** What a caller can act on: for a failure, only that it is one. */
const summary = ({ status, body, result }: Outcome): string =>
  result === 'end' ? `${status} ${JSON.stringify(body.toString('latin1'))}` : 'failure'

async function eachCut(origin: Origin, index: number): Promise<Set<string>> {
  const seen = new Set<string>()
  const { length } = corpus[index].bytes
  const width = 32
  for (let from = 0; from <= length; from += width) {
    const cuts = Array.from({ length: Math.min(width, length + 1 - from) }, (_, at) => from + at)
    for (const outcome of await Promise.all(cuts.map(cut => ask(origin, index, cut)))) seen.add(summary(outcome))
  }
  return seen
}

const name = ({ name, difference }: CorpusEntry): string =>
  difference === undefined ? `${name}: both transports see the same` : `${name}: undici ${difference}`

test('the corpus', async t => {
  const { http1, undici } = await startCorpus(t)
  for (const [index, entry] of corpus.entries()) {
    await t.test(name(entry), async () => {
      const ours = await eachCut(http1, index)
      assert.equal(ours.size, 1, `ours depends on where it is cut: ${[...ours].join(' | ')}`)
      const theirs = await eachCut(undici, index)
      if (entry.difference === undefined) assert.deepEqual([...theirs], [...ours])
      else assert.notDeepEqual([...theirs], [...ours], 'the difference is gone')
    })
  }
})
