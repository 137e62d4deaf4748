import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { AcceptorLink } from '../../src/link/acceptor-side.ts'
import { ConsumerLink } from '../../src/link/consumer-side.ts'
import { Doorbell } from '../../src/shared/doorbell.ts'
import { pairLayout, roster, ThreadState } from '../../src/shared/layout.ts'
import { type Random, random } from '../core/random.ts'
import { eventually } from '../support/raw-client.ts'
import type { ConsumerData, ConsumerFigures } from './consumer-thread.ts'
import { FakeClient, type Outcome, type Plan } from './fake-client.ts'
import { FakePipeline, sequence } from './fake-pipeline.ts'

const acceptorThread = 1
const window = 256 << 10
const largestFrame = 64 << 10
const mode = { once: 0.3, pieces: 0.6 }

interface Mix {
  readonly cancels: number
  readonly slowness: number
  readonly largest: number
}

function planOf(seed: number, dice: Random, { cancels, slowness, largest }: Mix): Plan {
  const size = (): number =>
    dice.below(dice.chance(0.7) ? 2_000 : dice.chance(0.7) ? Math.min(100_000, largest) : largest)
  const leaves = dice.chance(cancels)
  const roll = dice.below(100) / 100
  return {
    mode: leaves && dice.chance(0.3) ? 'never' : roll < mode.once ? 'whole' : roll < mode.pieces ? 'length' : 'stream',
    bytes: size(),
    seed,
    body: sequence(dice.chance(0.2) ? 0 : size(), seed ^ 0x5555),
    isChunked: dice.chance(0.5),
    leavesAt: leaves ? dice.below(30) : -1,
    slowness: dice.chance(slowness) ? 0.5 : 0,
    random: random(seed),
  }
}

function createAcceptor(words: Int32Array, onOwnBell?: () => void) {
  return new AcceptorLink({
    thread: acceptorThread,
    roster: words,
    limits: {
      maxRequestBytes: 8 << 20,
      uploadBytes: {},
      bodyTimeoutMs: 600_000,
      writeStallTimeoutMs: 600_000,
      wantsRemote: true,
    },
    newRequestId: () => '0123456789abcdef0123456789abcdef',
    isMainAlive: () => true,
    onOwnBell,
    onRefused: () => {},
  })
}

/** Runs the exchanges, so many at a time, and returns what came of them. */
async function run(
  link: AcceptorLink,
  count: number,
  atOnce: number,
  mix: Mix,
  dice: Random,
  between?: (done: number) => void,
) {
  const outcomes = new Map<string, number>()
  const problems: string[] = []
  let mostBehind = 0
  let started = 0
  let ended = 0
  let open = 0
  await new Promise<void>((resolve, reject) => {
    const stuck = (): void =>
      reject(new Error(`${open} exchanges do not end, after ${ended} that did: ${problems.join('; ')}`))
    const timer = setTimeout(stuck, 60_000)
    const more = (): void => {
      while (started < count && open < atOnce) {
        started++
        open++
        const plan = planOf(started, dice, mix)
        let isOver = false
        let client: FakeClient | null = null
        const over = (): void => {
          if (isOver) problems.push('an exchange ended twice')
          isOver = true
          setImmediate(() => {
            const { outcome, problems: found, mostBehind: behind } = client!
            outcomes.set(outcome as Outcome, (outcomes.get(outcome as Outcome) ?? 0) + 1)
            problems.push(...found)
            mostBehind = Math.max(mostBehind, behind)
            open--
            ended++
            between?.(ended)
            if (ended < count) return more()
            clearTimeout(timer)
            resolve()
          })
        }
        client = new FakeClient(plan, link.onRequest, over)
      }
    }
    more()
  })
  return { outcomes: Object.fromEntries(outcomes), problems, mostBehind }
}

class Consumers {
  readonly link: AcceptorLink
  readonly words: Int32Array
  readonly #t: TestContext
  readonly #roster = new SharedArrayBuffer(roster.bytes)
  readonly #ringBytes: number
  readonly #workers = new Map<number, Worker>()
  #rows = acceptorThread

  constructor(t: TestContext, ringBytes: number) {
    this.#t = t
    this.#ringBytes = ringBytes
    this.words = new Int32Array(this.#roster)
    this.link = createAcceptor(this.words)
    const bell = new Doorbell(this.words, acceptorThread, consumer => this.link.serve(consumer))
    bell.open()
    t.after(async () => {
      bell.close()
      await Promise.all([...this.#workers.values()].map(worker => worker.terminate()))
    })
  }

  get rows(): number[] {
    return [...this.#workers.keys()]
  }

  async start(): Promise<void> {
    const thread = ++this.#rows
    const layout = pairLayout(this.#ringBytes, 64)
    const pair = { buffer: new SharedArrayBuffer(layout.bytes), layout }
    const data: ConsumerData = { thread, roster: this.#roster, acceptor: acceptorThread, pair }
    const worker = new Worker(new URL('./consumer-thread.js', import.meta.url), { workerData: data })
    worker.on('error', error => this.#t.diagnostic(`a consumer failed: ${String(error)}`))
    await once(worker, 'message')
    Atomics.store(this.words, roster.state(thread), ThreadState.live)
    this.#workers.set(thread, worker)
    this.link.addConsumer(thread, pair.buffer, layout, 'worker')
  }

  /** Ends the thread wherever it is, as the supervisor sees it. */
  async lose(thread: number): Promise<void> {
    const worker = this.#workers.get(thread)!
    this.#workers.delete(thread)
    await worker.terminate()
    Atomics.store(this.words, roster.state(thread), ThreadState.dead)
    this.link.removeConsumer(thread)
  }

  async figures(): Promise<ConsumerFigures[]> {
    return Promise.all(
      [...this.#workers.values()].map(async worker => {
        worker.postMessage('figures')
        const [figures] = (await once(worker, 'message')) as [ConsumerFigures]
        return figures
      }),
    )
  }

  async assertQuiet(): Promise<void> {
    await eventually(() => this.link.inFlight === 0, 'the acceptor to have nothing in flight')
    let figures: ConsumerFigures[] = []
    for (let tries = 0; tries < 200; tries++) {
      figures = await this.figures()
      if (figures.every(({ inFlight, open }) => inFlight === 0 && open === 0)) break
    }
    for (const { inFlight, open, problems } of figures)
      assert.deepEqual({ inFlight, open, problems }, { inFlight: 0, open: 0, problems: [] })
    for (const row of this.rows) assert.equal(this.words[roster.state(row)], ThreadState.live)
  }
}

for (const ringBytes of [64 << 10, 1 << 20]) {
  const size = `rings of ${ringBytes >> 10} KiB`

  test(`${size}: thousands of exchanges between threads, each ends once with exactly its bytes`, async t => {
    const consumers = new Consumers(t, ringBytes)
    await consumers.start()
    await consumers.start()
    const mix = { cancels: 0, slowness: 0.2, largest: 1 << 20 }
    const { outcomes, problems, mostBehind } = await run(consumers.link, 2_000, 160, mix, random(1))
    assert.deepEqual(problems, [])
    assert.deepEqual(outcomes, { answered: 2_000 })
    assert.ok(mostBehind <= window + 2 * largestFrame, `a client that took nothing was sent ${mostBehind} bytes`)
    await consumers.assertQuiet()
    assert.equal(consumers.link.unknownFrames, 0)
    const announced = (await consumers.figures()).map(figures => figures.announced)
    assert.ok(Math.min(...announced) > 20, `${announced} bodies came in pieces and told how long they would be`)
  })

  test(`${size}: with clients that leave at any moment, nobody else notices and nothing stays behind`, async t => {
    const consumers = new Consumers(t, ringBytes)
    await consumers.start()
    await consumers.start()
    const mix = { cancels: 0.4, slowness: 0.2, largest: 500_000 }
    const { outcomes, problems } = await run(consumers.link, 3_000, 160, mix, random(2))
    assert.deepEqual(problems, [])
    assert.deepEqual(Object.keys(outcomes).sort(), ['answered', 'left'])
    await consumers.assertQuiet()
    // There are 64 slots a pair, and each was in use many times: one that is not given back would be missed here.
    const after = await run(consumers.link, 300, 128, { cancels: 0, slowness: 0, largest: 2_000 }, random(3))
    assert.deepEqual(after.outcomes, { answered: 300 })
    await consumers.assertQuiet()
  })

  test(`${size}: workers that are lost in the middle of anything leave each exchange with one proper end`, async t => {
    const consumers = new Consumers(t, ringBytes)
    for (let i = 0; i < 3; i++) await consumers.start()
    const dice = random(4)
    const mix = { cancels: 0.1, slowness: 0.2, largest: 300_000 }
    const losses: Promise<void>[] = []
    const { outcomes, problems } = await run(consumers.link, 2_500, 220, mix, dice, done => {
      if (done % 200 !== 0) return
      const victim = dice.pick(consumers.rows)
      losses.push(consumers.lose(victim).then(() => consumers.start()))
    })
    await Promise.all(losses)
    assert.deepEqual(problems, [])
    const allowed = new Set(['answered', 'left', 'cut', 'error event', 'refused 502'])
    assert.deepEqual(
      Object.keys(outcomes).filter(outcome => !allowed.has(outcome)),
      [],
      JSON.stringify(outcomes),
    )
    assert.ok(outcomes.answered > 1_800, JSON.stringify(outcomes))
    assert.ok(consumers.link.requeued + consumers.link.lost > 0, 'the losses came while something was under way')
    await consumers.assertQuiet()
    const after = await run(consumers.link, 300, 190, { cancels: 0, slowness: 0, largest: 2_000 }, random(5))
    assert.deepEqual(after.outcomes, { answered: 300 })
  })

  for (let seed = 10; seed < 14; seed++) {
    test(`${size}: both ends in one thread do the same (seed ${seed})`, async () => {
      const words = new Int32Array(new SharedArrayBuffer(roster.bytes))
      const pipeline = new FakePipeline()
      const consumer = new ConsumerLink(acceptorThread, words, pipeline.accept, () => link.serve(acceptorThread))
      const link: AcceptorLink = createAcceptor(words, () => consumer.serve(acceptorThread))
      const layout = pairLayout(ringBytes, 64)
      const buffer = new SharedArrayBuffer(layout.bytes)
      Atomics.store(words, roster.state(acceptorThread), ThreadState.live)
      consumer.addAcceptor(acceptorThread, buffer, layout)
      link.addConsumer(acceptorThread, buffer, layout, 'worker')
      const mix = { cancels: 0.2, slowness: 0.3, largest: 400_000 }
      const { outcomes, problems } = await run(link, 600, 80, mix, random(seed))
      assert.deepEqual([...problems, ...pipeline.problems], [])
      assert.deepEqual(Object.keys(outcomes).sort(), ['answered', 'left'])
      await eventually(
        () => link.inFlight === 0 && consumer.inFlight === 0 && pipeline.open === 0,
        'nothing to be in flight',
      )
    })
  }
}
